package riposte.detect.okta_user_reported_test

import data.riposte.detect.okta_user_reported

event(code) := {"metadata": {"log_name": "okta", "event_code": code}, "unmapped": {"eventType": code}}

test_report_matches if okta_user_reported.match with input as event("user.account.report_suspicious_activity_by_enduser")

test_changed_password_does_not if not okta_user_reported.match with input as event("user.account.update_password")

test_undefined_input_does_not if not okta_user_reported.match with input as {}
