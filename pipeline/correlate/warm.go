package correlate

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// served is what a rule was when the state was written.
type served struct {
	meaning uint64   // see Correlation.meaning
	shape   uint64   // see Correlation.shape
	rules   []string // that it named
}

func (s *served) equal(o *served) bool {
	return s.meaning == o.meaning && s.shape == o.shape && slices.Equal(s.rules, o.rules)
}

func servedBy(rules *Set) map[string]*served {
	m := make(map[string]*served, len(rules.list))
	for _, c := range rules.list {
		m[c.ID] = &served{meaning: c.meaning(), shape: c.shape(), rules: c.Rules}
	}
	return m
}

// shape is a digest of what the signals for a correlation hold. Signals that were made for
// another shape are of no use to it.
func (c *Correlation) shape() uint64 {
	h := fnv.New64a()
	if _, err := fmt.Fprintf(h, "%q|%q|%q", c.GroupBy, c.Fields, c.Aliases); err != nil {
		panic("BUG: correlate: a hash does not write: " + err.Error())
	}
	return h.Sum64()
}

var _ pipeline.Warmer = (*Stage)(nil)

// Cold implements [pipeline.Warmer]. A correlation whose window or rules were edited is made
// anew from the signals that lie on the topic. Those of one that is new, or that groups by
// other values now, were never made or lie in other partitions.
func (s *Stage) Cold() pipeline.Cold {
	var cold pipeline.Cold
	var span pipeline.Millis
	s.cold = map[string]bool{}
	for _, c := range s.cfg.Rules.list {
		r, was := s.rules[c.ID], s.served[c.ID]
		switch {
		case was != nil && was.meaning == r.meaning:
			continue
		case was == nil || was.shape != c.shape():
			cold.Lost = append(cold.Lost, c.ID)
			continue
		}
		for _, name := range c.Rules {
			if !slices.Contains(was.rules, name) {
				cold.Lost = append(cold.Lost, c.ID+": "+name)
			}
		}
		s.cold[c.ID] = true
		cold.Rules = append(cold.Rules, c.ID)
		span = max(span, r.span+r.slack)
	}
	if len(cold.Rules) > 0 {
		// A record's event time is at most a few minutes ahead of its append time.
		cold.Since = max(1, min(s.wm, s.newestAt)-span-s.lateness())
	}
	return cold
}

// Warm implements [pipeline.Warmer]: a stage of its own, with the cold rules alone, processes
// the records, and nobody hears what it tells.
func (s *Stage) Warm(ctx context.Context, b *pipeline.Batch) error {
	if s.warming == nil {
		w, err := New(s.cfg)
		if err != nil {
			return err
		}
		w.only = s.cold
		s.warming = w
	}
	err := s.warming.Process(ctx, b)
	s.warming.Commit()
	return err
}

// Warmed implements [pipeline.Warmer]: the warm rules become the stage's own. No alert of
// theirs counts as told. An episode that goes on is told with its next signal; one whose
// alert is known from before the edit begins with the same signal and so has the same id.
func (s *Stage) Warmed(context.Context) error {
	w := s.warming
	s.warming = nil
	if w == nil {
		return nil
	}
	w.pass(&outputs{b: &pipeline.Batch{}}, s.wm)
	for _, id := range slices.Sorted(maps.Keys(s.cold)) {
		r := s.rules[id]
		for _, text := range slices.Sorted(maps.Keys(w.rules[id].keys)) {
			k := w.rules[id].keys[text]
			for i := range k.sessions {
				k.sessions[i].told.suppress(r.c)
			}
			if s.undo.keys[id] == nil {
				s.undo.keys[id] = map[string]*key{}
			}
			s.undo.keys[id][text] = nil
			s.putBack(r, k)
		}
	}
	return nil
}

// suppress forgets what a warming stage told. A value that first_seen knows stays known.
func (t *told) suppress(c *Correlation) {
	if c.Type != FirstSeen {
		*t = told{}
	} else if !t.alert.IsZero() {
		t.fate, t.checked = FateSilenced, maxTime
	}
}

// mine reports whether a signal is for a rule that a warming stage warms. What its own
// rules derive comes from the topic too.
func (s *Stage) mine(sig *pipeline.Signal) bool { return s.only == nil || s.only[sig.Step] }

// servedMoved reports whether the state tells of other rules than there are.
func (s *Stage) servedMoved() bool { return !maps.EqualFunc(s.served, s.serves, (*served).equal) }

func (w *writer) served(list map[string]*served) {
	w.byte(entryServed)
	w.uint(uint64(len(list)))
	for _, id := range slices.Sorted(maps.Keys(list)) {
		w.text(id)
		w.uint(list[id].meaning)
		w.uint(list[id].shape)
		w.texts(list[id].rules)
	}
}

func (r *reader) served() map[string]*served {
	const least = 4 // bytes of one
	n := r.count(least)
	list := make(map[string]*served, n)
	for range n {
		id := strings.Clone(r.text())
		list[id] = &served{meaning: r.uint(), shape: r.uint(), rules: r.texts()}
	}
	return list
}
