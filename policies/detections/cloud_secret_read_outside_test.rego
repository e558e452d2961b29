package riposte.detect.cloud_secret_read_outside_test

import data.riposte.detect.cloud_secret_read_outside

call(service, operation, request, ip) := {
	"class_uid": 6003, "metadata": {"log_name": "cloudtrail"},
	"api": {"service": {"name": service}, "operation": operation}, "src_endpoint": {"ip": ip},
	"unmapped": {"requestParameters": request},
}

secret := "secretsmanager.amazonaws.com"

test_secret_from_abroad_matches if {
	cloud_secret_read_outside.match with input as call(secret, "GetSecretValue", {}, "198.51.100.20")
}

test_decrypted_parameter_from_abroad_matches if {
	request := {"withDecryption": true}
	cloud_secret_read_outside.match with input as call("ssm.amazonaws.com", "GetParameters", request, "198.51.100.20")
}

test_secret_at_home_does_not if {
	not cloud_secret_read_outside.match with input as call(secret, "GetSecretValue", {}, "192.0.2.10")
}

test_plain_parameter_does_not if {
	request := {"withDecryption": false}
	not cloud_secret_read_outside.match with input as call("ssm.amazonaws.com", "GetParameters", request, "198.51.100.20")
}

test_undefined_input_does_not if not cloud_secret_read_outside.match with input as {}
