package riposte.detect.shadow_copies_deleted_test

import data.riposte.detect.shadow_copies_deleted

start(line) := {"class_uid": 1007, "activity_id": 1, "process": {"cmd_line": line}}

test_deletion_matches if shadow_copies_deleted.match with input as start("VSSAdmin.exe Delete Shadows /all /quiet")

test_deletion_by_management_interface_matches if shadow_copies_deleted.match with input as start("wmic shadowcopy delete")

test_list_does_not if not shadow_copies_deleted.match with input as start("vssadmin list shadows")

test_undefined_input_does_not if not shadow_copies_deleted.match with input as {}
