package correlate

import (
	"errors"
	"fmt"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// Inhibition keeps alerts of Target from incidents while an alert of the rule Source is
// open, for the same tenant, whose entity of each kind in Equal has the same value. All
// partitions tell each other of such alerts: one that opened on another partition is known
// a transaction later.
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

// decide tells what becomes of a new alert, in a fixed order: inhibition, silences,
// mutes, grouping, storm. The first that applies is its fate, with the reason for people.
// Risk comes before all of them, as a correlation, and repeats are folded by the episode.
func (s *Stage) decide(r *rule, k *key, x *session, a *pipeline.Alert) (fate, why string) {
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
			if by := s.inhibitor(in, k, a, at); by != "" {
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
