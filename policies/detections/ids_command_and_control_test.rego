package riposte.detect.ids_command_and_control_test

import data.riposte.detect.ids_command_and_control

alert(category) := {"class_uid": 2004, "metadata": {"log_name": "suricata"}, "finding_info": {"types": [category]}}

test_command_and_control_matches if {
	ids_command_and_control.match with input as alert("Malware Command and Control Activity Detected")
}

test_policy_alert_does_not if {
	not ids_command_and_control.match with input as alert("Potential Corporate Privacy Violation")
}

test_flow_record_does_not if {
	not ids_command_and_control.match with input as {"class_uid": 4001, "metadata": {"log_name": "suricata"}}
}

test_undefined_input_does_not if not ids_command_and_control.match with input as {}
