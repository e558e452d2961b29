package decide

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/internal/journal"
	"github.com/riposte-sec/riposte/pipeline"
)

// logTime is the time of the facts log as far as it was read.
type logTime struct {
	At    pipeline.Millis `json:"at"`    // highest append time of a record
	Fired int             `json:"fired"` // timers since the last record
}

// maxFired bounds the timers that fire between two records, so that the many that are due
// after a long stop spread over many transactions instead of outlasting one.
const maxFired = 16

// advance lets the log's time pass to that of a record.
func (s *Stage) advance(to pipeline.Millis) {
	t := s.clock.Edit("")
	t.At, t.Fired = max(t.At, to), 0
}

// elapse fires the timers that are due by the log's time, in the order of their times, and
// then forgets the incidents that are over. The order of the two does not matter: an
// incident that has a timer is not over.
func (s *Stage) elapse(ctx context.Context, b *pipeline.Batch) error {
	s.index()
	var now logTime
	if t := s.clock.Get(""); t != nil {
		now = *t
	}
	for now.Fired < maxFired {
		at, key, ok := s.due.Due(int64(now.At))
		if !ok {
			break
		}
		if s.head(key, at) == nil {
			continue
		}
		now.Fired++
		s.clock.Edit("").Fired = now.Fired
		if err := s.fire(ctx, b, key); err != nil {
			return err
		}
	}
	for {
		at, key, ok := s.ends.Due(int64(now.At))
		if !ok {
			return nil
		}
		if inc := s.incidents.Get(key); inc != nil && s.over(inc) && s.endOf(inc) == pipeline.Millis(at) {
			s.forget(key, inc)
		}
	}
}

// index fills the schedules after a restore.
func (s *Stage) index() {
	if s.indexed {
		return
	}
	s.due, s.ends, s.indexed = journal.Schedule{}, journal.Schedule{}, true
	for key, inc := range s.incidents.All() {
		s.schedule(key, inc)
	}
}

// head returns the next timer of an incident if it is for that time, nil otherwise: then
// the pair of the schedule does not hold any more.
func (s *Stage) head(key string, at int64) *timer {
	inc := s.incidents.Get(key)
	if inc == nil || len(inc.Timers) == 0 || inc.Timers[0].At != pipeline.Millis(at) {
		return nil
	}
	return &inc.Timers[0]
}

// fire lets an incident learn that its next timer was reached. The timer fact tells it to
// others, unless it was announced; when it is read back it is known. A timer takes effect
// at its own time, not at that of the record before which it fires.
func (s *Stage) fire(ctx context.Context, b *pipeline.Batch, key string) error {
	inc := s.incidents.Edit(key)
	t := inc.Timers[0]
	inc.Timers = inc.Timers[1:]
	fact := timerFact(&inc.Incident, t)
	if !t.Told {
		b.Emit(factMessage(b, &fact))
	}
	return s.learnFact(ctx, b, key, inc, &pipeline.Record{Time: max(inc.Last, t.At)}, &fact)
}

// announce emits the timer fact of the first timer that is due by now, once. Appended by the
// broker and read back, it brings the log's time to where all such timers are due; if the
// broker's clock is behind, it fires that timer all the same.
func (s *Stage) announce(now pipeline.Millis, b *pipeline.Batch) {
	for {
		at, key, ok := s.due.Due(int64(now))
		if !ok {
			return
		}
		t := s.head(key, at)
		if t == nil {
			continue
		}
		s.due.Add(at, key) // it has not fired
		if !t.Told {
			inc := s.incidents.Edit(key)
			inc.Timers[0].Told = true
			fact := timerFact(&inc.Incident, inc.Timers[0])
			b.Emit(factMessage(b, &fact))
		}
		return
	}
}

// schedule puts the incident's next moments into the schedules.
func (s *Stage) schedule(key string, inc *incident) {
	if len(inc.Timers) > 0 {
		s.due.Add(int64(inc.Timers[0].At), key)
	}
	if s.over(inc) {
		s.ends.Add(int64(s.endOf(inc)), key)
	}
}

// endOf is when an incident that is over is forgotten.
func (s *Stage) endOf(inc *incident) pipeline.Millis {
	return inc.Last.Add(time.Duration(s.cfg.Forget))
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
func timerFact(in *pipeline.Incident, t timer) pipeline.Fact {
	return pipeline.Fact{
		ID:     pipeline.HashID("timer", in.ID.View(), t.Why, strconv.FormatInt(int64(t.At), 10)),
		Tenant: in.Tenant, Group: in.Group, Kind: pipeline.FactTimer, Ref: in.ID, Time: t.At,
		Actor: "engine", Summary: t.Why,
	}
}

func factMessage(b *pipeline.Batch, f *pipeline.Fact) pipeline.Message {
	value, err := json.Marshal(f)
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
