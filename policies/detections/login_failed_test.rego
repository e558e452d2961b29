package riposte.detect.login_failed_test

import data.riposte.detect.login_failed

hit := {"class_uid": 3002, "status_id": 2, "src_endpoint": {"ip": "198.51.100.7"}, "user": {"name": "anna.berg"}}

test_failed_login_matches if login_failed.match with input as hit

test_successful_login_does_not if not login_failed.match with input as object.union(hit, {"status_id": 1})

test_failed_login_at_the_console_does_not if {
	not login_failed.match with input as object.union(hit, {"src_endpoint": {"ip": "127.0.0.1"}})
}

test_failed_login_without_an_address_does_not if {
	not login_failed.match with input as object.remove(hit, ["src_endpoint"])
}

test_failed_logoff_of_another_class_does_not if not login_failed.match with input as object.union(hit, {"class_uid": 3001})

test_undefined_input_does_not if not login_failed.match with input as {}
