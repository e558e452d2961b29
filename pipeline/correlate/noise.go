package correlate

import (
	"fmt"
	"slices"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// Matcher tells which alerts are meant: all that is set must be equal.
type Matcher struct {
	Rule     string // id
	Tenant   string
	Severity uint8  // at most this severity_id; 0: any
	Entity   string // "<kind>:<value>" among the alert's entities
	Group    string // one of the values of the group
}

func (m *Matcher) empty() bool { return *m == Matcher{} }

// Matches reports whether a is meant.
func (m *Matcher) Matches(a *pipeline.Alert) bool {
	switch {
	case m.Rule != "" && m.Rule != a.Rule, m.Tenant != "" && m.Tenant != a.Tenant,
		m.Severity != 0 && a.Severity > m.Severity, m.Group != "" && !slices.Contains(a.Group, m.Group):
		return false
	case m.Entity == "":
		return true
	}
	return slices.ContainsFunc(a.Entities, func(e pipeline.EntityValue) bool { return e.Kind+":"+e.Value == m.Entity })
}

// Silence keeps alerts from incidents for a time. It must name who wants it, why, and when
// it ends.
type Silence struct {
	ID            string
	Match         Matcher
	Owner, Reason string
	From, Until   time.Time // event time; From may be zero
}

func (s *Silence) validate() error {
	switch {
	case s.Match.empty():
		return fmt.Errorf("correlate: silence %s: matches every alert", s.ID)
	case s.Owner == "" || s.Reason == "":
		return fmt.Errorf("correlate: silence %s: owner and reason are required", s.ID)
	case s.Until.IsZero():
		return fmt.Errorf("correlate: silence %s: an end is required", s.ID)
	}
	return nil
}

func (s *Silence) covers(at pipeline.Millis) bool {
	return at >= pipeline.MillisOf(s.From) && at < pipeline.MillisOf(s.Until) || s.From.IsZero() && at < pipeline.MillisOf(s.Until)
}

// Mute keeps alerts from incidents in a window of time that comes back every week.
type Mute struct {
	ID            string
	Match         Matcher
	Owner, Reason string
	Days          []time.Weekday // empty: every day
	From, To      time.Duration  // since midnight UTC, From < To
}

func (m *Mute) validate() error {
	switch {
	case m.Match.empty():
		return fmt.Errorf("correlate: mute %s: matches every alert", m.ID)
	case m.Owner == "" || m.Reason == "":
		return fmt.Errorf("correlate: mute %s: owner and reason are required", m.ID)
	case m.From < 0 || m.To > 24*time.Hour || m.From >= m.To:
		return fmt.Errorf("correlate: mute %s: from %s to %s is no part of a day", m.ID, m.From, m.To)
	}
	return nil
}

func (m *Mute) covers(at pipeline.Millis) bool {
	t := at.Time()
	day := t.Sub(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC))
	return day >= m.From && day < m.To && (len(m.Days) == 0 || slices.Contains(m.Days, t.Weekday()))
}

// Inhibition keeps alerts of Target from incidents while an alert of the rule Source is
// open, for the same tenant, whose entity of each kind in Equal has the same value. It sees
// the alerts of its own partition: Source and Target must have the same group-by, or be
// told by correlations that do.
type Inhibition struct {
	Source string // id of a rule
	Target Matcher
	Equal  []pipeline.EntityKind
}

// storm is how many alerts a rule opened in an hour of event time.
type storm struct {
	hour int64
	n    int
}

// control decides what becomes of a new alert, in a fixed order: inhibition, silences,
// mutes, storm. The first that applies is its fate, with the reason for people. Risk comes
// before all of them, as a correlation; folding of repeats and the grouping into incidents
// come behind.
func (s *Stage) control(r *rule, k *key, a *pipeline.Alert) (fate, why string) {
	fate, why = s.decideFate(r, k, a)
	if fate != FateIncident && r.loud {
		s.stats.Silenced++
	}
	return fate, why
}

func (s *Stage) decideFate(r *rule, k *key, a *pipeline.Alert) (fate, why string) {
	for i := range s.cfg.Inhibit {
		in := &s.cfg.Inhibit[i]
		if in.Source != a.Rule && in.Target.Matches(a) {
			if by := s.inhibitor(in, k, a); by != "" {
				return FateInhibited, "inhibited by alert " + by
			}
		}
	}
	for i := range s.cfg.Silences {
		if x := &s.cfg.Silences[i]; x.covers(a.Triggered) && x.Match.Matches(a) {
			return FateSilenced, fmt.Sprintf("silence %s of %s: %s", x.ID, x.Owner, x.Reason)
		}
	}
	for i := range s.cfg.Mutes {
		if x := &s.cfg.Mutes[i]; x.covers(a.Triggered) && x.Match.Matches(a) {
			return FateSilenced, fmt.Sprintf("mute %s of %s: %s", x.ID, x.Owner, x.Reason)
		}
	}
	if s.stormy(r, a.Triggered) {
		return FateFolded, fmt.Sprintf("storm: more than %d alerts of this rule in the hour", s.cfg.Storm)
	}
	return FateIncident, ""
}

// inhibitor returns the id of an open alert of in.Source that a is inhibited by.
func (s *Stage) inhibitor(in *Inhibition, k *key, a *pipeline.Alert) string {
	src := s.rules[in.Source]
	if src == nil {
		return ""
	}
	best := ""
	for text, o := range src.keys {
		if o.tenant != k.tenant || len(text) == 0 {
			continue
		}
		for i := range o.sessions {
			x := &o.sessions[i]
			if x.told.alert.IsZero() || x.told.fate == FateWithdrawn || a.Triggered > x.last+src.span {
				continue
			}
			if id := x.told.alert.String(); best == "" || id < best {
				b := s.alert(src, o, x)
				if equalOn(in.Equal, a, &b) {
					best = id
				}
			}
		}
	}
	return best
}

func equalOn(kinds []pipeline.EntityKind, a, b *pipeline.Alert) bool {
	for _, kind := range kinds {
		shared := slices.ContainsFunc(a.Entities, func(e pipeline.EntityValue) bool {
			return e.Kind == kind.String() && slices.ContainsFunc(b.Entities, func(o pipeline.EntityValue) bool {
				return o.Kind == e.Kind && o.Value == e.Value
			})
		})
		if !shared {
			return false
		}
	}
	return true
}

// stormy counts an alert of r and reports whether there were too many in its hour.
func (s *Stage) stormy(r *rule, at pipeline.Millis) bool {
	if s.cfg.Storm == 0 || !r.loud {
		return false
	}
	if _, saved := s.undo.storms[r.id]; !saved {
		s.undo.storms[r.id] = r.storm
	}
	hour := int64(at) / int64(time.Hour/time.Millisecond)
	if hour > r.storm.hour {
		r.storm = storm{hour: hour}
	}
	r.storm.n++
	return r.storm.n > s.cfg.Storm
}
