# METADATA
# title: An administrative share was mounted
# description: A device mounted ADMIN$ or a drive's share of another device, as tools for remote execution do.
# custom:
#   id: admin_share_mounted
#   severity: low
#   attack: [TA0008, T1021.002]
#   owner: riposte
#   sources: [zeek, suricata]
#   classes: [4006]
#   group_by: [src_endpoint.ip]
#   false_positives:
#     - Software distribution and backup servers; exclude them by address.
package riposte.detect.admin_share_mounted

match if {
	input.class_uid == 4006
	endswith(input.share, "$")
	regex.match(`(?i)\\(admin|[a-z])\$$`, input.share)
}
