package riposte.detect.credential_tool_started_test

import data.riposte.detect.credential_tool_started

start(path, line) := {"class_uid": 1007, "activity_id": 1, "process": {"file": {"path": path}, "cmd_line": line}}

test_known_tool_matches if credential_tool_started.match with input as start(`C:\Temp\Mimikatz.exe`, "mimikatz.exe")

test_renamed_tool_that_dumps_lsass_matches if {
	credential_tool_started.match with input as start(`C:\Temp\a.exe`, `a.exe -accepteula -ma lsass.exe C:\Temp\o`)
}

test_library_that_dumps_lsass_matches if {
	line := `rundll32.exe C:\Windows\System32\comsvcs.dll, MiniDump 640 C:\lsass.dmp full`
	credential_tool_started.match with input as start(`C:\Windows\System32\rundll32.exe`, line)
}

test_command_of_mimikatz_matches if {
	credential_tool_started.match with input as start(`C:\Temp\b.exe`, `b.exe "sekurlsa::logonpasswords" exit`)
}

test_task_list_of_lsass_does_not if {
	not credential_tool_started.match with input as start(`C:\Windows\System32\tasklist.exe`, `tasklist /fi "imagename eq lsass.exe"`)
}

test_end_of_a_tool_does_not if {
	not credential_tool_started.match with input as object.union(start(`C:\Temp\mimikatz.exe`, ""), {"activity_id": 2})
}

test_undefined_input_does_not if not credential_tool_started.match with input as {}
