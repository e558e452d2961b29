# METADATA
# title: Leaked cloud key
# description: An access key is used from where it never was. Someone is paged and a ticket is opened at once; the key is disabled when a person agrees, because a key that production uses takes production down with it.
# custom:
#   id: cloud.leaked_key
#   owner: riposte
#   severity: critical
#   attack: [T1078.004, T1552.005]
package riposte.playbook.leaked_key

import data.riposte.lib

playbook := {"id": "cloud.leaked_key", "version": "1.0.0", "controls": ["NIST-800-61:3.3", "CIS:5.1"]}

priority := "p1"

score := 92

keys := lib.entities_of("key")

subject := keys[0].ref if count(keys) > 0

else := "e:1"

reasons contains r if some r in lib.rule_reasons

reasons contains {"code": "KEY_ABROAD", "text": sprintf("%d access keys are involved", [count(keys)]), "evidence": refs} if {
	refs := [e.ref | some e in array.slice(keys, 0, 16)]
	count(refs) > 0
}

tell := [
	{"id": "lk_log", "action": "notify.log", "target": subject, "text": {"title": lib.headline}},
	{"id": "lk_page", "action": "page.send", "target": subject, "text": {"title": lib.headline}, "on_failure": "continue"},
	{"id": "lk_ticket", "action": "ticket.open", "target": subject, "text": {"title": lib.headline}, "on_failure": "continue"},
]

disable := [s |
	some e in array.slice(keys, 0, 4)
	s := {
		"id": sprintf("lk_disable_%s", [lib.number(e.ref)]), "action": "key.disable", "target": e.ref,
		"ttl": "24h", "on_expiry": "ask", "when_absent": "undo", "on_failure": "page",
		"approval": {"need": 1, "roles": ["soc_l2", "cloud_admin"], "ttl": "1h", "on_timeout": "escalate"},
	}
]

steps := array.concat(tell, disable) if count(input.entities) > 0

else := []
