package riposte.detect.ntlm_logon_to_server_test

import data.riposte.detect.ntlm_logon_to_server

members(change) := object.union(
	{"LogonType": "3", "AuthenticationPackageName": "NTLM", "TargetUserName": "anna.berg"},
	change,
)

event(unmapped) := {
	"class_uid": 3002,
	"metadata": {"log_name": "windows", "event_code": "4624"},
	"src_endpoint": {"ip": "10.20.100.9"},
	"unmapped": unmapped,
}

test_flat_event_matches if ntlm_logon_to_server.match with input as event(members({}))

test_document_event_matches if {
	ntlm_logon_to_server.match with input as event({"Event": {"EventData": members({"LogonType": 3})}})
}

test_kerberos_does_not if {
	not ntlm_logon_to_server.match with input as event(members({"AuthenticationPackageName": "Kerberos"}))
}

test_machine_account_does_not if not ntlm_logon_to_server.match with input as event(members({"TargetUserName": "DC-01$"}))

test_console_logon_does_not if not ntlm_logon_to_server.match with input as event(members({"LogonType": "2"}))

test_undefined_input_does_not if not ntlm_logon_to_server.match with input as {}
