package correlate

import (
	"fmt"
	"slices"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

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
		return fmt.Errorf("silence %s: matches every alert", s.ID)
	case s.Owner == "" || s.Reason == "":
		return fmt.Errorf("silence %s: owner and reason are required", s.ID)
	case s.Until.IsZero():
		return fmt.Errorf("silence %s: an end is required", s.ID)
	case !s.From.IsZero() && !s.From.Before(s.Until):
		return fmt.Errorf("silence %s: it ends at %s, before it begins", s.ID, s.Until.Format(time.RFC3339))
	}
	return nil
}

func (s *Silence) covers(at pipeline.Millis) bool {
	return (s.From.IsZero() || at >= pipeline.MillisOf(s.From)) && at < pipeline.MillisOf(s.Until)
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
		return fmt.Errorf("mute %s: matches every alert", m.ID)
	case m.Owner == "" || m.Reason == "":
		return fmt.Errorf("mute %s: owner and reason are required", m.ID)
	case m.From < 0 || m.To > 24*time.Hour || m.From >= m.To:
		return fmt.Errorf("mute %s: from %s to %s is no part of a day", m.ID, m.From, m.To)
	}
	return nil
}

func (m *Mute) covers(at pipeline.Millis) bool {
	t := at.Time()
	day := t.Sub(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC))
	return day >= m.From && day < m.To && (len(m.Days) == 0 || slices.Contains(m.Days, t.Weekday()))
}
