package correlate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/riposte-sec/riposte/pipeline"
)

// NoiseFile is the name of the document that LoadNoise reads.
const NoiseFile = "noise.yml"

// Noise is what keeps alerts from opening incidents, and how those that do are grouped.
type Noise struct {
	Inhibit  []Inhibition
	Silences []Silence
	Mutes    []Mute
	Routes   []Route // the first that matches counts
	Route    Route   // of alerts that none of Routes matches
	// Urgent is the least severity_id of alerts that never wait for others of their group,
	// whatever the route says: somebody may have to be contained now. Default 4, high.
	Urgent uint8
}

// DefaultNoise lets everything pass at once: no alert waits, since what an incident learns
// later joins it anyway, and a wait is time that an attacker has. RepeatInterval is 4h, the
// default of Alertmanager.
func DefaultNoise() Noise { return Noise{Route: Route{RepeatInterval: 4 * time.Hour}, Urgent: 4} }

// Validate reports everything that is out of range or missing.
func (n *Noise) Validate() error {
	var errs []error
	if n.Urgent == 0 || n.Urgent > 6 {
		errs = append(errs, fmt.Errorf("urgent %d: want a severity_id of 1 to 6", n.Urgent))
	}
	for i := range n.Inhibit {
		errs = append(errs, n.Inhibit[i].validate())
	}
	for i := range n.Silences {
		errs = append(errs, n.Silences[i].validate())
	}
	for i := range n.Mutes {
		errs = append(errs, n.Mutes[i].validate())
	}
	for i := range n.Routes {
		errs = append(errs, n.Routes[i].validate())
	}
	return errors.Join(append(errs, n.Route.validate())...)
}

// LoadNoise reads NoiseFile of fsys. Without one it returns DefaultNoise.
func LoadNoise(fsys fs.FS) (Noise, error) {
	src, err := fs.ReadFile(fsys, NoiseFile)
	if errors.Is(err, fs.ErrNotExist) {
		return DefaultNoise(), nil
	}
	if err != nil {
		return Noise{}, err
	}
	return ParseNoise(NoiseFile, src)
}

// ParseNoise reads a document. All errors are reported at once, each with file and line.
func ParseNoise(file string, src []byte) (Noise, error) {
	var doc noiseDocument
	dec := yaml.NewDecoder(bytes.NewReader(src))
	dec.KnownFields(true)
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return Noise{}, fmt.Errorf("%s: %w", file, err)
	}
	n := DefaultNoise()
	if doc.Urgent != 0 {
		n.Urgent = uint8(doc.Urgent)
	}
	var errs []error
	at := func(line int, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", file, line, err))
		}
	}
	ids := map[string]bool{}
	named := func(line int, id string) {
		if id == "" || ids[id] {
			at(line, fmt.Errorf("id %q: want one that no other entry has", id))
		}
		ids[id] = true
	}
	for _, e := range doc.Inhibit {
		in := Inhibition{Source: e.v.Source, Target: e.v.Target.matcher(), Equal: e.v.Equal}
		at(e.line, in.validate())
		n.Inhibit = append(n.Inhibit, in)
	}
	for _, e := range doc.Silences {
		x := Silence{ID: e.v.ID, Match: e.v.Match.matcher(), Owner: e.v.Owner, Reason: e.v.Reason, From: e.v.From, Until: e.v.Until}
		named(e.line, x.ID)
		at(e.line, x.validate())
		n.Silences = append(n.Silences, x)
	}
	for _, e := range doc.Mutes {
		x := Mute{
			ID: e.v.ID, Match: e.v.Match.matcher(), Owner: e.v.Owner, Reason: e.v.Reason,
			Days: e.v.Days, From: time.Duration(e.v.From), To: time.Duration(e.v.To),
		}
		named(e.line, x.ID)
		at(e.line, x.validate())
		n.Mutes = append(n.Mutes, x)
	}
	for i, e := range doc.Routes {
		x := e.v.route(n.Route)
		at(e.line, x.validate())
		if last := i == len(doc.Routes)-1; x.Match.empty() && !last {
			at(e.line, errors.New("route: without a match, which only the last one may be"))
		}
		n.Routes = append(n.Routes, x)
	}
	return n, errors.Join(errs...)
}

// CheckRules reports the rules that are named and that rules has not. Patterns are not
// looked at.
func (n *Noise) CheckRules(rules []string) error {
	var errs []error
	check := func(what, rule string) {
		if rule != "" && !strings.Contains(rule, "*") && !slices.Contains(rules, rule) {
			errs = append(errs, fmt.Errorf("%s: %s: there is no rule %q", NoiseFile, what, rule))
		}
	}
	for i := range n.Inhibit {
		check("inhibit: source", n.Inhibit[i].Source)
		check("inhibit: target", n.Inhibit[i].Target.Rule)
	}
	for i := range n.Silences {
		check("silence "+n.Silences[i].ID, n.Silences[i].Match.Rule)
	}
	for i := range n.Mutes {
		check("mute "+n.Mutes[i].ID, n.Mutes[i].Match.Rule)
	}
	for i := range n.Routes {
		check("route", n.Routes[i].Match.Rule)
	}
	return errors.Join(errs...)
}

type noiseDocument struct {
	Inhibit  []lined[inhibitDocument] `yaml:"inhibit"`
	Silences []lined[silenceDocument] `yaml:"silences"`
	Mutes    []lined[muteDocument]    `yaml:"mutes"`
	Routes   []lined[routeDocument]   `yaml:"routes"`
	Urgent   level                    `yaml:"urgent"`
}

type inhibitDocument struct {
	Source string          `yaml:"source"`
	Target matcherDocument `yaml:"target"`
	Equal  kinds           `yaml:"equal"`
}

type silenceDocument struct {
	ID     string          `yaml:"id"`
	Match  matcherDocument `yaml:"match"`
	Owner  string          `yaml:"owner"`
	Reason string          `yaml:"reason"`
	From   time.Time       `yaml:"from"`
	Until  time.Time       `yaml:"until"`
}

type muteDocument struct {
	ID     string          `yaml:"id"`
	Match  matcherDocument `yaml:"match"`
	Owner  string          `yaml:"owner"`
	Reason string          `yaml:"reason"`
	Days   weekdays        `yaml:"days"`
	From   clock           `yaml:"from"`
	To     clock           `yaml:"to"`
}

type routeDocument struct {
	Match          matcherDocument `yaml:"match"`
	GroupBy        []string        `yaml:"group_by"`
	GroupWait      *span           `yaml:"group_wait"`
	GroupInterval  *span           `yaml:"group_interval"`
	RepeatInterval *span           `yaml:"repeat_interval"`
}

// route returns what the document says over the values of def.
func (d *routeDocument) route(def Route) Route {
	r := def
	r.Match, r.GroupBy = d.Match.matcher(), d.GroupBy
	for _, set := range []struct {
		from *span
		to   *time.Duration
	}{{d.GroupWait, &r.GroupWait}, {d.GroupInterval, &r.GroupInterval}, {d.RepeatInterval, &r.RepeatInterval}} {
		if set.from != nil {
			*set.to = time.Duration(*set.from)
		}
	}
	return r
}

type matcherDocument struct {
	Rule     string `yaml:"rule"`
	Tenant   string `yaml:"tenant"`
	Severity level  `yaml:"severity"`
	Entity   string `yaml:"entity"`
	Group    string `yaml:"group"`
}

func (d *matcherDocument) matcher() Matcher {
	return Matcher{Rule: d.Rule, Tenant: d.Tenant, Severity: uint8(d.Severity), Entity: d.Entity, Group: d.Group}
}

// lined is a value of a document with its line.
type lined[T any] struct {
	line int
	v    T
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (l *lined[T]) UnmarshalYAML(n *yaml.Node) error {
	l.line = n.Line
	if err := knownKeys(n, &l.v); err != nil {
		return err
	}
	return n.Decode(&l.v)
}

// level is a severity, by name.
type level uint8

// UnmarshalYAML implements yaml.Unmarshaler.
func (l *level) UnmarshalYAML(n *yaml.Node) error {
	i := slices.Index(levels, n.Value)
	if i <= 0 {
		return fmt.Errorf("line %d: severity %q is none of %s", n.Line, n.Value, strings.Join(levels[1:], ", "))
	}
	*l = level(i)
	return nil
}

// kinds are kinds of entities, by name.
type kinds []pipeline.EntityKind

// UnmarshalYAML implements yaml.Unmarshaler.
func (k *kinds) UnmarshalYAML(n *yaml.Node) error {
	var names stringList
	if err := names.UnmarshalYAML(n); err != nil {
		return err
	}
	for _, name := range names {
		kind := pipeline.EntityKindOf(name)
		if kind == pipeline.EntityNone {
			return fmt.Errorf("line %d: equal: %q is no kind of entity", n.Line, name)
		}
		*k = append(*k, kind)
	}
	return nil
}

// weekdays are days, by the first three letters.
type weekdays []time.Weekday

// UnmarshalYAML implements yaml.Unmarshaler.
func (w *weekdays) UnmarshalYAML(n *yaml.Node) error {
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	var list stringList
	if err := list.UnmarshalYAML(n); err != nil {
		return err
	}
	for _, name := range list {
		i := slices.Index(names, name)
		if i < 0 {
			return fmt.Errorf("line %d: day %q is none of %s", n.Line, name, strings.Join(names, ", "))
		}
		*w = append(*w, time.Weekday(i))
	}
	return nil
}

// clock is a time of day: hh:mm, up to 24:00.
type clock time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (c *clock) UnmarshalYAML(n *yaml.Node) error {
	if n.Value == "24:00" {
		*c = clock(24 * time.Hour)
		return nil
	}
	t, err := time.Parse("15:04", n.Value)
	if err != nil {
		return fmt.Errorf("line %d: time of day %q: want hh:mm", n.Line, n.Value)
	}
	*c = clock(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute)
	return nil
}
