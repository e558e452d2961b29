# METADATA
# title: An Office program started a shell
# description: A document program or mail client started a shell or a script host, which documents with hostile macros do.
# custom:
#   id: office_starts_shell
#   severity: high
#   attack: [TA0001, TA0002, T1204.002, T1566.001, T1059]
#   owner: riposte
#   sources: [windows]
#   classes: [1007]
#   group_by: [entity.host]
#   false_positives:
#     - Add-ins that call scripts; they start the same command each time.
package riposte.detect.office_starts_shell

import data.riposte.lib.windows

match if {
	input.class_uid == 1007
	input.activity_id == 1
	data.lists.office_programs[windows.file(input.process.parent_process.file.path)]
	data.lists.shells[windows.file(input.process.file.path)]
}
