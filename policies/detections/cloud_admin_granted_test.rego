package riposte.detect.cloud_admin_granted_test

import data.riposte.detect.cloud_admin_granted

call(operation, more) := object.union(
	{
		"class_uid": 3001, "metadata": {"log_name": "cloudtrail"},
		"api": {"service": {"name": "iam.amazonaws.com"}, "operation": operation},
	},
	more,
)

inline(doc) := {"unmapped": {"requestParameters": {"policyDocument": doc}}}

test_attached_policy_matches if {
	policy := {"policy": {"uid": "arn:aws:iam::aws:policy/AdministratorAccess"}}
	cloud_admin_granted.match with input as call("AttachUserPolicy", policy)
}

test_inline_policy_matches if {
	doc := `{"Statement":[{"Effect":"Allow","Action":["*"],"Resource":"*"}]}`
	cloud_admin_granted.match with input as call("PutRolePolicy", inline(doc))
}

test_narrow_policy_does_not if {
	policy := {"policy": {"uid": "arn:aws:iam::aws:policy/ReadOnlyAccess"}}
	not cloud_admin_granted.match with input as call("AttachUserPolicy", policy)
}

test_inline_policy_for_one_service_does_not if {
	doc := `{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	not cloud_admin_granted.match with input as call("PutUserPolicy", inline(doc))
}

test_undefined_input_does_not if not cloud_admin_granted.match with input as {}
