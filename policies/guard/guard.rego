# METADATA
# title: Guard
# description: >-
#   Decides about each intent alone, whatever the playbook was. Strictest wins: one reason to
#   deny outweighs every reason to allow. What notifies or reads is never held back except by
#   the kill switch and the protected list.
# custom:
#   owner: governance
package riposte.guard

import data.limits

verdict := {
	"decision": decision,
	"need": need,
	"roles": [],
	"reasons": array.slice([r | some r in deny | asked], 0, 16),
}

with_ttl := object.union(verdict, {"ttl_max": ttl_max})

# document is what the engine reads.
document := with_ttl if ttl_max

else := verdict

reversible := {"block", "contain", "identity"}

known := {"read", "notify", "block", "contain", "identity", "destroy"}

default decision := "deny"

decision := "deny" if count(deny) > 0

else := "shadow" if input.mode == "shadow"

else := "approve" if count(ask) > 0

else := "allow" if input.intent.effect in known

need := max({0} | {n | some a in ask; n := a.need})

ttl_max := limits.ttl_max[input.intent.effect]

asked := {{"code": a.code, "text": a.text} | some a in ask}

deny contains {"code": "NO_EFFECT", "text": "the effect of the action is not known"} if not effect_known

effect_known if input.intent.effect in known

deny contains r if {
	some p in input.protected_hits
	p.level == "never"
	r := {"code": "PROTECTED", "text": p.list}
}

deny contains {"code": "KILL_SWITCH", "text": "responses are switched off"} if input.mode == "off"

deny contains {"code": "STALE", "text": "the intent is too old"} if {
	input.intent.effect in reversible
	input.age.intent_s > limits.intent_max_age_s
}

# Evidence that an attacker cannot make up alone.
trusted if {
	input.intent.target.origin == "sensor"
	input.alert.src_trust == "authenticated"
}

trusted if count({s.name | some s in input.alert.sources; s.trust != "spoofable"}) >= 2

ask contains {"code": "EVIDENCE_FLOOR", "text": "one source that could be made up", "need": 1} if {
	input.intent.effect in reversible
	not trusted
}

ask contains {"code": "PROTECTED_ASK", "text": p.list, "need": 1} if {
	some p in input.protected_hits
	p.level == "ask"
}

ask contains {"code": "CROWN_JEWEL", "text": "the target is a crown jewel", "need": 2} if {
	not input.intent.effect in {"read", "notify"}
	input.intent.target.asset.criticality == "crown"
}

ask contains {"code": "PRIVILEGED", "text": "the account is privileged", "need": 2} if {
	input.intent.effect == "identity"
	input.intent.target.identity.privileged
}

ask contains {"code": "IRREVERSIBLE", "text": "there is no way back", "need": 2} if input.intent.effect == "destroy"

ask contains {"code": "NO_UNDO", "text": "the connector cannot undo it", "need": 1} if {
	input.intent.effect in reversible
	not input.intent.undo
}

ask contains {"code": "BUDGET", "text": sprintf("%s: %d of %d used", [b.name, b.used, b.cap]), "need": 1} if {
	not input.intent.effect in {"read", "notify"}
	some b in input.budgets
	b.used >= b.cap
}

ask contains {"code": "FREEZE", "text": "changes are frozen", "need": 1} if {
	input.calendar.freeze
	input.intent.effect in reversible
}

ask contains {"code": "APPROVE_ALL", "text": "every effect needs a person in this mode", "need": 1} if {
	input.mode == "approve_all"
	not input.intent.effect in {"read", "notify"}
}
