# METADATA
# title: Intrusion detection saw command and control
# description: Suricata raised an alert of a category that means malware at work on a device of the organisation.
# custom:
#   id: ids_command_and_control
#   severity: high
#   attack: [TA0011, T1071.001]
#   owner: riposte
#   sources: [suricata]
#   classes: [2004]
#   group_by: [entity.ip]
#   false_positives:
#     - Security scanners and analysts who open samples.
package riposte.detect.ids_command_and_control

match if {
	input.class_uid == 2004
	input.metadata.log_name == "suricata"
	some category in input.finding_info.types
	lower(category) in categories
}

categories := {
	"malware command and control activity detected",
	"a network trojan was detected",
	"successful credential theft detected",
}
