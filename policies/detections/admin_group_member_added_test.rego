package riposte.detect.admin_group_member_added_test

import data.riposte.detect.admin_group_member_added

event(activity, sid) := {"class_uid": 3006, "activity_id": activity, "resource": {"uid": sid, "type": "Group"}}

test_local_administrators_match if admin_group_member_added.match with input as event(3, "S-1-5-32-544")

test_domain_administrators_match if {
	admin_group_member_added.match with input as event(3, "S-1-5-21-1004336348-1177238915-682003330-512")
}

test_ordinary_group_does_not if {
	not admin_group_member_added.match with input as event(3, "S-1-5-21-1004336348-1177238915-682003330-1512")
}

test_removed_member_does_not if not admin_group_member_added.match with input as event(4, "S-1-5-32-544")

test_undefined_input_does_not if not admin_group_member_added.match with input as {}
