package riposte.detect.encoded_powershell_test

import data.riposte.detect.encoded_powershell

start(line) := {"class_uid": 1007, "activity_id": 1, "process": {"cmd_line": line}}

test_encoded_command_matches if {
	encoded_powershell.match with input as start("powershell.exe -w hidden -enc UwBhAG0AcABsAGUALgAgAE4AbwB0AGgAaQBuAGcAIAB0AG8A")
}

test_abbreviated_switch_matches if {
	encoded_powershell.match with input as start(`C:\Windows\PowerShell.exe /e UwBhAG0AcABsAGUALgAgAE4AbwB0AGgAaQBuAGcA`)
}

test_execution_policy_does_not if {
	not encoded_powershell.match with input as start(`powershell.exe -ExecutionPolicy Bypass -File C:\Tools\report.ps1`)
}

test_encoding_of_a_file_does_not if {
	not encoded_powershell.match with input as start(`powershell.exe -Command Get-Content a.txt -Encoding utf8`)
}

test_undefined_input_does_not if not encoded_powershell.match with input as {}
