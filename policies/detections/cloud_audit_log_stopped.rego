# METADATA
# title: The cloud's audit log was stopped
# description: A trail was stopped or deleted, or the record of network flows was deleted. What follows leaves no trace.
# custom:
#   id: cloud_audit_log_stopped
#   severity: high
#   attack: [TA0005, T1562.008]
#   owner: riposte
#   sources: [cloudtrail]
#   classes: [6003]
#   group_by: [entity.user]
#   false_positives:
#     - Accounts that are being dissolved.
package riposte.detect.cloud_audit_log_stopped

import data.riposte.lib.cloud

match if cloud.called("cloudtrail.amazonaws.com", {"StopLogging", "DeleteTrail", "DeleteEventDataStore"})

match if cloud.called("ec2.amazonaws.com", {"DeleteFlowLogs"})
