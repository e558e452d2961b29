package riposte.detect.okta_admin_granted_test

import data.riposte.detect.okta_admin_granted

event(code) := {
	"metadata": {"log_name": "okta", "event_code": code},
	"unmapped": {"eventType": code, "outcome": {"result": "SUCCESS"}},
}

test_granted_role_matches if okta_admin_granted.match with input as event("user.account.privilege.grant")

test_revoked_role_does_not if not okta_admin_granted.match with input as event("user.account.privilege.revoke")

test_undefined_input_does_not if not okta_admin_granted.match with input as {}
