package riposte.detect.cloud_login_without_mfa_test

import data.riposte.detect.cloud_login_without_mfa

login(type, result, mfa) := {
	"metadata": {"log_name": "cloudtrail"},
	"unmapped": {
		"eventName": "ConsoleLogin", "userIdentity": {"type": type},
		"responseElements": {"ConsoleLogin": result}, "additionalEventData": {"MFAUsed": mfa},
	},
}

test_password_alone_matches if cloud_login_without_mfa.match with input as login("IAMUser", "Success", "No")

test_second_factor_does_not if not cloud_login_without_mfa.match with input as login("IAMUser", "Success", "Yes")

test_failed_login_does_not if not cloud_login_without_mfa.match with input as login("IAMUser", "Failure", "No")

test_federated_login_does_not if not cloud_login_without_mfa.match with input as login("AssumedRole", "Success", "No")

test_undefined_input_does_not if not cloud_login_without_mfa.match with input as {}
