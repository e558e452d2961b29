package correlate

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// formsOf returns, for each rule that c names, a digest of what its signals must hold to be
// of use to c: the paths that c groups by and those that it reads, and what
// the rule matches.
func (c *Correlation) formsOf() map[string]string {
	forms := make(map[string]string, len(c.Rules))
	for _, rule := range c.Rules {
		h := fnv.New64a()
		if _, err := fmt.Fprintf(h, "%q|%q|%s", c.paths(c.GroupBy, rule), c.reads(rule), c.predicates[rule]); err != nil {
			panic("BUG: correlate: a hash does not write: " + err.Error())
		}
		forms[rule] = strconv.FormatUint(h.Sum64(), 36)
	}
	return forms
}

// For returns s for detections that match what predicates says: by their ids, a digest of
// it. If one is edited, the correlations that name it are made anew.
func (s *Set) For(predicates map[string]string) (*Set, error) {
	list := make([]*Correlation, len(s.list))
	for i, c := range s.list {
		of := *c
		of.predicates = predicates
		list[i] = &of
	}
	return NewSet(list)
}

// means reports whether a signal was made for c as it is now. One that does not say for what
// it was made is trusted.
func (c *Correlation) means(sig *pipeline.Signal) bool {
	return sig.Form == "" || sig.Form == c.forms[sig.Rule] || c.forms == nil
}

// served is what a rule was when the state was written.
type served struct {
	meaning uint64            // see Correlation.meaning
	forms   map[string]string // by rule, see formsOf; nil: an earlier version did not tell
}

func (s *served) equal(o *served) bool {
	return s.meaning == o.meaning && maps.Equal(s.forms, o.forms)
}

// made reports whether the signals of rule that lie on the topic are those that c means.
func (s *served) made(c *Correlation, rule string) bool {
	return s != nil && s.forms[rule] == c.forms[rule]
}

func servedBy(rules *Set) map[string]*served {
	m := make(map[string]*served, len(rules.list))
	for _, c := range rules.list {
		m[c.ID] = &served{meaning: c.meaning(), forms: c.forms}
	}
	return m
}

// servedMoved reports whether the state tells of other rules than there are.
func (s *Stage) servedMoved() bool { return !maps.EqualFunc(s.served, s.serves, (*served).equal) }

func (w *writer) served(list map[string]*served) {
	w.byte(entryServed)
	w.uint(uint64(len(list)))
	for _, id := range slices.Sorted(maps.Keys(list)) {
		w.text(id)
		w.uint(list[id].meaning)
		w.uint(uint64(len(list[id].forms)))
		for _, rule := range slices.Sorted(maps.Keys(list[id].forms)) {
			w.text(rule)
			w.text(list[id].forms[rule])
		}
	}
}

func (r *reader) served() map[string]*served {
	const least = 3 // bytes of one
	n := r.count(least)
	list := make(map[string]*served, n)
	for range n {
		id := strings.Clone(r.text())
		x := &served{meaning: r.uint(), forms: map[string]string{}}
		const least = 2 // bytes of one
		for range r.count(least) {
			rule := strings.Clone(r.text())
			x.forms[rule] = strings.Clone(r.text())
		}
		list[id] = x
	}
	return list
}

// servedV2 reads what version 2 wrote: it had a digest of all paths together, of which
// nothing can be told for a single rule.
func (r *reader) servedV2() map[string]*served {
	const least = 4 // bytes of one
	n := r.count(least)
	list := make(map[string]*served, n)
	for range n {
		id := strings.Clone(r.text())
		list[id] = &served{meaning: r.uint()}
		r.uint()
		r.texts()
	}
	return list
}
