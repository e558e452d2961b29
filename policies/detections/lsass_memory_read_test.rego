package riposte.detect.lsass_memory_read_test

import data.riposte.detect.lsass_memory_read

members(change) := object.union(
	{"SourceImage": `C:\Users\Public\procdump64.exe`, "TargetImage": `C:\Windows\System32\lsass.exe`, "GrantedAccess": "0x1FFFFF"},
	change,
)

event(unmapped) := {"metadata": {"log_name": "windows", "event_code": "10"}, "unmapped": unmapped}

test_reading_matches if lsass_memory_read.match with input as event(members({}))

test_document_event_matches if lsass_memory_read.match with input as event({"Event": {"EventData": members({})}})

test_part_of_windows_does_not if {
	not lsass_memory_read.match with input as event(members({"SourceImage": `C:\Windows\System32\svchost.exe`}))
}

test_query_without_reading_does_not if not lsass_memory_read.match with input as event(members({"GrantedAccess": "0x1000"}))

test_other_target_does_not if {
	not lsass_memory_read.match with input as event(members({"TargetImage": `C:\Windows\System32\notepad.exe`}))
}

test_undefined_input_does_not if not lsass_memory_read.match with input as {}
