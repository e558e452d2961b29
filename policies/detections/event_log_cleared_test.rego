package riposte.detect.event_log_cleared_test

import data.riposte.detect.event_log_cleared

event(code, unmapped) := {"metadata": {"log_name": "windows", "event_code": code}, "unmapped": unmapped}

test_cleared_security_log_matches if event_log_cleared.match with input as event("1102", {"Channel": "Security"})

test_document_event_matches if {
	event_log_cleared.match with input as event("104", {"Event": {"System": {"Channel": "System"}}})
}

test_same_number_of_another_channel_does_not if {
	not event_log_cleared.match with input as event("104", {"Channel": "Microsoft-Windows-PowerShell/Operational"})
}

test_stopped_log_service_does_not if not event_log_cleared.match with input as event("1100", {"Channel": "Security"})

test_undefined_input_does_not if not event_log_cleared.match with input as {}
