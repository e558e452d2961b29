package riposte.detect.cloud_login_without_mfa_test

import data.riposte.detect.cloud_login_without_mfa

login(type, status, mfa) := {
	"class_uid": 3002, "status_id": status, "is_mfa": mfa,
	"api": {"operation": "ConsoleLogin"}, "actor": {"user": {"type": type}},
}

test_password_alone_matches if cloud_login_without_mfa.match with input as login("IAMUser", 1, false)

test_second_factor_does_not if not cloud_login_without_mfa.match with input as login("IAMUser", 1, true)

test_failed_login_does_not if not cloud_login_without_mfa.match with input as login("IAMUser", 2, false)

test_federated_login_does_not if not cloud_login_without_mfa.match with input as login("AssumedRole", 1, false)

test_undefined_input_does_not if not cloud_login_without_mfa.match with input as {}
