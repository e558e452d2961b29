package riposte.detect.cloud_snapshot_shared_test

import data.riposte.detect.cloud_snapshot_shared

call(service, operation, request) := {
	"class_uid": 6003, "metadata": {"log_name": "cloudtrail"},
	"api": {"service": {"name": concat(".", [service, "amazonaws.com"])}, "operation": operation},
	"unmapped": {"requestParameters": request},
}

items := {"items": [{"userId": "999988887777"}]}

test_shared_disk_matches if {
	cloud_snapshot_shared.match with input as call("ec2", "ModifySnapshotAttribute", {"createVolumePermission": {"add": items}})
}

test_public_image_matches if {
	request := {"launchPermission": {"add": {"items": [{"group": "all"}]}}}
	cloud_snapshot_shared.match with input as call("ec2", "ModifyImageAttribute", request)
}

test_shared_database_copy_matches if {
	request := {"attributeName": "restore", "valuesToAdd": ["999988887777"]}
	cloud_snapshot_shared.match with input as call("rds", "ModifyDBSnapshotAttribute", request)
}

test_withdrawn_share_does_not if {
	not cloud_snapshot_shared.match with input as call("ec2", "ModifySnapshotAttribute", {"createVolumePermission": {"remove": items}})
}

test_undefined_input_does_not if not cloud_snapshot_shared.match with input as {}
