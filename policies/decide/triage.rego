# METADATA
# title: Triage
# description: What happens to an incident that no playbook knows - a log line always, a ticket from high severity, a page at critical.
# custom:
#   id: riposte.triage
#   owner: riposte
#   severity: any
package riposte.playbook.triage

import data.riposte.lib

playbook := {"id": "riposte.triage", "version": "1.0.0", "controls": ["NIST-800-61:3.2"]}

priority := lib.by_severity

score := min([100, lib.severity * 18])

reasons := lib.rule_reasons | {{"code": "STATIC_SEVERITY", "text": sprintf("severity %d of its alerts", [lib.severity])}}

log := [{
	"id": "log", "action": "notify.log", "target": "e:1",
	"text": {"title": lib.headline}, "on_failure": "continue",
}]

ticket := [{
	"id": "ticket", "action": "ticket.open", "target": "e:1",
	"text": {"title": lib.headline}, "on_failure": "continue",
}] if priority in {"p1", "p2"}

else := []

page := [{
	"id": "page", "action": "page.send", "target": "e:1",
	"text": {"title": lib.headline}, "on_failure": "continue",
}] if priority == "p1"

else := []

steps := array.concat(log, array.concat(ticket, page)) if {
	count(input.entities) > 0
	count(lib.rules) > 0 # all alerts may have been withdrawn
}

else := []
