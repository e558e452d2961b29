package riposte.guard_test

import data.riposte.guard

base := {
	"mode": "enforce",
	"intent": {"action": "ip.block", "effect": "block", "undo": true, "target": {"kind": "ip", "value": "203.0.113.7", "origin": "sensor"}},
	"alert": {"src_trust": "authenticated", "sources": [{"name": "zeek", "trust": "authenticated"}]},
	"budgets": [{"name": "ip.block/1h", "used": 0, "cap": 50}],
	"protected_hits": [],
	"calendar": {"freeze": false},
	"age": {"intent_s": 1},
}

patched(ops) := json.patch(base, ops)

codes(doc) := {r.code | some r in doc.reasons}

test_authenticated_sensor_evidence_is_allowed if {
	d := guard.document with input as base
	d.decision == "allow"
	d.ttl_max == "168h"
	d.need == 0
}

test_spoofable_source_alone_needs_a_person if {
	d := guard.document with input as patched([{"op": "replace", "path": "/alert", "value": {"src_trust": "spoofable", "sources": [{"name": "syslog", "trust": "spoofable"}]}}])
	d.decision == "approve"
	"EVIDENCE_FLOOR" in codes(d)
}

test_value_that_an_attacker_chose_needs_a_person if {
	d := guard.document with input as patched([{"op": "replace", "path": "/intent/target/origin", "value": "content"}])
	d.decision == "approve"
	d.need == 1
}

test_two_independent_sources_are_enough if {
	d := guard.document with input as patched([
		{"op": "replace", "path": "/intent/target/origin", "value": "content"},
		{"op": "replace", "path": "/alert/sources", "value": [{"name": "zeek", "trust": "network"}, {"name": "suricata", "trust": "network"}]},
	])
	d.decision == "allow"
}

test_same_source_twice_is_one_source if {
	d := guard.document with input as patched([
		{"op": "replace", "path": "/intent/target/origin", "value": "content"},
		{"op": "replace", "path": "/alert/sources", "value": [{"name": "zeek", "trust": "network"}, {"name": "zeek", "trust": "authenticated"}]},
	])
	d.decision == "approve"
}

test_never_list_denies if {
	d := guard.document with input as patched([{"op": "replace", "path": "/protected_hits", "value": [{"list": "resolvers", "level": "never"}]}])
	d.decision == "deny"
	"PROTECTED" in codes(d)
}

test_ask_list_asks if {
	d := guard.document with input as patched([{"op": "replace", "path": "/protected_hits", "value": [{"list": "cdn", "level": "ask"}]}])
	d.decision == "approve"
}

test_spent_budget_needs_a_person if {
	d := guard.document with input as patched([{"op": "replace", "path": "/budgets/0/used", "value": 50}])
	d.decision == "approve"
	codes(d) == {"BUDGET"}
}

test_last_one_inside_the_budget_is_allowed if {
	d := guard.document with input as patched([{"op": "replace", "path": "/budgets/0/used", "value": 49}])
	d.decision == "allow"
}

test_crown_jewel_needs_two if {
	d := guard.document with input as patched([{"op": "add", "path": "/intent/target/asset", "value": {"criticality": "crown"}}])
	d.decision == "approve"
	d.need == 2
}

test_privileged_account_needs_two if {
	d := guard.document with input as patched([
		{"op": "replace", "path": "/intent/effect", "value": "identity"},
		{"op": "add", "path": "/intent/target/identity", "value": {"privileged": true}},
	])
	d.decision == "approve"
	d.need == 2
	d.ttl_max == "24h"
}

test_destroy_needs_two_and_has_no_ttl if {
	d := guard.document with input as patched([{"op": "replace", "path": "/intent/effect", "value": "destroy"}])
	d.decision == "approve"
	d.need == 2
	not d.ttl_max
}

test_freeze_needs_a_person_for_containment_only if {
	d := guard.document with input as patched([{"op": "replace", "path": "/calendar/freeze", "value": true}])
	d.decision == "approve"
	n := guard.document with input as patched([
		{"op": "replace", "path": "/calendar/freeze", "value": true},
		{"op": "replace", "path": "/intent/effect", "value": "notify"},
	])
	n.decision == "allow"
}

test_kill_switch_denies_even_a_notification if {
	d := guard.document with input as patched([
		{"op": "replace", "path": "/mode", "value": "off"},
		{"op": "replace", "path": "/intent/effect", "value": "notify"},
	])
	d.decision == "deny"
	"KILL_SWITCH" in codes(d)
}

test_stale_intent_is_denied if {
	d := guard.document with input as patched([{"op": "replace", "path": "/age/intent_s", "value": 301}])
	d.decision == "deny"
	"STALE" in codes(d)
}

test_connector_without_undo_needs_a_person if {
	d := guard.document with input as patched([{"op": "replace", "path": "/intent/undo", "value": false}])
	d.decision == "approve"
	"NO_UNDO" in codes(d)
}

test_shadow_mode_is_told if {
	d := guard.document with input as patched([{"op": "replace", "path": "/mode", "value": "shadow"}])
	d.decision == "shadow"
}

test_approve_all_asks_for_effects_and_not_for_notifications if {
	d := guard.document with input as patched([{"op": "replace", "path": "/mode", "value": "approve_all"}])
	d.decision == "approve"
	n := guard.document with input as patched([
		{"op": "replace", "path": "/mode", "value": "approve_all"},
		{"op": "replace", "path": "/intent/effect", "value": "notify"},
	])
	n.decision == "allow"
}

test_deny_outweighs_every_reason_to_ask if {
	d := guard.document with input as patched([
		{"op": "replace", "path": "/calendar/freeze", "value": true},
		{"op": "replace", "path": "/protected_hits", "value": [{"list": "resolvers", "level": "never"}]},
	])
	d.decision == "deny"
}

test_empty_input_is_denied if {
	d := guard.document with input as {}
	d.decision == "deny"
	codes(d) == {"NO_EFFECT"}
}

test_unknown_effect_is_denied if {
	d := guard.document with input as patched([{"op": "replace", "path": "/intent/effect", "value": "explode"}])
	d.decision == "deny"
}
