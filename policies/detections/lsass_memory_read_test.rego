package riposte.detect.lsass_memory_read_test

import data.riposte.detect.lsass_memory_read

event(image, target, access) := {
	"class_uid": 1007, "activity_id": 3,
	"process": {"file": {"path": target}},
	"actor": {"process": {"file": {"path": image}}},
	"unmapped": {"GrantedAccess": access},
}

tool := `C:\Users\Public\procdump64.exe`

lsass := `C:\Windows\System32\lsass.exe`

test_reading_matches if lsass_memory_read.match with input as event(tool, lsass, "0x1FFFFF")

test_document_event_matches if {
	doc := {"Event": {"EventData": {"GrantedAccess": "0x1010"}}}
	lsass_memory_read.match with input as object.union(object.remove(event(tool, lsass, ""), ["unmapped"]), {"unmapped": doc})
}

test_part_of_windows_does_not if {
	not lsass_memory_read.match with input as event(`C:\Windows\System32\svchost.exe`, lsass, "0x1fffff")
}

# The task manager looks at every process; it asks for reading only when it writes a dump.
test_dump_by_the_task_manager_matches if {
	lsass_memory_read.match with input as event(`C:\Windows\System32\Taskmgr.exe`, lsass, "0x1410")
}

test_look_by_the_task_manager_does_not if {
	not lsass_memory_read.match with input as event(`C:\Windows\System32\Taskmgr.exe`, lsass, "0x1400")
}

test_query_without_reading_does_not if not lsass_memory_read.match with input as event(tool, lsass, "0x1000")

test_other_target_does_not if {
	not lsass_memory_read.match with input as event(tool, `C:\Windows\System32\notepad.exe`, "0x1fffff")
}

test_undefined_input_does_not if not lsass_memory_read.match with input as {}
