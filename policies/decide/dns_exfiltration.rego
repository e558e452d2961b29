# METADATA
# title: Data leaving over DNS
# description: A ticket is opened and the domains are put on the list that resolvers and proxies pull. A name in a query is the attacker's choice, so the guard asks for a person unless two sources agree.
# custom:
#   id: network.dns_exfiltration
#   owner: riposte
#   severity: high
#   attack: [T1048.003, T1071.004]
package riposte.playbook.dns_exfiltration

import data.riposte.lib

playbook := {"id": "network.dns_exfiltration", "version": "1.0.0", "controls": ["NIST-800-61:3.3", "CIS:9.2"]}

priority := "p2"

score := 78

domains := lib.entities_of("domain")

reasons contains r if some r in lib.rule_reasons

reasons contains {"code": "DNS_TUNNEL", "text": sprintf("%d domains are involved", [count(domains)]), "evidence": refs} if {
	refs := [e.ref | some e in array.slice(domains, 0, 16)]
	count(refs) > 0
}

tell := [
	{"id": "de_log", "action": "notify.log", "target": "e:1", "text": {"title": lib.headline}},
	{"id": "de_ticket", "action": "ticket.open", "target": "e:1", "text": {"title": lib.headline}, "on_failure": "continue"},
]

block := [s |
	some e in array.slice(domains, 0, 4)
	s := {
		"id": sprintf("de_block_%s", [lib.number(e.ref)]), "action": "domain.block", "target": e.ref,
		"ttl": "24h", "on_expiry": "undo", "when_absent": "undo", "on_failure": "page",
	}
]

steps := array.concat(tell, block) if count(input.entities) > 0

else := []
