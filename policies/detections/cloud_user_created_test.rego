package riposte.detect.cloud_user_created_test

import data.riposte.detect.cloud_user_created

call(name, more) := {
	"metadata": {"log_name": "cloudtrail"},
	"unmapped": object.union({"eventSource": "iam.amazonaws.com", "eventName": name}, more),
}

test_new_key_matches if cloud_user_created.match with input as call("CreateAccessKey", {})

test_refused_attempt_does_not if not cloud_user_created.match with input as call("CreateUser", {"errorCode": "AccessDenied"})

test_list_does_not if not cloud_user_created.match with input as call("ListUsers", {})

test_undefined_input_does_not if not cloud_user_created.match with input as {}
