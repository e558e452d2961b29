# METADATA
# title: A login failed
# description: >-
#   Somebody could not log in from another machine, whatever the product. By itself it means
#   nothing; correlations count it per address and per account.
# custom:
#   id: login_failed
#   severity: informational
#   attack: [TA0006, T1110]
#   owner: riposte
#   sources: [okta, windows, cloudtrail]
#   classes: [3002]
#   group_by: [src_endpoint.ip]
#   false_positives:
#     - Mistyped and expired passwords; that is why it is counted and not told.
package riposte.detect.login_failed

match if {
	input.class_uid == 3002
	input.status_id == 2
	not startswith(input.src_endpoint.ip, "127.")
	input.src_endpoint.ip != "::1"
}
