# METADATA
# title: Library for playbooks
# description: What playbooks have in common. Everything is total - an input without the field that a function reads gives its neutral value, never an error.
# custom:
#   owner: riposte
package riposte.lib

import data.routes

# priorities in the order of their urgency.
urgency := {"p1": 1, "p2": 2, "p3": 3, "p4": 4, "drop": 5}

# severity is the highest OCSF severity_id of the incident's alerts, 0 if it has none.
severity := max({0} | {a.severity_id | some a in input.alerts})

# by_severity is the priority that an incident has when nothing else is known about it.
by_severity := "p1" if severity >= 5

else := "p2" if severity == 4

else := "p3" if severity == 3

else := "p4"

# rules are the ids of the detections and correlations that fired.
rules contains r if some r in input.incident.rules

# fired(name) holds if a rule that the routes send to the playbook fired, or a rule that they
# do not know, with a technique that they send there.
fired(name) if {
	some r in rules
	routes.rules[r] == name
}

fired(name) if {
	some a in input.alerts
	not routes.rules[a.rule]
	some t in a.techniques
	routes.techniques[t] == name
}

# entities_of(kind) are the entities of that kind, in the order of their references.
entities_of(kind) := [e | some e in input.entities; e.kind == kind]

# seen_by_sensor(kind) are those whose value no attacker chose.
seen_by_sensor(kind) := [e | some e in entities_of(kind); e.origin == "sensor"]

# number(ref) is the n of the reference e:n, for step ids.
number(ref) := trim_prefix(ref, "e:")

# Networks that are never on the other side of the internet.
private := [
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
]

# is_public(ip) holds for an address that can be reached over the internet.
is_public(ip) if not is_private(ip)

is_private(ip) if {
	some range in private
	net.cidr_contains(range, ip)
}

public_addresses := [e | some e in entities_of("ip"); is_public(e.value)]

# step_done(id) holds if the step was carried out and verified.
step_done(id) if input.steps[id].status == "done"

# step_status(id) is the step's status, "absent" if there was no such step.
step_status(id) := object.get(object.get(input, "steps", {}), [id, "status"], "absent")

# has_ti(e, confidence) holds if threat intelligence knows the entity at least that surely.
has_ti(e, confidence) if {
	some t in e.ti
	t.confidence >= confidence
}

# asset_class(e) is the class of the device, "unknown" if the inventory does not know it.
asset_class(e) := object.get(e, ["asset", "class"], "unknown")

# critical holds for an entity that the organisation cannot do without.
critical(e) if e.asset.criticality in {"crown", "high"}

# privileged holds for an identity with administrative rights.
privileged(e) if e.identity.privileged

# sources_of are the names of the sources that the evidence came from.
sources_of := {s.name | some s in input.incident.sources}

# risk_at_least(n) holds if an alert carries that much risk.
risk_at_least(n) if {
	some a in input.alerts
	a.risk >= n
}

# ttl_ladder(prior, steps) is the step of the ladder after that many prior actions, the last
# one if there were more.
ttl_ladder(prior, steps) := steps[min([prior, count(steps) - 1])]

# prior(action) is how often this group had that action before this incident.
prior(action) := object.get(object.get(input, "history", {}), ["prior_actions", action], 0)

# dismissed holds if a person said that there is nothing to contain.
dismissed if input.incident.disposition in {"false_positive", "benign", "duplicate", "test"}

# headline is one line for people, made of what rules and counts say, never of raw text.
headline := sprintf("%s (%s): %d alerts, rules %s", [
	object.get(input, ["incident", "title"], "incident"),
	object.get(input, ["incident", "group"], "?"),
	object.get(input, ["incident", "alert_count"], 0),
	concat(", ", sort(rules)),
])

# rule_reasons are one reason per rule that fired, with the entity references as evidence.
rule_reasons contains {"code": "RULE_FIRED", "text": sprintf("rule %s fired", [r])} if {
	some r in array.slice(sort(rules), 0, 4)
}
