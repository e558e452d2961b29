# METADATA
# title: The memory of lsass was opened for reading
# description: >-
#   A program that is not part of Windows opened lsass, the process that holds the credentials
#   of everybody who is logged on, with the right to read its memory (Sysmon event 10).
# custom:
#   id: lsass_memory_read
#   severity: high
#   attack: [TA0006, T1003.001]
#   owner: riposte
#   sources: [windows]
#   classes: [1007]
#   group_by: [entity.host]
#   false_positives:
#     - Products that protect endpoints open lsass; add their path to lsass_readers in data/windows.json.
package riposte.detect.lsass_memory_read

import data.riposte.lib.windows

match if {
	input.class_uid == 1007
	input.activity_id == 3
	windows.file(input.process.file.path) == "lsass.exe"
	lower(windows.member("GrantedAccess")) in rights
	not data.lists.lsass_readers[lower(input.actor.process.file.path)]
}

# Masks with PROCESS_VM_READ (0x10) that tools for dumping ask for.
rights := {
	"0x1010", "0x1410", "0x1418", "0x1438", "0x143a", "0x1fffff", "0x1f1fff", "0x1f2fff", "0x1f3fff", "0x101541",
	"0x1f0fff", "0x121411", "0x40",
}
