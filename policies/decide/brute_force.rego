# METADATA
# title: Brute force, then success
# description: >-
#   Attempts alone are told and logged. Once a guess succeeded, a ticket is opened, the
#   outside addresses are blocked for a while, longer each time, and the account is
#   suspended as soon as a person agrees: the name may be the attacker's choice, and locking
#   accounts out is what some attackers want.
# custom:
#   id: access.brute_force
#   owner: riposte
#   severity: high
#   attack: [T1110, T1110.003]
package riposte.playbook.brute_force

import data.riposte.lib
import data.routes

playbook := {"id": "access.brute_force", "version": "1.0.0", "controls": ["NIST-800-61:3.3", "CIS:6.2"]}

succeeded if {
	some r in lib.rules
	r in routes.succeeded
}

priority := "p1" if {
	succeeded
	some u in lib.entities_of("user")
	lib.privileged(u)
} else := "p2" if succeeded

else := "p3"

score := 95 if priority == "p1"

else := 80 if succeeded

else := 40

reasons contains r if some r in lib.rule_reasons

reasons contains {"code": "LOGIN_SUCCEEDED", "text": "a login succeeded after many failures"} if succeeded

reasons contains {"code": "PRIVILEGED_ACCOUNT", "text": "the account is privileged", "evidence": [u.ref]} if {
	some u in lib.entities_of("user")
	lib.privileged(u)
}

log := [{"id": "bf_log", "action": "notify.log", "target": "e:1", "text": {"title": lib.headline}}]

ticket := [{
	"id": "bf_ticket", "action": "ticket.open", "target": "e:1",
	"text": {"title": lib.headline}, "on_failure": "continue",
}] if succeeded

else := []

block := [s |
	succeeded
	some e in array.slice(lib.public_addresses, 0, 8)
	s := {
		"id": sprintf("bf_block_%s", [lib.number(e.ref)]), "action": "ip.block", "target": e.ref,
		"ttl": lib.ttl_ladder(lib.prior("ip.block"), ["1h", "24h", "7d"]), "on_expiry": "undo", "when_absent": "undo",
	}
]

# The accounts to suspend: the one that the incident is about, else the only one seen, else
# those that a sensor vouches for.
accounts := [e | some e in lib.entities_of("user"); input.incident.group == concat(":", ["user", e.value])]

suspects := accounts if count(accounts) > 0

else := lib.entities_of("user") if count(lib.entities_of("user")) == 1

else := array.slice(lib.seen_by_sensor("user"), 0, 3)

suspend := [s |
	succeeded
	some e in suspects
	s := {
		"id": sprintf("bf_suspend_%s", [lib.number(e.ref)]), "action": "user.suspend", "target": e.ref,
		"ttl": "8h", "on_expiry": "undo", "when_absent": "undo", "on_failure": "page",
		"approval": {"need": 1, "roles": ["soc_l1", "soc_l2"], "ttl": "30m", "on_timeout": "escalate"},
	}
]

steps := array.concat(array.concat(log, ticket), array.concat(block, suspend)) if count(input.entities) > 0

else := []
