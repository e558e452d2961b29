package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/riposte-sec/riposte/internal/journal"
	"github.com/riposte-sec/riposte/pipeline"
)

const stageName = "respond"

// RejectMalformed is the reason for rejecting a record that is no intent.
const RejectMalformed = "malformed"

// stateVersion is that of the values in the journal.
const stateVersion = 1

// The faults of outcomes that this stage itself gives.
const (
	FaultStale       = "stale"        // it lay too long on its topic; it is decided again
	FaultDryRun      = "dry_run"      // the mode lets nothing be carried out
	FaultShadow      = "shadow"       // the mode only looks
	FaultNoConnector = "no_connector" // the program does not have it
	FaultNoAction    = "no_action"    // the connector does not offer it
	FaultBadTarget   = "bad_target"   // the action does not apply to that kind of entity
	FaultLost        = "lost"         // the call never came back
	FaultAttempts    = "attempts"     // tried as often as allowed
	FaultPatience    = "patience"     // not to be seen in time
	FaultAsk         = "ask"          // the lease is over and a person decides what follows
)

// Stage is the respond stage of one partition of the intents topic. See the package comment.
type Stage struct {
	cfg     Config
	actions map[string]map[string]pipeline.ActionSpec

	state   *journal.Journal
	leases  *journal.Table[lease]  // by intent id
	effects *journal.Table[effect] // by effectKey
	due     journal.Schedule       // intent ids by lease.Due

	awake, wasAwake bool // the leases were looked at since they were restored
	restoring       restoring
}

var _ pipeline.Unsettled = (*Stage)(nil)

// New returns the stage of one partition, without state. connectors are the actions that
// each connector offers, by the connector's name.
func New(cfg Config, connectors map[string][]pipeline.ActionSpec) (*Stage, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("respond: %w", err)
	}
	s := &Stage{cfg: cfg, actions: map[string]map[string]pipeline.ActionSpec{}, state: journal.New(stateVersion)}
	for name, specs := range connectors {
		s.actions[name] = map[string]pipeline.ActionSpec{}
		for _, a := range specs {
			s.actions[name][a.Name] = a
		}
	}
	s.leases = journal.NewTable(s.state, cloneLease)
	s.effects = journal.NewTable(s.state, cloneEffect)
	return s, nil
}

// Process takes the results of earlier calls, then the intents of b.
func (s *Stage) Process(_ context.Context, b *pipeline.Batch) error {
	p := &pass{Stage: s, b: b, now: b.Now}
	p.wake()
	for i := range b.Returns {
		p.returned(&b.Returns[i])
	}
	for i := range b.In {
		r := &b.In[i]
		b.Counts.In++
		b.Counts.Bytes += len(r.Value)
		in, err := decodeIntent(r.Value)
		if err != nil {
			b.Counts.Rejected++
			b.Reject(i, stageName, RejectMalformed, err.Error())
			continue
		}
		p.now = max(b.Now, r.Time)
		if !p.accept(in, r.Time) {
			b.Counts.Duplicate++
			continue
		}
		b.Counts.Live++
		if b.Counts.FirstAt == 0 || in.Created < b.Counts.FirstAt {
			b.Counts.FirstAt = in.Created
		}
		b.Counts.LastAt = max(b.Counts.LastAt, in.Created)
	}
	return nil
}

func decodeIntent(value []byte) (*pipeline.Intent, error) {
	in := &pipeline.Intent{}
	if err := json.Unmarshal(value, in); err != nil {
		return nil, fmt.Errorf("intent: %w", err)
	}
	if in.ID.IsZero() || in.Tenant == "" || in.Group == "" || in.Target.Value == "" {
		return nil, errors.New("intent: id, tenant, group or target is missing")
	}
	if in.Want != pipeline.WantPresent && in.Want != pipeline.WantAbsent {
		return nil, fmt.Errorf("intent: want %.20q is not known", in.Want)
	}
	return in, nil
}

// Tick does what is due: repeated tries, polls, expiries, calls that never came back.
func (s *Stage) Tick(_ context.Context, now pipeline.Millis, b *pipeline.Batch) error {
	p := &pass{Stage: s, b: b, now: max(now, b.Now)}
	p.wake()
	for {
		at, key, ok := s.due.Due(int64(p.now))
		if !ok {
			return nil
		}
		if l := s.leases.Get(key); l != nil && l.Due == pipeline.Millis(at) {
			p.reached(s.leases.Edit(key))
		}
	}
}

// AppendDelta implements [pipeline.Stateful].
func (s *Stage) AppendDelta(dst []byte) []byte { return s.state.AppendDelta(dst) }

// Commit implements [pipeline.Stateful].
func (s *Stage) Commit() {
	s.state.Commit()
	s.due.Commit()
	s.wasAwake = s.awake
	s.restoring.commit()
}

// Rollback implements [pipeline.Stateful].
func (s *Stage) Rollback() {
	s.state.Rollback()
	s.due.Rollback()
	s.awake = s.wasAwake
	s.restoring.rollback()
}

// Snapshot implements [pipeline.Stateful].
func (s *Stage) Snapshot(emit func(piece []byte) error) error { return s.state.Snapshot(emit) }

// Restore implements [pipeline.Stateful].
func (s *Stage) Restore(piece []byte) error {
	if err := s.state.Restore(piece); err != nil {
		return fmt.Errorf("respond: %w", err)
	}
	return nil
}

// Unsettled implements [pipeline.Unsettled]: leases that are neither in place nor ended, and
// those that a connector in memory has to be told of.
func (s *Stage) Unsettled() int {
	n := 0
	for _, l := range s.leases.All() {
		if l.State != statePlaced && l.State != stateEnded {
			n++
		}
	}
	for _, left := range s.restoring.now {
		n += 1 + len(left)
	}
	return n
}

// StateBytes implements [pipeline.Stateful].
func (s *Stage) StateBytes() int { return s.state.Bytes() }

// spec returns what the lease's connector says about its action.
func (s *Stage) spec(in *pipeline.Intent) (pipeline.ActionSpec, bool) {
	a, ok := s.actions[in.Connector][in.Action]
	return a, ok
}
