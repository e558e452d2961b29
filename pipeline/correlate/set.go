package correlate

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// maxChain is how deep correlations may name other correlations.
const maxChain = 10

// Set is the correlations that were loaded together. It is immutable and safe for
// concurrent use.
type Set struct {
	list    []*Correlation // in the order of their ids
	byID    map[string]*Correlation
	users   map[string][]*Correlation // by the rule that they name
	loudFor map[string]bool           // rules that some correlation lets alert by themselves
}

// Load reads every *.yml and *.yaml file of fsys, except tests (*_test.yml). All errors are
// reported at once, each with its file and line. Names of other correlations are replaced
// by their ids.
func Load(fsys fs.FS) (*Set, error) {
	var list []*Correlation
	var errs []error
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isDocument(path) {
			return err
		}
		src, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		c, err := parse(path, src)
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		list = append(list, c)
		return nil
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("correlations: %w", err)
	}
	s, err := NewSet(list)
	if err != nil {
		return nil, fmt.Errorf("correlations: %w", err)
	}
	return s, nil
}

func isDocument(path string) bool {
	base, ok := strings.CutSuffix(path, ".yml")
	if !ok {
		base, ok = strings.CutSuffix(path, ".yaml")
	}
	return ok && !strings.HasSuffix(base, "_test")
}

// NewSet puts documents together and checks what they say of each other.
func NewSet(list []*Correlation) (*Set, error) {
	s := &Set{
		list: slices.Clone(list), byID: map[string]*Correlation{},
		users: map[string][]*Correlation{}, loudFor: map[string]bool{},
	}
	slices.SortFunc(s.list, func(a, b *Correlation) int { return strings.Compare(a.ID, b.ID) })
	names := map[string]string{}
	for _, c := range s.list {
		if o := s.byID[c.ID]; o != nil {
			return nil, fmt.Errorf("%s:%d: id %q is that of %s too", c.File, c.Line, c.ID, o.File)
		}
		s.byID[c.ID] = c
		if c.Name != "" {
			names[c.Name] = c.ID
		}
	}
	var errs []error
	for i, c := range s.list {
		c = c.renamed(names)
		c.forms = c.formsOf()
		s.list[i], s.byID[c.ID] = c, c
	}
	for _, c := range s.list {
		for _, r := range slices.Compact(slices.Sorted(slices.Values(c.Rules))) {
			s.users[r] = append(s.users[r], c)
			s.loudFor[r] = s.loudFor[r] || c.Generate
		}
	}
	for _, c := range s.list {
		if err := s.check(c); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", c.File, c.Line, err))
		}
	}
	return s, errors.Join(errs...)
}

// renamed returns c with names of correlations replaced by their ids.
func (c *Correlation) renamed(names map[string]string) *Correlation {
	n := *c
	n.Rules = slices.Clone(c.Rules)
	for i, r := range n.Rules {
		if id := names[r]; id != "" && id != r {
			n.Rules[i] = id
			n.Aliases = renameKeys(n.Aliases, r, id)
		}
	}
	return &n
}

func renameKeys(aliases map[string]map[string]string, from, to string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for alias, by := range aliases {
		m := map[string]string{}
		for r, p := range by {
			if r == from {
				r = to
			}
			m[r] = p
		}
		out[alias] = m
	}
	return out
}

// check reports cycles, chains that are too deep, and fields that a correlation wants of
// another one which does not group by them.
func (s *Set) check(c *Correlation) error {
	if _, err := s.depth(c, nil); err != nil {
		return err
	}
	for _, r := range c.Rules {
		inner := s.byID[r]
		if inner == nil {
			continue
		}
		for _, name := range slices.Concat(c.GroupBy, c.Fields) {
			if p := c.path(name, r); !slices.Contains(inner.GroupBy, p) {
				return fmt.Errorf("rule %s is a correlation that groups by %s: it has no %s",
					r, strings.Join(inner.GroupBy, ", "), p)
			}
		}
	}
	return nil
}

func (s *Set) depth(c *Correlation, above []string) (int, error) {
	if slices.Contains(above, c.ID) {
		return 0, fmt.Errorf("cycle: %s", strings.Join(append(above, c.ID), " -> "))
	}
	if len(above) >= maxChain {
		return 0, fmt.Errorf("chain of correlations deeper than %d: %s", maxChain, strings.Join(above, " -> "))
	}
	deepest := 1
	for _, r := range c.Rules {
		if inner := s.byID[r]; inner != nil {
			d, err := s.depth(inner, append(slices.Clone(above), c.ID))
			if err != nil {
				return 0, err
			}
			deepest = max(deepest, d+1)
		}
	}
	return deepest, nil
}

// All returns the correlations in the order of their ids.
func (s *Set) All() []*Correlation { return s.list }

// IDs returns the ids of the correlations, sorted.
func (s *Set) IDs() []string {
	ids := make([]string, len(s.list))
	for i, c := range s.list {
		ids[i] = c.ID
	}
	return ids
}

// Sources returns the sources whose silence some correlation must tell from that of a
// group: each must be told to be alive on all partitions (pipeline.Pulse).
func (s *Set) Sources() []string {
	var list []string
	for _, c := range s.list {
		if c.Source != "" && !slices.Contains(list, c.Source) {
			list = append(list, c.Source)
		}
	}
	return list
}

// CheckRules reports the rules that correlations name and that are neither among detections
// nor correlations themselves.
func (s *Set) CheckRules(detections []string) error {
	var errs []error
	for _, c := range s.list {
		for _, r := range c.Rules {
			if s.byID[r] == nil && !slices.Contains(detections, r) {
				errs = append(errs, fmt.Errorf("%s:%d: there is no rule %q", c.File, c.Line, r))
			}
		}
	}
	return errors.Join(errs...)
}

// CheckPaths reports the paths of which check says that no event has them.
func (s *Set) CheckPaths(check func(path string) error) error {
	var errs []error
	for _, c := range s.list {
		for _, r := range slices.Compact(slices.Sorted(slices.Values(c.Rules))) {
			if s.byID[r] != nil {
				continue
			}
			for _, path := range slices.Concat(c.paths(c.GroupBy, r), c.reads(r)) {
				if err := check(path); err != nil {
					errs = append(errs, fmt.Errorf("%s:%d: rule %s: %w", c.File, c.Line, r, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// Consumers returns what the match stage must make signals for.
func (s *Set) Consumers() []pipeline.Consumer {
	var out []pipeline.Consumer
	for _, c := range s.list {
		for _, r := range slices.Compact(slices.Sorted(slices.Values(c.Rules))) {
			if s.byID[r] != nil {
				continue
			}
			out = append(out, pipeline.Consumer{Step: c.ID, Rule: r, Group: c.paths(c.GroupBy, r), Fields: c.reads(r), Form: c.forms[r]})
		}
	}
	return out
}

// reads returns the paths of the values that c wants with the signals of rule.
func (c *Correlation) reads(rule string) []string {
	if c.Type == Risk {
		return []string{fieldCriticality, fieldPrivileged}
	}
	return c.paths(c.Fields, rule)
}

func (c *Correlation) paths(names []string, rule string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = c.path(n, rule)
	}
	return out
}

// loud reports whether rule alerts by itself: no correlation names it, or one of those that
// do says generate.
func (s *Set) loud(rule string) bool { return len(s.users[rule]) == 0 || s.loudFor[rule] }

// slack is how much later than signals of events those of other correlations come to c: a
// condition that is judged behind the watermark tells of a trigger that is up to a span
// old, and a way over the topic takes time as well, for which the lateness must do.
func (s *Set) slack(c *Correlation, lateness time.Duration) time.Duration {
	var most time.Duration
	for _, r := range c.Rules {
		inner := s.byID[r]
		if inner == nil {
			continue
		}
		d := s.slack(inner, lateness)
		if !inner.rising() {
			d += time.Millisecond
			if inner.Type != Absence {
				d += inner.Span
			}
		}
		if !c.sameGroup(inner) {
			d += lateness
		}
		most = max(most, d)
	}
	return most
}
