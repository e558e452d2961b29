package riposte.detect.ntlm_logon_to_server_test

import data.riposte.detect.ntlm_logon_to_server

event(change) := object.union(
	{
		"class_uid": 3002, "activity_id": 1, "status_id": 1, "logon_type_id": 3, "auth_protocol_id": 1,
		"src_endpoint": {"ip": "10.20.100.9"}, "user": {"name": "anna.berg"},
	},
	change,
)

test_person_over_the_network_matches if ntlm_logon_to_server.match with input as event({})

test_kerberos_does_not if not ntlm_logon_to_server.match with input as event({"auth_protocol_id": 2})

test_machine_account_does_not if not ntlm_logon_to_server.match with input as event({"user": {"name": "dc-01$"}})

test_anonymous_does_not if not ntlm_logon_to_server.match with input as event({"user": {"name": "ANONYMOUS LOGON"}})

test_console_logon_does_not if not ntlm_logon_to_server.match with input as event({"logon_type_id": 2})

test_failed_logon_does_not if not ntlm_logon_to_server.match with input as event({"status_id": 2})

test_undefined_input_does_not if not ntlm_logon_to_server.match with input as {}
