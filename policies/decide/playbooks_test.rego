package riposte.decide_test

import data.riposte.decide
import data.riposte.lib

entities := [
	{"ref": "e:1", "kind": "user", "value": "alice", "origin": "sensor"},
	{"ref": "e:2", "kind": "ip", "value": "203.0.113.7", "origin": "sensor"},
	{"ref": "e:3", "kind": "ip", "value": "10.1.2.3", "origin": "sensor"},
	{"ref": "e:4", "kind": "host", "value": "pc-1", "origin": "sensor"},
	{"ref": "e:5", "kind": "key", "value": "AKIAEXAMPLE", "origin": "sensor"},
	{"ref": "e:6", "kind": "domain", "value": "x.example.net", "origin": "content"},
]

incident(rules, techniques, severity) := {
	"incident": {
		"rules": rules, "techniques": techniques, "group": "user:alice", "title": "t",
		"alert_count": 1, "disposition": "", "playbook": "", "sources": [],
	},
	"alerts": [{"rule": r, "severity_id": severity, "techniques": techniques} | some r in rules],
	"entities": entities,
	"steps": {}, "history": {"prior_actions": {}},
}

ids(d) := {s.id | some s in d.steps}

# Brute force, then success.
test_success_after_guessing_blocks_and_asks_to_suspend if {
	d := decide.decision with input as incident(["password_spray_success"], ["T1110.003"], 4)
	d.playbook.id == "access.brute_force"
	d.priority == "p2"
	ids(d) == {"bf_log", "bf_ticket", "bf_block_2", "bf_suspend_1"}
	some s in d.steps
	s.id == "bf_suspend_1"
	s.approval.need == 1
}

test_attempts_alone_are_only_logged if {
	d := decide.decision with input as incident(["password_spray"], ["T1110.003"], 3)
	d.playbook.id == "access.brute_force"
	d.priority == "p3"
	ids(d) == {"bf_log"}
}

test_privileged_account_is_urgent if {
	i := json.patch(incident(["password_spray_success"], [], 4), [{"op": "add", "path": "/entities/0/identity", "value": {"privileged": true}}])
	d := decide.decision with input as i
	d.priority == "p1"
}

test_second_block_of_a_group_lasts_longer if {
	i := json.patch(incident(["password_spray_success"], [], 4), [{"op": "add", "path": "/history/prior_actions", "value": {"ip.block": 1}}])
	d := decide.decision with input as i
	some s in d.steps
	s.id == "bf_block_2"
	s.ttl == "24h"
}

# Malicious address.
test_outside_address_is_blocked_with_an_end if {
	d := decide.decision with input as incident(["known_bad_address"], ["T1071.001"], 4)
	d.playbook.id == "network.malicious_address"
	ids(d) == {"ma_log", "ma_block_2", "ma_ticket"}
	some s in d.steps
	s.id == "ma_block_2"
	s.ttl == "24h"
	s.on_expiry == "undo"
}

test_inside_address_is_never_blocked if {
	i := object.union(incident(["known_bad_address"], [], 4), {"entities": [{"ref": "e:1", "kind": "ip", "value": "10.1.2.3", "origin": "sensor"}]})
	d := decide.decision with input as i
	ids(d) == {"ma_log", "ma_ticket"}
	not waits(d)
}

waits(d) if {
	some s in d.steps
	s.after_any
}

# Leaked cloud key.
test_leaked_key_pages_and_opens_a_ticket if {
	d := decide.decision with input as incident(["cloud_key_abroad"], ["T1078.004"], 5)
	d.playbook.id == "cloud.leaked_key"
	d.priority == "p1"
	ids(d) == {"lk_log", "lk_page", "lk_ticket", "lk_disable_5"}
}

test_leaked_key_without_a_key_still_pages if {
	i := object.union(incident(["cloud_key_abroad"], [], 5), {"entities": [{"ref": "e:1", "kind": "user", "value": "alice", "origin": "sensor"}]})
	d := decide.decision with input as i
	ids(d) == {"lk_log", "lk_page", "lk_ticket"}
}

# Lateral movement.
test_cleared_log_after_movement_is_urgent if {
	d := decide.decision with input as incident(["event_log_cleared"], ["T1070.001", "T1021.002"], 4)
	d.playbook.id == "endpoint.lateral_movement"
	d.priority == "p1"
	ids(d) == {"lm_log", "lm_ticket", "lm_page", "lm_isolate_4"}
}

test_cleared_log_alone_does_not_page if {
	d := decide.decision with input as incident(["event_log_cleared"], ["T1070.001"], 4)
	d.priority == "p2"
	ids(d) == {"lm_log", "lm_ticket", "lm_isolate_4"}
}

# Data leaving over DNS.
test_tunnel_domain_is_blocked if {
	d := decide.decision with input as incident(["dns_tunnel"], ["T1071.004"], 4)
	d.playbook.id == "network.dns_exfiltration"
	ids(d) == {"de_log", "de_ticket", "de_block_6"}
}

test_tunnel_without_a_domain_is_told if {
	i := object.union(incident(["dns_tunnel"], [], 4), {"entities": [{"ref": "e:1", "kind": "host", "value": "pc-1", "origin": "sensor"}]})
	d := decide.decision with input as i
	ids(d) == {"de_log", "de_ticket"}
}

# Compromised device.
test_stolen_credentials_page_and_ask_to_isolate if {
	d := decide.decision with input as incident(["credentials_stolen"], ["T1003.001"], 5)
	d.playbook.id == "endpoint.compromised_host"
	d.priority == "p1"
	ids(d) == {"ch_log", "ch_ticket", "ch_page", "ch_isolate_4"}
}

test_suspicious_script_alone_is_logged if {
	d := decide.decision with input as incident(["encoded_powershell"], ["T1059.001"], 3)
	d.priority == "p3"
	ids(d) == {"ch_log"}
}

# Routes.
test_unknown_rule_is_routed_by_its_technique if {
	d := decide.decision with input as incident(["my_own_rule"], ["T1071.001"], 4)
	d.playbook.id == "network.malicious_address"
}

test_known_rule_is_not_routed_by_its_technique if {
	d := decide.decision with input as incident(["cloud_login_without_mfa"], ["T1552.005"], 3)
	d.playbook.id == "riposte.triage"
}

test_withdrawn_alerts_leave_nothing_to_do if {
	d := decide.decision with input as incident([], [], 0)
	d.playbook.id == "riposte.triage"
	d.steps == []
}

# Triage.
test_unknown_rule_gets_the_priority_of_its_severity if {
	d := decide.decision with input as incident(["something_new"], [], 3)
	d.playbook.id == "riposte.triage"
	d.priority == "p3"
	ids(d) == {"log"}
}

test_unknown_critical_rule_pages if {
	d := decide.decision with input as incident(["something_new"], [], 5)
	d.priority == "p1"
	ids(d) == {"log", "ticket", "page"}
}

# Router.
test_two_playbooks_want_the_steps_of_both if {
	d := decide.decision with input as incident(["known_bad_address", "cloud_key_abroad"], [], 4)
	d.playbook.id == "cloud.leaked_key"
	d.priority == "p1"
	"ma_block_2" in ids(d)
	"lk_page" in ids(d)
}

test_an_incident_keeps_its_playbook if {
	i := json.patch(incident(["known_bad_address", "cloud_key_abroad"], [], 4), [{"op": "replace", "path": "/incident/playbook", "value": "network.malicious_address"}])
	d := decide.decision with input as i
	d.playbook.id == "network.malicious_address"
}

test_triage_gives_way_to_a_playbook if {
	i := json.patch(incident(["known_bad_address"], [], 4), [{"op": "replace", "path": "/incident/playbook", "value": "riposte.triage"}])
	d := decide.decision with input as i
	d.playbook.id == "network.malicious_address"
}

test_dismissed_incident_wants_nothing if {
	i := json.patch(incident(["known_bad_address"], [], 4), [{"op": "replace", "path": "/incident/disposition", "value": "false_positive"}])
	d := decide.decision with input as i
	d.steps == []
	d.priority == "drop"
}

test_true_positive_keeps_its_steps if {
	i := json.patch(incident(["known_bad_address"], [], 4), [{"op": "replace", "path": "/incident/disposition", "value": "true_positive"}])
	d := decide.decision with input as i
	count(d.steps) == 3
}

test_undefined_input_gives_the_least_decision if {
	d := decide.decision with input as {"incident": {}, "alerts": [], "entities": []}
	d.playbook.id == "riposte.triage"
	d.priority == "p4"
	d.steps == []
}

# Library.
test_ladder_ends_on_its_last_step if {
	lib.ttl_ladder(0, ["1h", "24h"]) == "1h"
	lib.ttl_ladder(9, ["1h", "24h"]) == "24h"
}

test_public_addresses if {
	every ip in ["203.0.113.7", "8.8.8.8", "2001:db8::1"] {
		lib.is_public(ip)
	}
	every ip in ["10.0.0.1", "192.168.1.1", "127.0.0.1", "169.254.169.254", "::1", "fe80::1", "224.0.0.1"] {
		not lib.is_public(ip)
	}
}
