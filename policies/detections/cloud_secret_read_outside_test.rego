package riposte.detect.cloud_secret_read_outside_test

import data.riposte.detect.cloud_secret_read_outside

call(source, name, request, ip) := {
	"metadata": {"log_name": "cloudtrail"},
	"unmapped": {"eventSource": source, "eventName": name, "requestParameters": request, "sourceIPAddress": ip},
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
