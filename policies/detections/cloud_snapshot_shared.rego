# METADATA
# title: A disk, image or database copy was shared
# description: A snapshot or machine image was opened to another account or to everybody, which moves data out without a download.
# custom:
#   id: cloud_snapshot_shared
#   severity: high
#   attack: [TA0010, T1537]
#   owner: riposte
#   sources: [cloudtrail]
#   classes: [6003]
#   group_by: [entity.user]
#   false_positives:
#     - Images that are published on purpose, and copies to accounts of the same organisation.
package riposte.detect.cloud_snapshot_shared

import data.riposte.lib.cloud

match if {
	cloud.called("ec2.amazonaws.com", {"ModifySnapshotAttribute"})
	count(input.unmapped.requestParameters.createVolumePermission.add.items) > 0
}

match if {
	cloud.called("ec2.amazonaws.com", {"ModifyImageAttribute"})
	count(input.unmapped.requestParameters.launchPermission.add.items) > 0
}

match if {
	cloud.called("rds.amazonaws.com", {"ModifyDBSnapshotAttribute", "ModifyDBClusterSnapshotAttribute"})
	input.unmapped.requestParameters.attributeName == "restore"
	count(input.unmapped.requestParameters.valuesToAdd) > 0
}
