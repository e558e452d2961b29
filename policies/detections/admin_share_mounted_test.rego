package riposte.detect.admin_share_mounted_test

import data.riposte.detect.admin_share_mounted

mount(name, path) := {"metadata": {"log_name": "zeek"}, "unmapped": {name: "smb_mapping", "path": path}}

test_admin_share_matches if admin_share_mounted.match with input as mount("_path", `\\10.20.1.4\ADMIN$`)

test_drive_in_the_other_form_matches if admin_share_mounted.match with input as mount("@stream", `\\file-01\c$`)

test_ordinary_share_does_not if not admin_share_mounted.match with input as mount("_path", `\\file-01\projects`)

test_pipe_share_does_not if not admin_share_mounted.match with input as mount("_path", `\\file-01\IPC$`)

test_undefined_input_does_not if not admin_share_mounted.match with input as {}
