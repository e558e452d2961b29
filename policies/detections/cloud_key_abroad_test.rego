package riposte.detect.cloud_key_abroad_test

import data.riposte.detect.cloud_key_abroad

call(key, ip) := {
	"metadata": {"log_name": "cloudtrail"},
	"unmapped": {"sourceIPAddress": ip, "userIdentity": {"type": "IAMUser", "accessKeyId": key}},
}

test_long_lived_key_abroad_matches if cloud_key_abroad.match with input as call("AKIASAMPLE0000000001", "198.51.100.20")

test_same_key_at_home_does_not if not cloud_key_abroad.match with input as call("AKIASAMPLE0000000001", "192.0.2.10")

test_temporary_key_does_not if not cloud_key_abroad.match with input as call("ASIASAMPLE0000000001", "198.51.100.20")

test_call_by_a_cloud_service_does_not if {
	not cloud_key_abroad.match with input as call("AKIASAMPLE0000000001", "cloudformation.amazonaws.com")
}

test_undefined_input_does_not if not cloud_key_abroad.match with input as {}
