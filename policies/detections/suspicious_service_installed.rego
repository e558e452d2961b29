# METADATA
# title: A service that runs a command was installed
# description: >-
#   A new Windows service whose program is a shell, a script host or something in a place
#   where everybody may write. Remote execution by service (PsExec and its kin) does this.
# custom:
#   id: suspicious_service_installed
#   severity: high
#   attack: [TA0002, TA0003, TA0008, T1543.003, T1569.002]
#   owner: riposte
#   sources: [windows]
#   classes: [1008]
#   group_by: [entity.host]
#   false_positives:
#     - Some installers register a helper service in a temporary folder.
package riposte.detect.suspicious_service_installed

match if {
	input.class_uid == 1008
	input.metadata.event_code in {"7045", "4697"}
	image := lower(input.process.cmd_line)
	some sign in signs
	contains(image, sign)
}

signs := [
	"%comspec%", `cmd.exe /`, `cmd /c`, "powershell", `\\127.0.0.1\`, `\admin$\`, `\temp\`, `\users\public\`, `\programdata\`,
	"psexesvc", "rundll32", "mshta", "regsvr32",
]
