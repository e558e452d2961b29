package decide

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/riposte-sec/riposte/internal/journal"
	"github.com/riposte-sec/riposte/pipeline"
)

// stageName is the stage's name in rejects.
const stageName = "decide"

// The reasons of the stage's rejects.
const (
	RejectMalformed = "malformed"        // not a fact
	RejectUnknown   = "unknown_incident" // of an incident that is not, or no longer, in memory
)

// stateVersion is that of the values in the journal. Version 2 added the log's time.
const stateVersion = 2

// Stage is the decide stage of one partition of the facts topic. See the package comment.
type Stage struct {
	cfg     Config
	parts   Parts
	protect *protection
	actions map[string]map[string]pipeline.ActionSpec // connector -> action

	state     *journal.Journal
	incidents *journal.Table[incident] // by id
	groups    *journal.Table[group]    // by tenant, group
	budgets   *journal.Table[budget]   // by tenant, action
	clock     *journal.Table[logTime]  // one row
	due       journal.Schedule         // keys of incidents by their next timer
	ends      journal.Schedule         // keys of incidents by when they are forgotten
	known     pipeline.Context         // of the batch at hand
	indexed   bool                     // due and ends hold every incident
}

var _ pipeline.Stateful = (*Stage)(nil)

// New returns the stage of one partition, without state.
func New(cfg Config, parts Parts) (*Stage, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("decide: %w", err)
	}
	if parts.Decide == nil || parts.Guard == nil {
		return nil, errors.New("decide: a policy is missing")
	}
	protect, err := newProtection(&cfg)
	if err != nil {
		return nil, fmt.Errorf("decide: %w", err)
	}
	s := &Stage{cfg: cfg, parts: parts, protect: protect, state: journal.New(stateVersion)}
	s.actions = map[string]map[string]pipeline.ActionSpec{}
	for name, specs := range parts.Connectors {
		s.actions[name] = map[string]pipeline.ActionSpec{}
		for _, a := range specs {
			s.actions[name][a.Name] = a
		}
	}
	s.incidents = journal.NewTable(s.state, cloneIncident)
	s.groups = journal.NewTable(s.state, cloneGroup)
	s.budgets = journal.NewTable(s.state, func(b budget) budget { return maps.Clone(b) })
	s.clock = journal.NewTable(s.state, func(t logTime) logTime { return t })
	return s, nil
}

// Process folds the facts of b and answers each with a revision and the intents that are
// new or changed. Before each record it lets the log's time pass to the record's append
// time, so that a timer takes effect before the first record that was appended at its time
// or later: its place is a matter of the log alone, however far behind the stage is.
func (s *Stage) Process(ctx context.Context, b *pipeline.Batch) error {
	s.known = b.Context
	for i := range b.In {
		r := &b.In[i]
		b.Counts.In++
		b.Counts.Bytes += len(r.Value)
		s.advance(r.Time)
		if err := s.elapse(ctx, b); err != nil {
			return err
		}
		fact, err := decodeFact(r.Value)
		if err != nil {
			b.Counts.Rejected++
			b.Reject(i, stageName, RejectMalformed, err.Error())
			continue
		}
		fate, err := s.fold(ctx, b, r, fact)
		if err != nil {
			return err
		}
		s.count(b, i, fate, fact)
	}
	return nil
}

// fate is what became of a fact.
type fate uint8

const (
	folded  fate = iota
	known        // the same fact, or a later word of it, was folded before
	orphan       // there is no incident that it could belong to
	ignored      // an alert that noise control kept from incidents
)

func (s *Stage) count(b *pipeline.Batch, i int, f fate, fact *pipeline.Fact) {
	switch f {
	case orphan:
		b.Counts.Rejected++
		b.Reject(i, stageName, RejectUnknown, "kind "+fact.Kind+", ref "+fact.Ref.String())
		return
	case known:
		b.Counts.Duplicate++
		return
	case folded, ignored:
		b.Counts.Live++
	}
	if b.Counts.FirstAt == 0 || fact.Time < b.Counts.FirstAt {
		b.Counts.FirstAt = fact.Time
	}
	b.Counts.LastAt = max(b.Counts.LastAt, fact.Time)
}

func decodeFact(value []byte) (*pipeline.Fact, error) {
	f := &pipeline.Fact{}
	if err := json.Unmarshal(value, f); err != nil {
		return nil, fmt.Errorf("fact: %w", err)
	}
	if f.ID.IsZero() || f.Tenant == "" || f.Group == "" {
		return nil, errors.New("fact: id, tenant or group is missing")
	}
	whole := map[string]bool{
		pipeline.FactAlert: f.Alert != nil && !f.Alert.ID.IsZero(), pipeline.FactOutcome: f.Outcome != nil,
		pipeline.FactApproval: f.Approval != nil, pipeline.FactOverride: f.Override != nil,
		pipeline.FactDisposition: true, pipeline.FactAck: true, pipeline.FactComment: true, pipeline.FactTimer: true,
	}
	if !whole[f.Kind] {
		return nil, fmt.Errorf("fact: kind %.20q is not known or without its body", f.Kind)
	}
	return f, nil
}

// Tick fires the timers that are due by the log's time. For the first one that is due by now
// alone, which may be the clock of another machine than the broker's, it emits the timer
// fact and nothing else: that record makes the timer fire, where it lies in the log.
func (s *Stage) Tick(ctx context.Context, now pipeline.Millis, b *pipeline.Batch) error {
	s.known = b.Context
	if err := s.elapse(ctx, b); err != nil {
		return err
	}
	s.announce(now, b)
	return nil
}

// AppendDelta implements [pipeline.Stateful].
func (s *Stage) AppendDelta(dst []byte) []byte { return s.state.AppendDelta(dst) }

// Commit implements [pipeline.Stateful].
func (s *Stage) Commit() {
	s.state.Commit()
	s.due.Commit()
	s.ends.Commit()
}

// Rollback implements [pipeline.Stateful].
func (s *Stage) Rollback() {
	s.state.Rollback()
	s.due.Rollback()
	s.ends.Rollback()
}

// Snapshot implements [pipeline.Stateful].
func (s *Stage) Snapshot(emit func(piece []byte) error) error { return s.state.Snapshot(emit) }

// Restore implements [pipeline.Stateful].
func (s *Stage) Restore(piece []byte) error {
	if err := s.state.Restore(piece); err != nil {
		return fmt.Errorf("decide: %w", err)
	}
	s.indexed = false
	return nil
}

// StateBytes implements [pipeline.Stateful].
func (s *Stage) StateBytes() int { return s.state.Bytes() }

// route returns the connector that carries out action, and what it says about it.
func (s *Stage) route(action, connector string) (string, pipeline.ActionSpec, bool) {
	if connector == "" {
		connector = s.cfg.Routes[action]
	}
	if connector != "" {
		spec, ok := s.actions[connector][action]
		return connector, spec, ok
	}
	for _, name := range slices.Sorted(maps.Keys(s.actions)) {
		if spec, ok := s.actions[name][action]; ok {
			return name, spec, true
		}
	}
	return "", pipeline.ActionSpec{}, false
}
