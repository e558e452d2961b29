# METADATA
# title: Router
# description: >-
#   Makes one decision of the playbooks that apply. The steps of all of them are wanted; the
#   first one gives its name, and keeps it for the life of the incident, so that a further
#   playbook adds steps and never repeats or retracts those in place.
# custom:
#   owner: riposte
package riposte.decide

import data.riposte.lib
import data.routes

decision := {
	"v": 1,
	"playbook": data.riposte.playbook[primary].playbook,
	"priority": priority,
	"score": score,
	"reasons": reasons,
	"steps": steps,
}

# active are the playbooks that apply, in the order of the routes; triage if none does.
applying := [name | some name in routes.order; lib.fired(name)]

active := applying if count(applying) > 0

else := ["triage"]

# primary is the playbook that decided before, unless that was triage.
primary := name if {
	some name in active
	name != "triage"
	data.riposte.playbook[name].playbook.id == input.incident.playbook
} else := active[0]

priority := "drop" if lib.dismissed

else := [p |
	some p in ["p1", "p2", "p3", "p4", "drop"]
	some name in active
	data.riposte.playbook[name].priority == p
][0]

score := 0 if lib.dismissed

else := max([s | some name in active; s := data.riposte.playbook[name].score])

all_reasons := {r | some name in active; some r in data.riposte.playbook[name].reasons}

reasons := [{"code": "DISMISSED", "text": "a person said that there is nothing to do"}] if lib.dismissed

else := array.slice([r | some r in all_reasons], 0, 16)

steps := [] if lib.dismissed

else := array.slice([s | some name in active; some s in data.riposte.playbook[name].steps], 0, 64)
