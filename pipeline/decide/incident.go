package decide

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// incident is everything that the stage knows about one incident.
type incident struct {
	Incident pipeline.Incident `json:"incident"` // as of the last revision
	Times    pipeline.Times    `json:"times"`
	Decision pipeline.Decision `json:"decision"` // the last one
	Playbook string            `json:"playbook"` // that decided last
	Alerts   []alert           `json:"alerts"`   // the first maxAlerts
	Steps    []step            `json:"steps"`    // every step ever wanted, in order
	Timers   []timer           `json:"timers"`   // sorted
	Seen     []pipeline.ID     `json:"seen"`     // facts folded, the last maxSeen
	Now      pipeline.Millis   `json:"now"`      // highest time of a fact: input.now
	Last     pipeline.Millis   `json:"last"`     // append time of the last fact
	Asked    int               `json:"asked"`    // evaluations so far
	Minute   []pipeline.Millis `json:"minute"`   // event times of the last evaluations
	Stopped  string            `json:"stopped"`  // why no new step is taken, empty = it is
	Prior    group             `json:"prior"`    // of its group when it was opened
}

const (
	maxAlerts   = 64
	maxEntities = 128
	maxSeen     = 256
)

// alert is what policies see of an alert.
type alert struct {
	ID         pipeline.ID     `json:"alert_id"`
	Revision   uint64          `json:"revision"`
	Rule       string          `json:"rule"`
	Kind       string          `json:"kind"`
	Severity   uint8           `json:"severity_id"`
	Signals    uint32          `json:"signals"`
	Risk       float64         `json:"risk"`
	Techniques []string        `json:"techniques"`
	Group      []string        `json:"group"`
	Triggered  pipeline.Millis `json:"triggered"`
	Withdrawn  bool            `json:"withdrawn,omitempty"` // it should not have fired; policies do not see it
}

// The statuses of a step, as policies see them.
const (
	statusAbsent   = "absent"   // retracted before anything was done
	statusPending  = "pending"  // waits for other steps, or for its first outcome
	statusApproval = "approval" // waits for people
	statusRunning  = "running"
	statusDone     = "done"
	statusFailed   = "failed" // refused by guard, caps, a person or the connector
	statusExpired  = "expired"
	statusUnknown  = "unknown"
	statusUndone   = "undone"
)

// step is a step that was wanted once, and what became of it.
type step struct {
	Doc      pipeline.Step   `json:"doc"`    // as it was when the intent was built
	Intent   pipeline.Intent `json:"intent"` // as emitted last, or as it would be
	Emitted  string          `json:"emitted"`
	Wanted   bool            `json:"wanted"` // in the last decision
	Status   string          `json:"status"`
	Seq      uint32          `json:"seq"` // of the last outcome
	Attempts uint16          `json:"attempts"`
	Since    pipeline.Millis `json:"since"` // event time of the first proposal
	Already  bool            `json:"already"`
	Expires  pipeline.Millis `json:"expires"`
	Fault    string          `json:"fault"`
	Refused  string          `json:"refused"`  // a person's word against it: who
	Never    bool            `json:"never"`    // an override: not again in this incident
	Extended string          `json:"extended"` // an override: this length instead of the policy's
	Renew    bool            `json:"renew"`    // the extension is to be emitted
	Counted  bool            `json:"counted"`  // against the hourly cap
	Flips    int             `json:"flips"`    // times it was wanted again
	Stale    int             `json:"stale"`    // times it was refused as stale
	Result   json.RawMessage `json:"result,omitempty"`
}

// inPlace reports whether the step was let through and was not taken back.
func (s *step) inPlace() bool {
	return s.Emitted == pipeline.VerdictAllow && s.Intent.Want == pipeline.WantPresent
}

// timer is a time at which the incident shall learn something.
type timer struct {
	At   pipeline.Millis `json:"at"`
	Why  string          `json:"why"`
	Told bool            `json:"told,omitempty"` // its fact was emitted before it fired
}

// The reasons of timers; two of them name an intent after a colon.
const (
	timerWake     = "wake"
	timerDefer    = "defer"
	timerDeadline = "deadline"
	timerApproval = "approval"
)

// group is what is known about all incidents of a (tenant, group).
type group struct {
	Incidents []pipeline.ID  `json:"incidents"` // still in memory, oldest first
	Count     int            `json:"count"`     // ever
	Actions   map[string]int `json:"actions"`   // containing intents let through, by action
}

// budget counts the containing intents of one action of one tenant, by hour of event time.
type budget map[int64]int

// hoursKept is how many hours of event time a budget remembers.
const hoursKept = 48

func cloneIncident(i incident) incident {
	in := &i.Incident
	in.Rules, in.Tactics = slices.Clone(in.Rules), slices.Clone(in.Tactics)
	in.Techniques, in.Sources = slices.Clone(in.Techniques), slices.Clone(in.Sources)
	in.Entities, in.Alerts, in.Flags = slices.Clone(in.Entities), slices.Clone(in.Alerts), slices.Clone(in.Flags)
	i.Alerts, i.Timers = slices.Clone(i.Alerts), slices.Clone(i.Timers)
	i.Seen, i.Minute = slices.Clone(i.Seen), slices.Clone(i.Minute)
	i.Prior = cloneGroup(i.Prior)
	i.Steps = slices.Clone(i.Steps)
	for n := range i.Steps {
		i.Steps[n].Intent.Got = slices.Clone(i.Steps[n].Intent.Got)
	}
	return i
}

func cloneGroup(g group) group {
	g.Incidents, g.Actions = slices.Clone(g.Incidents), maps.Clone(g.Actions)
	return g
}

// find returns the step with that intent, nil if there is none.
func (i *incident) find(intent pipeline.ID) *step {
	for n := range i.Steps {
		if i.Steps[n].Intent.ID == intent {
			return &i.Steps[n]
		}
	}
	return nil
}

// named returns the newest step with that id, nil if there is none.
func (i *incident) named(id string) *step {
	for n := len(i.Steps) - 1; n >= 0; n-- {
		if i.Steps[n].Doc.ID == id {
			return &i.Steps[n]
		}
	}
	return nil
}

// know remembers a fact and reports whether it was new.
func (i *incident) know(fact pipeline.ID) bool {
	if slices.Contains(i.Seen, fact) {
		return false
	}
	if len(i.Seen) == maxSeen {
		i.Seen = slices.Delete(i.Seen, 0, 1)
	}
	i.Seen = append(i.Seen, fact)
	return true
}

// set makes why the timer for at, in place of an earlier one of that name.
func (i *incident) set(at pipeline.Millis, why string) {
	i.unset(why)
	i.Timers = append(i.Timers, timer{At: at, Why: why})
	slices.SortFunc(i.Timers, func(a, b timer) int {
		if a.At != b.At {
			return int(a.At - b.At)
		}
		if a.Why < b.Why {
			return -1
		}
		return 1
	})
}

// timer returns the index of the timer that the fact tells of, -1 if it is not waiting.
func (i *incident) timer(fact *pipeline.Fact) int {
	return slices.IndexFunc(i.Timers, func(t timer) bool { return t.At == fact.Time && t.Why == fact.Summary })
}

func (i *incident) unset(why string) {
	i.Timers = slices.DeleteFunc(i.Timers, func(t timer) bool { return t.Why == why })
}

// flag adds a flag to the incident.
func (i *incident) flag(name string) { i.Incident.Flags = union(i.Incident.Flags, name) }

// union appends the values that are not there yet.
func union(dst []string, values ...string) []string {
	for _, v := range values {
		if v != "" && !slices.Contains(dst, v) {
			dst = append(dst, v)
		}
	}
	return dst
}
