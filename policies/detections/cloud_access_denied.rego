# METADATA
# title: A cloud call was refused
# description: A call was refused for lack of rights. Who tries what a key can do collects many of them in a short time.
# custom:
#   id: cloud_access_denied
#   severity: informational
#   attack: [TA0007, T1580, T1526]
#   owner: riposte
#   sources: [cloudtrail]
#   group_by: [entity.user]
#   false_positives:
#     - Dashboards and scanners with narrow rights; that is why it is counted and not told.
package riposte.detect.cloud_access_denied

match if {
	input.metadata.log_name == "cloudtrail"
	input.api.response.error in codes
}

codes := {"AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "UnauthorizedOperation"}
