# METADATA
# title: A login from outside the organisation
# description: >-
#   Somebody logged in from an address that is not the organisation's. Correlations make an
#   alert of it when it follows many failures, or when a user was never seen there.
# custom:
#   id: login_from_outside
#   severity: informational
#   attack: [TA0001, T1078]
#   owner: riposte
#   sources: [okta, windows, cloudtrail]
#   classes: [3002]
#   group_by: [src_endpoint.ip]
#   false_positives:
#     - People who work from home or travel, unless all their traffic leaves through the organisation.
package riposte.detect.login_from_outside

import data.riposte.lib.address

match if {
	input.class_uid == 3002
	input.activity_id == 1
	input.status_id == 1
	address.outside(input.src_endpoint.ip)
}
