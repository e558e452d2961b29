package riposte.detect.privileged_login_from_outside_test

import data.riposte.detect.privileged_login_from_outside

login(ip, privileged) := {
	"class_uid": 3002, "activity_id": 1, "status_id": 1, "src_endpoint": {"ip": ip},
	"context": {"identities": [{"entity": "user", "value": "anna.berg", "role": "user", "privileged": privileged}]},
}

test_administrator_from_abroad_matches if {
	privileged_login_from_outside.match with input as login("198.51.100.7", true)
}

test_ordinary_account_from_abroad_does_not if {
	not privileged_login_from_outside.match with input as login("198.51.100.7", false)
}

test_administrator_from_inside_does_not if {
	not privileged_login_from_outside.match with input as login("10.20.1.7", true)
}

test_failed_login_does_not if {
	not privileged_login_from_outside.match with input as object.union(login("198.51.100.7", true), {"status_id": 2})
}

test_undefined_input_does_not if not privileged_login_from_outside.match with input as {}
