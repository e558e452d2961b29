package riposte.detect.login_from_outside_test

import data.riposte.detect.login_from_outside

hit := {"class_uid": 3002, "activity_id": 1, "status_id": 1, "src_endpoint": {"ip": "198.51.100.7"}}

from(ip) := object.union(hit, {"src_endpoint": {"ip": ip}})

test_login_from_abroad_matches if login_from_outside.match with input as hit

test_login_from_the_organisations_exit_does_not if not login_from_outside.match with input as from("192.0.2.10")

test_login_from_a_private_address_does_not if not login_from_outside.match with input as from("10.20.100.4")

test_text_that_is_no_address_does_not if not login_from_outside.match with input as from("localhost")

test_failed_login_does_not if not login_from_outside.match with input as object.union(hit, {"status_id": 2})

test_undefined_input_does_not if not login_from_outside.match with input as {}
