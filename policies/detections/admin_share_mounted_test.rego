package riposte.detect.admin_share_mounted_test

import data.riposte.detect.admin_share_mounted

mount(share) := {"class_uid": 4006, "src_endpoint": {"ip": "10.20.100.9"}, "share": share}

test_admin_share_matches if admin_share_mounted.match with input as mount(`\\10.20.1.4\ADMIN$`)

test_drive_matches if admin_share_mounted.match with input as mount(`\\file-01\c$`)

test_ordinary_share_does_not if not admin_share_mounted.match with input as mount(`\\file-01\projects`)

test_pipe_share_does_not if not admin_share_mounted.match with input as mount(`\\file-01\IPC$`)

test_undefined_input_does_not if not admin_share_mounted.match with input as {}
