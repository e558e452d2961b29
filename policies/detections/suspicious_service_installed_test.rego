package riposte.detect.suspicious_service_installed_test

import data.riposte.detect.suspicious_service_installed

event(code, unmapped) := {"metadata": {"log_name": "windows", "event_code": code}, "unmapped": unmapped}

remote := `%COMSPEC% /Q /c echo cd ^> \\127.0.0.1\C$\__output`

test_command_as_service_matches if {
	suspicious_service_installed.match with input as event("7045", {"ServiceName": "XQZT", "ImagePath": remote})
}

test_document_event_matches if {
	suspicious_service_installed.match with input as event("7045", {"Event": {"EventData": {"ImagePath": remote}}})
}

test_security_log_form_matches if {
	suspicious_service_installed.match with input as event("4697", {"ServiceFileName": `C:\Users\Public\a.exe`})
}

test_program_in_its_folder_does_not if {
	not suspicious_service_installed.match with input as event("7045", {"ImagePath": `"C:\Program Files\Vendor\agent.exe"`})
}

test_other_event_does_not if not suspicious_service_installed.match with input as event("7036", {"ImagePath": remote})

test_undefined_input_does_not if not suspicious_service_installed.match with input as {}
