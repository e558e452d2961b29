# METADATA
# title: Compromised device
# description: Something on a device behaves as malware does. A ticket is opened and the device is isolated when a person agrees; at critical severity someone is paged to decide at once.
# custom:
#   id: endpoint.compromised_host
#   owner: riposte
#   severity: high
#   attack: [T1003, T1486, T1490]
package riposte.playbook.compromised_host

import data.riposte.lib

playbook := {"id": "endpoint.compromised_host", "version": "1.0.0", "controls": ["NIST-800-61:3.3", "CIS:10.1"]}

hosts := lib.entities_of("host")

priority := "p1" if {
	some h in hosts
	lib.critical(h)
} else := lib.by_severity

score := 96 if priority == "p1"

else := min([90, lib.severity * 18])

reasons contains r if some r in lib.rule_reasons

reasons contains {"code": "HOST_AT_RISK", "text": sprintf("%d devices are involved", [count(hosts)]), "evidence": refs} if {
	refs := [e.ref | some e in array.slice(hosts, 0, 16)]
	count(refs) > 0
}

log := [{"id": "ch_log", "action": "notify.log", "target": "e:1", "text": {"title": lib.headline}}]

ticket := [{"id": "ch_ticket", "action": "ticket.open", "target": "e:1", "text": {"title": lib.headline}, "on_failure": "continue"}] if priority in {"p1", "p2"}

else := []

page := [{"id": "ch_page", "action": "page.send", "target": "e:1", "text": {"title": lib.headline}, "on_failure": "continue"}] if priority == "p1"

else := []

isolate := [s |
	priority in {"p1", "p2"}
	some e in array.slice(hosts, 0, 2)
	s := {
		"id": sprintf("ch_isolate_%s", [lib.number(e.ref)]), "action": "endpoint.isolate", "target": e.ref,
		"ttl": "4h", "on_expiry": "undo", "when_absent": "undo", "on_failure": "page",
		"approval": {"need": 1, "roles": ["soc_l2"], "ttl": "30m", "on_timeout": "escalate"},
	}
]

steps := array.concat(array.concat(log, ticket), array.concat(page, isolate)) if count(input.entities) > 0

else := []
