package riposte.detect.suspicious_service_installed_test

import data.riposte.detect.suspicious_service_installed

event(code, line) := {
	"class_uid": 1008,
	"metadata": {"log_name": "windows", "event_code": code},
	"process": {"cmd_line": line},
	"service": {"name": "XQZT"},
}

remote := `%COMSPEC% /Q /c echo cd ^> \\127.0.0.1\C$\__output`

test_command_as_service_matches if suspicious_service_installed.match with input as event("7045", remote)

test_program_where_everybody_may_write_matches if {
	suspicious_service_installed.match with input as event("4697", `C:\Users\Public\a.exe`)
}

test_program_in_its_folder_does_not if {
	not suspicious_service_installed.match with input as event("7045", `"C:\Program Files\Vendor\agent.exe"`)
}

test_other_event_does_not if not suspicious_service_installed.match with input as event("7036", remote)

test_undefined_input_does_not if not suspicious_service_installed.match with input as {}
