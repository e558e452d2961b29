# METADATA
# title: A member was added to an administrators' group
# description: An account was added to a local or domain group whose members administer machines (data/windows.json, by identifier).
# custom:
#   id: admin_group_member_added
#   severity: medium
#   attack: [TA0003, TA0004, T1098.007]
#   owner: riposte
#   sources: [windows]
#   group_by: [entity.host]
#   false_positives:
#     - Set-up of new machines.
package riposte.detect.admin_group_member_added

import data.riposte.lib.windows

match if {
	addition
	data.lists.privileged_groups[windows.member("TargetSid")]
}

# Domain administrators, enterprise administrators and schema administrators have the same
# last number in every domain.
match if {
	addition
	regex.match(`^S-1-5-21-.*-(512|518|519)$`, windows.member("TargetSid"))
}

addition if {
	input.metadata.log_name == "windows"
	input.metadata.event_code in {"4728", "4732", "4756"}
}
