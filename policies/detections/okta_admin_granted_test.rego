package riposte.detect.okta_admin_granted_test

import data.riposte.detect.okta_admin_granted

event(code, status) := {"class_uid": 3001, "status_id": status, "metadata": {"log_name": "okta", "event_code": code}}

test_granted_role_matches if okta_admin_granted.match with input as event("user.account.privilege.grant", 1)

test_role_of_a_group_matches if {
	okta_admin_granted.match with input as object.union(event("group.privilege.grant", 1), {"class_uid": 3006})
}

test_refused_grant_does_not if not okta_admin_granted.match with input as event("user.account.privilege.grant", 2)

test_revoked_role_does_not if not okta_admin_granted.match with input as event("user.account.privilege.revoke", 1)

test_undefined_input_does_not if not okta_admin_granted.match with input as {}
