# METADATA
# title: Shadow copies were deleted
# description: A command deleted the copies from which Windows restores files, or shrank their store, as ransomware does first.
# custom:
#   id: shadow_copies_deleted
#   severity: critical
#   attack: [TA0040, T1490]
#   owner: riposte
#   sources: [windows]
#   classes: [1007]
#   group_by: [entity.host]
#   false_positives:
#     - Backup products that manage shadow copies themselves.
package riposte.detect.shadow_copies_deleted

match if {
	input.class_uid == 1007
	input.activity_id == 1
	line := lower(input.process.cmd_line)
	some words in commands
	every word in words {
		contains(line, word)
	}
}

commands := [
	["vssadmin", "delete", "shadows"],
	["vssadmin", "resize", "shadowstorage"],
	["wmic", "shadowcopy", "delete"],
	["win32_shadowcopy", "remove-wmiobject"],
	["wbadmin", "delete", "catalog"],
	["bcdedit", "recoveryenabled", "no"],
]
