package correlate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"math/bits"
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
	num      int64  // of sums: thousandths; of risk: how important the entity is, in thousandths, 0 is 1000
	value    string // of counts of values and first_seen
	step     uint16 // which of the correlation's rules
	note     *note
}

// note is the part of a signal that alerts show, kept in the form of writer.note because
// most of it is never read again. Equal notes are shared.
type note struct {
	form    string
	tactics []string // risk counts them
}

// noted is the content of a note.
type noted struct {
	source, title string
	severity      uint8
	tactics       []string
	techniques    []string
	entities      []pipeline.EntityValue
	flags         []string
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

// notes are those that were made last, to be shared. It is no state: notes that are not
// found are made anew.
type notes struct {
	known map[string]*note
	buf   writer
}

// of returns a note of sig with memory of its own.
func (t *notes) of(sig *pipeline.Signal) *note {
	t.buf.buf = t.buf.buf[:0]
	t.buf.note(sig)
	if n := t.known[string(t.buf.buf)]; n != nil {
		return n
	}
	const most = 4096
	if t.known == nil || len(t.known) >= most {
		t.known = make(map[string]*note, most)
	}
	n, err := readNote(string(t.buf.buf))
	if err != nil {
		panic("BUG: correlate: a note does not read back: " + err.Error())
	}
	t.known[n.form] = n
	return n
}

// readNote makes a note of its form.
func readNote(form string) (*note, error) {
	t, err := parseNote(form)
	return &note{form: form, tactics: t.tactics}, err
}

// content decodes the note.
func (n *note) content() noted {
	t, err := parseNote(n.form)
	if err != nil {
		panic("BUG: correlate: a note does not read back: " + err.Error())
	}
	return t
}

func (w *writer) note(sig *pipeline.Signal) {
	w.text(sig.Source)
	w.text(sig.Title)
	w.byte(sig.Severity)
	w.texts(sig.Tactics)
	w.texts(sig.Techniques)
	w.texts(sig.Flags)
	w.entities(sig.Entities)
}

func (w *writer) entities(list []pipeline.EntityValue) {
	w.uint(uint64(len(list)))
	for i := range list {
		e := &list[i]
		w.text(e.Kind)
		w.text(e.Value)
		w.text(e.Role)
		w.byte(b2i(e.Content))
	}
}

func (r *reader) entities() []pipeline.EntityValue {
	const least = 4 // bytes of an entity
	list := make([]pipeline.EntityValue, r.count(least))
	for i := range list {
		list[i] = pipeline.EntityValue{Kind: r.text(), Value: r.text(), Role: r.text(), Content: r.byte() == 1}
	}
	return list
}

func parseNote(form string) (noted, error) {
	r := &reader{p: []byte(form), view: true}
	t := noted{source: r.text(), title: r.text(), severity: r.byte(), tactics: r.texts(), techniques: r.texts(), flags: r.texts()}
	t.entities = r.entities()
	if len(r.p) > 0 {
		r.fail()
	}
	return t, r.err()
}

// share returns a note of ms that equals n, or n. Only the newest marks are looked at: the
// signals of a burst mostly tell the same of the same entities.
func (n *note) share(ms []mark) *note {
	const look = 4
	for i := len(ms) - 1; i >= max(0, len(ms)-look); i-- {
		if o := ms[i].note; o.equal(n) {
			return o
		}
	}
	return n
}

func (n *note) equal(o *note) bool { return n == o || n.form == o.form }

// size estimates the memory of the note.
func (n *note) size() int { return len(n.form) + 64 + 24*len(n.tactics) }

// markSize is the memory of a mark in a list, without its value and its note, and a little
// of what else a key has.
const markSize = 104

// listSize is the memory of a list of n marks: append leaves up to twice the room that is
// needed, and above 256 marks up to a quarter more. It depends on n alone, not on the list
// at hand, so that it is the same after a restart.
func listSize(n int) int {
	switch {
	case n == 0:
		return 0
	case n <= 256:
		return markSize << bits.Len(uint(n-1))
	}
	return markSize * (n + n/4 + 192)
}

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
		m.value = shorten(strings.Join(parts, "\x1f"))
	case ValueSum, ValueAvg, ValuePercentile:
		v, err := strconv.ParseFloat(sig.Fields[c.path(c.Fields[0], sig.Rule)], 64)
		if err != nil || math.IsNaN(v) || v < 0 && c.Type == ValueSum {
			return false
		}
		m.num = thousandths(v)
	case Risk:
		m.num = thousandths(importance(sig.Fields))
	case Single, EventCount, Temporal, TemporalOrdered, Absence:
	}
	return true
}

// maxValue is how long a value may be that is counted or remembered.
const maxValue = 256

// shorten returns a copy of v, or of a long one its beginning and its hash: hostile values
// shall not fill the memory, and different ones stay different.
func shorten(v string) string {
	if len(v) <= maxValue {
		return strings.Clone(v)
	}
	sum := sha256.Sum256([]byte(v))
	return strings.ToValidUTF8(v[:maxValue-40], "") + "~" + hex.EncodeToString(sum[:16])
}

// thousandths converts v to a whole number that adds up exactly in any order.
func thousandths(v float64) int64 {
	const limit = 1 << 52 // a few thousand of them still fit
	return int64(max(-limit, min(limit, math.Round(v*1000))))
}

// step returns the first position of rule in c.Rules.
func (c *Correlation) step(rule string) (uint16, bool) {
	i := slices.Index(c.Rules, rule)
	return uint16(max(i, 0)), i >= 0
}
