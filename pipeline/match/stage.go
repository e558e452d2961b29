package match

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// Config is what a stage is built from.
type Config struct {
	// Rules are the detections. Required.
	Rules *Set
	// Matcher evaluates them; its indexes are those of Rules.Detections. Required. A matcher
	// serves one stage.
	Matcher pipeline.Matcher
	// Consumers are the correlations that want signals. A rule that is not among Rules is
	// another correlation's and is ignored.
	Consumers []pipeline.Consumer
}

// Stats is what a stage counted since it was built.
type Stats struct {
	Events   uint64 // live events that were evaluated
	Signals  uint64 // appended
	Failures uint64 // evaluations of one rule that failed (I9: the others went on)
	NoGroup  uint64 // matches without a signal, because the event lacks a group-by path
}

// Stage is the match stage. Not safe for concurrent use.
type Stage struct {
	cfg       Config
	consumers [][]pipeline.Consumer // by rule
	stats     Stats
	hits      []int
	buf       []byte
	flags     []string
	join      joiner
}

var _ pipeline.Stage = (*Stage)(nil)

// New builds a stage. It reports a consumer's path that no event can have.
func New(cfg Config) (*Stage, error) {
	if cfg.Rules == nil || cfg.Matcher == nil {
		return nil, errors.New("match: Rules and Matcher are required")
	}
	s := &Stage{cfg: cfg, consumers: make([][]pipeline.Consumer, len(cfg.Rules.Detections))}
	s.join.uses = usesOf(cfg.Rules.modules)
	for _, c := range cfg.Consumers {
		i := slices.IndexFunc(cfg.Rules.Detections, func(d Detection) bool { return d.ID == c.Rule })
		if i < 0 {
			continue
		}
		for _, p := range slices.Concat(c.Group, c.Fields) {
			if err := CheckPath(p); err != nil {
				return nil, fmt.Errorf("match: correlation %s: rule %s: %w", c.Step, c.Rule, err)
			}
		}
		s.consumers[i] = append(s.consumers[i], c)
	}
	return s, nil
}

// Stats returns what was counted so far.
func (s *Stage) Stats() Stats { return s.stats }

// Process evaluates each live event of the batch and appends its signals to b.Signals: for
// every rule that matches one with Step "" and one for each consumer. Strings of a signal
// are views into the batch.
func (s *Stage) Process(ctx context.Context, b *pipeline.Batch) error {
	for i := range b.Events {
		e := &b.Events[i]
		if e.Fate != pipeline.FateLive {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		s.stats.Events++
		s.buf = e.AppendJSON(s.buf[:0])
		if b.Context != nil && s.join.uses.any() {
			s.buf = s.join.join(s.buf, b.Context, e)
		}
		hits, err := s.cfg.Matcher.Match(ctx, s.buf, s.hits[:0])
		s.hits = hits
		if err != nil && ctx.Err() != nil {
			return ctx.Err() // interrupted, not failed: the event was not evaluated
		}
		s.stats.Failures += failures(err)
		for _, r := range hits {
			s.signals(b, e, r)
		}
	}
	return nil
}

// failures counts the rules that err tells of.
func failures(err error) uint64 {
	if err == nil {
		return 0
	}
	if list, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		return uint64(len(list.Unwrap()))
	}
	return 1
}

func (s *Stage) signals(b *pipeline.Batch, e *pipeline.Event, rule int) {
	d := &s.cfg.Rules.Detections[rule]
	if len(d.Sources) > 0 && !slices.Contains(d.Sources, e.Source) || len(d.Classes) > 0 && !slices.Contains(d.Classes, e.Class) {
		return // a matcher may evaluate more than it must
	}
	sig := pipeline.Signal{
		Event: e.ID, Tenant: e.Tenant, Rule: d.ID, Source: e.Source, Class: e.Class,
		Severity: d.Severity, Title: d.Title, Tactics: d.Tactics, Techniques: d.Techniques,
		Entities: entities(e), At: e.At, Ingested: e.Ingested,
	}
	s.flags = e.Flags.AppendNames(s.flags[:0])
	sig.Flags = slices.Clone(s.flags)
	paths := d.GroupBy
	if len(paths) == 0 {
		paths = defaultGroup
	}
	s.emit(b, e, sig, paths, nil)
	for _, c := range s.consumers[rule] {
		sig.Step, sig.Form = c.Step, c.Form
		s.emit(b, e, sig, c.Group, c.Fields)
	}
}

var defaultGroup = []string{"e:1"}

// emit appends the signal for one consumer. A detection's own signal groups by nothing
// where the event has no entity, so that no match is lost; a correlation's is not made.
func (s *Stage) emit(b *pipeline.Batch, e *pipeline.Event, sig pipeline.Signal, group, fields []string) {
	sig.Group = make([]string, 0, len(group))
	for _, p := range group {
		v, ok := lookup(e, p)
		if !ok && sig.Step != "" {
			s.stats.NoGroup++
			return
		}
		sig.Group = append(sig.Group, v)
	}
	for _, p := range fields {
		var v string
		var ok bool
		if strings.HasPrefix(p, known+".") {
			v, ok = s.join.knownOf(b.Context, e, p, sig.Group)
		} else {
			v, ok = lookup(e, p)
		}
		if ok {
			if sig.Fields == nil {
				sig.Fields = make(map[string]string, len(fields))
			}
			sig.Fields[p] = v
		}
	}
	sig.ID = pipeline.SignalID(e.ID, sig.Rule, sig.Step)
	b.Signals = append(b.Signals, sig)
	s.stats.Signals++
}

func entities(e *pipeline.Event) []pipeline.EntityValue {
	out := make([]pipeline.EntityValue, len(e.Entities))
	for i, x := range e.Entities {
		out[i] = pipeline.EntityValue{Kind: x.Kind.String(), Value: x.Value, Role: x.Role, Content: x.Content}
	}
	return out
}
