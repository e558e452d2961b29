# METADATA
# title: Lateral movement
# description: Somebody moves from device to device, or covers tracks by clearing a log. Someone is paged, a ticket is opened, and the device is isolated when a person agrees.
# custom:
#   id: endpoint.lateral_movement
#   owner: riposte
#   severity: high
#   attack: [T1021, T1021.002, T1070.001, T1570]
package riposte.playbook.lateral_movement

import data.riposte.lib

playbook := {"id": "endpoint.lateral_movement", "version": "1.0.0", "controls": ["NIST-800-61:3.3", "CIS:13.4"]}

cleared if {
	some t in input.incident.techniques
	startswith(t, "T1070")
}

moved if {
	some t in input.incident.techniques
	some prefix in ["T1021", "T1569", "T1570"]
	startswith(t, prefix)
}

hosts := lib.entities_of("host")

priority := "p1" if {
	cleared
	moved
} else := "p1" if lib.severity >= 5

else := "p1" if {
	some h in hosts
	lib.critical(h)
} else := "p2"

score := 95 if priority == "p1"

else := 78

reasons contains r if some r in lib.rule_reasons

reasons contains {"code": "LOG_CLEARED", "text": "an event log was cleared"} if cleared

reasons contains {"code": "MOVED", "text": "remote execution on further devices"} if moved

tell := [
	{"id": "lm_log", "action": "notify.log", "target": "e:1", "text": {"title": lib.headline}},
	{"id": "lm_ticket", "action": "ticket.open", "target": "e:1", "text": {"title": lib.headline}, "on_failure": "continue"},
]

page := [{"id": "lm_page", "action": "page.send", "target": "e:1", "text": {"title": lib.headline}, "on_failure": "continue"}] if priority == "p1"

else := []

isolate := [s |
	some e in array.slice(hosts, 0, 4)
	s := {
		"id": sprintf("lm_isolate_%s", [lib.number(e.ref)]), "action": "endpoint.isolate", "target": e.ref,
		"ttl": "4h", "on_expiry": "undo", "when_absent": "undo", "on_failure": "page",
		"approval": {"need": 1, "roles": ["soc_l2"], "ttl": "30m", "on_timeout": "escalate"},
	}
]

steps := array.concat(array.concat(tell, page), isolate) if count(input.entities) > 0

else := []
