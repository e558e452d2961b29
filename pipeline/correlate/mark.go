package correlate

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// mark is what a session remembers of a signal. It never changes once it is in a list.
type mark struct {
	at       pipeline.Millis
	ingested pipeline.Millis
	appended pipeline.Millis // of the signal's record; only ever told in headers
	id       pipeline.ID
	event    pipeline.ID
	num      int64  // of sums: thousandths
	value    string // of counts of values and first_seen
	step     uint16 // which of the correlation's rules
	note     *note
}

// note is the part of a signal that alerts show, kept as text because most of it is never
// read again. Marks of one session share equal notes.
type note struct {
	form    []byte   // JSON form of noted
	tactics []string // risk counts them
}

// noted is the content of a note.
type noted struct {
	Source     string                 `json:"s"`
	Title      string                 `json:"t"`
	Severity   uint8                  `json:"v"`
	Class      pipeline.Class         `json:"c,omitempty"`
	Tactics    []string               `json:"a,omitempty"`
	Techniques []string               `json:"q,omitempty"`
	Entities   []pipeline.EntityValue `json:"e,omitempty"`
	Flags      []string               `json:"f,omitempty"`
}

// compare orders the marks of a session: by time, then by the order of the correlation's
// rules, so that signals of the same millisecond count as being in order, then by id.
func (m *mark) compare(o *mark) int {
	switch {
	case m.at != o.at:
		return sign(m.at < o.at)
	case m.step != o.step:
		return sign(m.step < o.step)
	}
	return bytes.Compare(m.id[:], o.id[:])
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// noteOf makes a note of sig with memory of its own.
func noteOf(sig *pipeline.Signal) *note {
	form, err := json.Marshal(noted{
		Source: sig.Source, Title: sig.Title, Severity: sig.Severity, Class: sig.Class, Tactics: sig.Tactics,
		Techniques: sig.Techniques, Entities: sig.Entities, Flags: sig.Flags,
	})
	if err != nil {
		panic("BUG: correlate: a note has no JSON form: " + err.Error())
	}
	n, err := readNote(form)
	if err != nil {
		panic("BUG: correlate: a note does not read back: " + err.Error())
	}
	return n
}

// readNote makes a note of its JSON form, which it keeps.
func readNote(form []byte) (*note, error) {
	n := &note{form: form}
	var t noted
	if err := json.Unmarshal(form, &t); err != nil {
		return nil, err
	}
	n.tactics = t.Tactics
	return n, nil
}

// content decodes the note.
func (n *note) content() noted {
	var t noted
	if err := json.Unmarshal(n.form, &t); err != nil {
		panic("BUG: correlate: a note does not read back: " + err.Error())
	}
	return t
}

// share returns a note of ms that equals n, or n. Only the newest marks are looked at: the
// signals of a burst mostly tell the same of the same entities.
func (n *note) share(ms []mark) *note {
	const look = 4
	for i := len(ms) - 1; i >= max(0, len(ms)-look); i-- {
		if bytes.Equal(ms[i].note.form, n.form) {
			return ms[i].note
		}
	}
	return n
}

// size estimates the memory of the note.
func (n *note) size() int { return len(n.form) + 64 + 24*len(n.tactics) }

// markSize is the memory of a mark without its note.
const markSize = 96

// read fills what c's type looks at from the signal's fields. ok is false when the signal
// has no such value, or none that a sum can use.
func (m *mark) read(c *Correlation, sig *pipeline.Signal) (ok bool) {
	switch c.Type {
	case ValueCount, FirstSeen:
		parts := make([]string, len(c.Fields))
		for i, f := range c.Fields {
			v, has := sig.Fields[c.path(f, sig.Rule)]
			if !has {
				return false
			}
			parts[i] = strings.ReplaceAll(v, "\x1f", "\u241f")
		}
		m.value = strings.Clone(strings.Join(parts, "\x1f"))
	case ValueSum, ValueAvg, ValuePercentile:
		v, err := strconv.ParseFloat(sig.Fields[c.path(c.Fields[0], sig.Rule)], 64)
		if err != nil || math.IsNaN(v) || v < 0 && c.Type == ValueSum {
			return false
		}
		m.num = thousandths(v)
	case Single, EventCount, Temporal, TemporalOrdered, Absence, Risk:
	}
	return true
}

// thousandths converts v to a whole number that adds up exactly in any order.
func thousandths(v float64) int64 {
	const limit = 1 << 52 // a few thousand of them still fit
	return int64(max(-limit, min(limit, math.Round(v*1000))))
}

// step returns the first position of rule in c.Rules.
func (c *Correlation) step(rule string) (uint16, bool) {
	i := slices.Index(c.Rules, rule)
	return uint16(max(i, 0)), i >= 0 //nolint:gosec // at most maxRules
}
