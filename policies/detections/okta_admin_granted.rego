# METADATA
# title: Administrator rights in the identity provider
# description: An account or a group was given an administrator role in Okta.
# custom:
#   id: okta_admin_granted
#   severity: high
#   attack: [TA0003, TA0004, T1098.003]
#   owner: riposte
#   sources: [okta]
#   classes: [3001, 3006]
#   group_by: [entity.user]
#   false_positives:
#     - Planned changes of administrators. They are rare enough to look at each.
package riposte.detect.okta_admin_granted

match if {
	input.class_uid in {3001, 3006}
	input.status_id == 1
	input.metadata.log_name == "okta"
	input.metadata.event_code in {"user.account.privilege.grant", "group.privilege.grant"}
}
