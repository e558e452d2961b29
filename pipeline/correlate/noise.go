package correlate

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// Inhibition keeps alerts of Target from incidents while an alert of the rule Source is
// open, for the same tenant, whose entity of each kind in Equal has the same value. It sees
// the alerts of its own partition: Source and Target must have the same group-by, or be
// told by correlations that do.
type Inhibition struct {
	Source string // id of a rule
	Target Matcher
	Equal  []pipeline.EntityKind
}

func (in *Inhibition) validate() error {
	switch {
	case in.Source == "":
		return errors.New("inhibit: source, the id of a rule, is required")
	case in.Target.empty():
		return fmt.Errorf("inhibit: alerts of %s would inhibit every other alert: target is required", in.Source)
	case len(in.Equal) == 0:
		return fmt.Errorf("inhibit: alerts of %s: equal, what source and target have in common, is required", in.Source)
	}
	return nil
}

// storm is how many alerts a rule opened in an hour of event time.
type storm struct {
	hour int64
	n    int
}

// control decides what becomes of a new alert, in a fixed order: inhibition, silences,
// mutes, grouping, storm. The first that applies is its fate, with the reason for people.
// Risk comes before all of them, as a correlation, and repeats are folded by the episode.
func (s *Stage) control(r *rule, k *key, x *session, a *pipeline.Alert) (fate, why string) {
	fate, why = s.suppressed(k, a, a.Triggered)
	if fate != "" {
		if r.loud {
			s.stats.Silenced++
		}
		return fate, why
	}
	if n := s.stormy(r, a.Triggered); n > 0 { // a storm is one incident, which its first alert opens
		x.told.group = ruleGroup(r.id)
		why = fmt.Sprintf("storm: more than %d alerts of this rule in the hour", s.cfg.Storm)
		if n == 1 {
			return FateIncident, why
		}
		s.stats.Silenced++
		return FateFolded, why
	}
	if until, waits := s.hold(r, k, x, a); waits {
		return FateWaiting, "waits until " + until.Time().Format(time.RFC3339) + " for others of " + x.told.group
	}
	return FateIncident, ""
}

// suppressed returns why an alert opens no incident at an event time, "" if nothing is
// against it.
func (s *Stage) suppressed(k *key, a *pipeline.Alert, at pipeline.Millis) (fate, why string) {
	for i := range s.cfg.Inhibit {
		in := &s.cfg.Inhibit[i]
		if in.Source != a.Rule && in.Target.Matches(a) {
			if by := s.inhibitor(in, k, a); by != "" {
				return FateInhibited, "inhibited by alert " + by
			}
		}
	}
	for i := range s.cfg.Silences {
		if x := &s.cfg.Silences[i]; x.covers(at) && x.Match.Matches(a) {
			return FateSilenced, fmt.Sprintf("silence %s of %s: %s", x.ID, x.Owner, x.Reason)
		}
	}
	for i := range s.cfg.Mutes {
		if x := &s.cfg.Mutes[i]; x.covers(at) && x.Match.Matches(a) {
			return FateSilenced, fmt.Sprintf("mute %s of %s: %s", x.ID, x.Owner, x.Reason)
		}
	}
	return "", ""
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

// stormy counts an alert of r and returns by how many there are too many in its hour.
func (s *Stage) stormy(r *rule, at pipeline.Millis) int {
	if s.cfg.Storm == 0 || !r.loud {
		return 0
	}
	if _, saved := s.undo.storms[r.id]; !saved {
		s.undo.storms[r.id] = r.storm
	}
	hour := int64(at) / int64(time.Hour/time.Millisecond)
	if hour > r.storm.hour {
		r.storm = storm{hour: hour}
	}
	r.storm.n++
	return max(0, r.storm.n-s.cfg.Storm)
}
