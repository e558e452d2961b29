# METADATA
# title: PowerShell with an encoded command
# description: PowerShell was given its command in Base64, which hides it from people and from simple filters.
# custom:
#   id: encoded_powershell
#   severity: medium
#   attack: [TA0002, TA0005, T1059.001, T1027.010]
#   owner: riposte
#   sources: [windows]
#   classes: [1007]
#   group_by: [entity.host]
#   false_positives:
#     - Management products encode their scripts; they run as the system account from a fixed parent.
package riposte.detect.encoded_powershell

match if {
	input.class_uid == 1007
	input.activity_id == 1
	line := lower(input.process.cmd_line)
	contains(line, "powershell")
	regex.match(`\s[-/](e|ec|en|enc|enco|encod|encode|encoded[a-z]*)\s+[a-z0-9+/=]{32,}`, line)
}
