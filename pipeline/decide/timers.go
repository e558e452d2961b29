package decide

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/internal/journal"
	"github.com/riposte-sec/riposte/pipeline"
)

// fire emits a fact for each timer that is due at now, an append time, and forgets incidents
// that are over. It is called before each record and when time passes without one, so that
// the place of a timer fact among the records does not depend on how they were batched.
func (s *Stage) fire(now pipeline.Millis, b *pipeline.Batch) {
	if !s.indexed {
		s.due, s.indexed = journal.Schedule{}, true
		for key, inc := range s.incidents.All() {
			s.schedule(key, inc)
		}
	}
	for {
		at, key, ok := s.due.Due(int64(now))
		if !ok {
			return
		}
		inc := s.incidents.Get(key)
		switch {
		case inc == nil:
		case len(inc.Timers) > 0 && inc.Timers[0].At == pipeline.Millis(at):
			inc = s.incidents.Edit(key)
			t := inc.Timers[0]
			inc.Timers = inc.Timers[1:]
			b.Emit(timerFact(b, &inc.Incident, t))
			s.schedule(key, inc)
		case s.over(inc) && inc.Last.Add(s.forgetAfter()) == pipeline.Millis(at):
			s.forget(key, inc)
		}
	}
}

// schedule puts the incident's next moment into the index.
func (s *Stage) schedule(key string, inc *incident) {
	if len(inc.Timers) > 0 {
		s.due.Add(int64(inc.Timers[0].At), key)
	}
	if s.over(inc) {
		s.due.Add(int64(inc.Last.Add(s.forgetAfter())), key)
	}
}

// over reports whether nothing of the incident is in place or on its way.
func (s *Stage) over(inc *incident) bool {
	for i := range inc.Steps {
		st := &inc.Steps[i]
		if st.inPlace() && st.Intent.Effect.Containing() && (st.Status == statusDone || st.Status == statusRunning) {
			return false
		}
	}
	return len(inc.Timers) == 0
}

func (s *Stage) forget(key string, inc *incident) {
	id, gk := inc.Incident.ID, groupKey(inc.Incident.Tenant, inc.Incident.Group)
	s.incidents.Delete(key)
	g := s.groups.Edit(gk)
	g.Incidents = slices.DeleteFunc(g.Incidents, func(i pipeline.ID) bool { return i == id })
	if len(g.Incidents) == 0 {
		s.groups.Delete(gk)
	}
}

// timerFact makes the fact that a timer of an incident was reached. It is made of the
// incident's id and the timer alone.
func timerFact(b *pipeline.Batch, in *pipeline.Incident, t timer) pipeline.Message {
	f := pipeline.Fact{
		ID:     pipeline.HashID("timer", in.ID.View(), t.Why, strconv.FormatInt(int64(t.At), 10)),
		Tenant: in.Tenant, Group: in.Group, Kind: pipeline.FactTimer, Ref: in.ID, Time: t.At,
		Actor: "engine", Summary: t.Why,
	}
	value, err := json.Marshal(&f)
	if err != nil {
		panic(fmt.Sprintf("BUG: timer fact has no JSON form: %v", err))
	}
	return message(b, pipeline.TopicFacts, schemaFact, f.Tenant, f.ID, value, f.Tenant, f.Group)
}

// timer folds the fact that a timer was reached.
func (s *Stage) timer(inc *incident, fact *pipeline.Fact) {
	why, text, _ := strings.Cut(fact.Summary, ":")
	var id pipeline.ID
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return // wake, defer: asking the policy again is all
	}
	st := inc.find(id)
	if st == nil {
		return
	}
	switch {
	case why == timerDeadline && (st.Status == statusPending || st.Status == statusRunning):
		st.Status = statusExpired
	case why == timerApproval && st.Status == statusApproval:
		if rule := st.Doc.Approval; rule != nil && rule.OnTimeout == "deny" {
			st.Status, st.Refused = statusExpired, "nobody in time"
			return
		}
		inc.flag("escalated")
		inc.Incident.WantsHuman = true
	}
}
