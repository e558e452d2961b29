# METADATA
# title: Malicious address
# description: A device of ours talks to an address known to be bad. The address is blocked where firewalls pull their lists, longer each time, and a ticket follows once the block is in place or has failed.
# custom:
#   id: network.malicious_address
#   owner: riposte
#   severity: high
#   attack: [T1071.001, T1571]
package riposte.playbook.malicious_address

import data.riposte.lib

playbook := {"id": "network.malicious_address", "version": "1.0.0", "controls": ["NIST-800-61:3.3", "CIS:13.3"]}

priority := "p1" if {
	some h in lib.entities_of("host")
	lib.critical(h)
} else := "p2"

score := 90 if priority == "p1"

else := 75

reasons contains r if some r in lib.rule_reasons

reasons contains {"code": "BAD_ADDRESS", "text": sprintf("%d outside addresses are involved", [count(lib.public_addresses)]), "evidence": refs} if {
	refs := [e.ref | some e in array.slice(lib.public_addresses, 0, 16)]
	count(refs) > 0
}

log := [{"id": "ma_log", "action": "notify.log", "target": "e:1", "text": {"title": lib.headline}}]

block := [s |
	some e in array.slice(lib.public_addresses, 0, 16)
	s := {
		"id": sprintf("ma_block_%s", [lib.number(e.ref)]), "action": "ip.block", "target": e.ref,
		"ttl": lib.ttl_ladder(lib.prior("ip.block"), ["24h", "7d"]), "on_expiry": "undo", "when_absent": "undo", "on_failure": "page",
	}
]

ticket := [{
	"id": "ma_ticket", "action": "ticket.open", "target": "e:1", "text": {"title": lib.headline},
	"after_any": [o | some b in array.slice(block, 0, 2); some s in ["done", "failed"]; o := concat(":", [b.id, s])],
	"on_failure": "continue",
}]

# Without an outside address there is nothing to wait for.
tell := [object.remove(t, ["after_any"]) | some t in ticket; count(block) == 0]

tickets := tell if count(block) == 0

else := ticket

steps := array.concat(array.concat(log, block), tickets) if count(input.entities) > 0

else := []
