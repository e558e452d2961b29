package riposte.detect.cloud_root_used_test

import data.riposte.detect.cloud_root_used

call(identity, code) := {
	"metadata": {"log_name": "cloudtrail", "event_code": code},
	"actor": {"user": {"type": identity.type}}, "unmapped": {"userIdentity": identity},
}

test_root_login_matches if cloud_root_used.match with input as call({"type": "Root"}, "AwsConsoleSignIn")

test_service_on_behalf_of_root_does_not if {
	not cloud_root_used.match with input as call({"type": "Root", "invokedBy": "support.amazonaws.com"}, "AwsApiCall")
}

test_ordinary_user_does_not if not cloud_root_used.match with input as call({"type": "IAMUser"}, "AwsApiCall")

test_undefined_input_does_not if not cloud_root_used.match with input as {}
