package riposte.detect.office_starts_shell_test

import data.riposte.detect.office_starts_shell

start(parent, image) := {
	"class_uid": 1007, "activity_id": 1,
	"process": {"file": {"path": image}, "parent_process": {"file": {"path": parent}}},
}

word := `C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE`

shell := `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`

test_word_starts_a_shell_matches if office_starts_shell.match with input as start(word, shell)

test_desktop_starts_a_shell_does_not if not office_starts_shell.match with input as start(`C:\Windows\explorer.exe`, shell)

test_word_starts_a_printer_helper_does_not if {
	not office_starts_shell.match with input as start(word, `C:\Windows\splwow64.exe`)
}

test_undefined_input_does_not if not office_starts_shell.match with input as {}
