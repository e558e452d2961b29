package riposte.detect.cloud_user_created_test

import data.riposte.detect.cloud_user_created

call(operation, response) := {
	"class_uid": 3001, "metadata": {"log_name": "cloudtrail"},
	"api": {"service": {"name": "iam.amazonaws.com"}, "operation": operation, "response": response},
}

test_new_key_matches if cloud_user_created.match with input as call("CreateAccessKey", {})

test_refused_attempt_does_not if not cloud_user_created.match with input as call("CreateUser", {"error": "AccessDenied"})

test_list_does_not if not cloud_user_created.match with input as call("ListUsers", {})

test_undefined_input_does_not if not cloud_user_created.match with input as {}
