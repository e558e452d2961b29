package riposte.detect.cloud_key_abroad_test

import data.riposte.detect.cloud_key_abroad

call(key, ip) := {
	"class_uid": 6003, "metadata": {"log_name": "cloudtrail"},
	"actor": {"session": {"uid": key}}, "src_endpoint": {"ip": ip},
}

test_long_lived_key_abroad_matches if cloud_key_abroad.match with input as call("AKIASAMPLE0000000001", "198.51.100.20")

test_same_key_at_home_does_not if not cloud_key_abroad.match with input as call("AKIASAMPLE0000000001", "192.0.2.10")

test_temporary_key_does_not if not cloud_key_abroad.match with input as call("ASIASAMPLE0000000001", "198.51.100.20")

test_call_by_a_cloud_service_does_not if {
	event := object.remove(call("AKIASAMPLE0000000001", ""), ["src_endpoint"])
	not cloud_key_abroad.match with input as event
}

test_undefined_input_does_not if not cloud_key_abroad.match with input as {}
