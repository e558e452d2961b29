package riposte.detect.cloud_admin_granted_test

import data.riposte.detect.cloud_admin_granted

call(name, request) := {
	"metadata": {"log_name": "cloudtrail"},
	"unmapped": {"eventSource": "iam.amazonaws.com", "eventName": name, "requestParameters": request},
}

test_attached_policy_matches if {
	cloud_admin_granted.match with input as call("AttachUserPolicy", {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"})
}

test_inline_policy_matches if {
	doc := `{"Statement":[{"Effect":"Allow","Action":["*"],"Resource":"*"}]}`
	cloud_admin_granted.match with input as call("PutRolePolicy", {"policyDocument": doc})
}

test_narrow_policy_does_not if {
	not cloud_admin_granted.match with input as call("AttachUserPolicy", {"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"})
}

test_inline_policy_for_one_service_does_not if {
	doc := `{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	not cloud_admin_granted.match with input as call("PutUserPolicy", {"policyDocument": doc})
}

test_undefined_input_does_not if not cloud_admin_granted.match with input as {}
