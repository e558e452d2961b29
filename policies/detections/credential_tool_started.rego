# METADATA
# title: A tool that steals credentials was started
# description: >-
#   A program was started whose file name, or whose original name in the file itself, is that
#   of a tool for reading credentials (data/windows.json), or which was told to dump lsass.
# custom:
#   id: credential_tool_started
#   severity: high
#   attack: [TA0006, T1003, T1003.001]
#   owner: riposte
#   sources: [windows]
#   classes: [1007]
#   group_by: [entity.host]
#   false_positives:
#     - Administrators who dump a hanging process; then lsass is not the one.
package riposte.detect.credential_tool_started

import data.riposte.lib.windows

match if {
	input.class_uid == 1007
	input.activity_id == 1
	data.lists.credential_tools[windows.file(input.process.file.path)]
}

match if {
	input.class_uid == 1007
	input.activity_id == 1
	line := lower(input.process.cmd_line)
	contains(line, "lsass")
	some sign in ["procdump", "minidump", "comsvcs", "-ma ", ".dmp"]
	contains(line, sign)
}

match if {
	input.class_uid == 1007
	input.activity_id == 1
	line := lower(input.process.cmd_line)
	some sign in ["sekurlsa::", "lsadump::", "kerberos::golden"]
	contains(line, sign)
}
