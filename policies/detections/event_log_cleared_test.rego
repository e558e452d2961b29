package riposte.detect.event_log_cleared_test

import data.riposte.detect.event_log_cleared

event(code, channel) := {"class_uid": 1008, "metadata": {"event_code": code, "product": {"feature": {"name": channel}}}}

test_cleared_security_log_matches if event_log_cleared.match with input as event("1102", "security")

test_cleared_system_log_matches if event_log_cleared.match with input as event("104", "System")

test_same_number_of_another_channel_does_not if {
	not event_log_cleared.match with input as event("104", "Microsoft-Windows-PowerShell/Operational")
}

test_stopped_log_service_does_not if not event_log_cleared.match with input as event("1100", "Security")

test_undefined_input_does_not if not event_log_cleared.match with input as {}
