# METADATA
# title: A member was added to an administrators' group
# description: An account was added to a local or domain group whose members administer machines (data/windows.json, by identifier).
# custom:
#   id: admin_group_member_added
#   severity: medium
#   attack: [TA0003, TA0004, T1098.007]
#   owner: riposte
#   sources: [windows]
#   classes: [3006]
#   group_by: [entity.host]
#   false_positives:
#     - Set-up of new machines.
package riposte.detect.admin_group_member_added

match if {
	input.class_uid == 3006
	input.activity_id == 3
	data.lists.privileged_groups[input.resource.uid]
}

# Domain administrators, enterprise administrators and schema administrators have the same
# last number in every domain.
match if {
	input.class_uid == 3006
	input.activity_id == 3
	regex.match(`^S-1-5-21-.*-(512|518|519)$`, input.resource.uid)
}
