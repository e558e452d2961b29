# METADATA
# title: A privileged identity logged in from outside
# description: >-
#   An account with administrative rights (context.identities) logged in from an address that
#   is not the organisation's.
# custom:
#   id: privileged_login_from_outside
#   severity: high
#   attack: [TA0001, TA0004, T1078]
#   owner: riposte
#   sources: [okta, windows, cloudtrail]
#   classes: [3002]
#   group_by: [entity.user]
#   false_positives:
#     - Administrators on call who work from home, unless all their traffic leaves through the organisation.
package riposte.detect.privileged_login_from_outside

import data.riposte.lib.address

match if {
	input.class_uid == 3002
	input.activity_id == 1
	input.status_id == 1
	some i in input.context.identities
	i.privileged
	address.outside(input.src_endpoint.ip)
}
