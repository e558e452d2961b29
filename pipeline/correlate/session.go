package correlate

import (
	"slices"
	"sort"

	"github.com/riposte-sec/riposte/pipeline"
)

const (
	// maxMarks is how many signals a session keeps while its condition is not yet
	// satisfied. Beyond it the oldest are forgotten and the alert is marked approximate.
	maxMarks = 4096
	// maxEvidence is how many signals of an episode are kept by id; further ones are counted.
	maxEvidence = 64
)

// session is signals of one key without a gap longer than the rule's timespan, and the
// episode among them, if there is one.
type session struct {
	marks []mark // sorted; see the package comment for who may change them
	post  uint32 // signals behind marks, only counted
	first pipeline.Millis
	last  pipeline.Millis // of all signals
	held  pipeline.Millis // a session of late signals stays until then

	start int // of the episode in marks
	trig  int // index of the trigger in marks; -1: none, or fixed
	// fixed is true once the watermark has passed the trigger: nothing can move it any
	// more, trigger holds it, and marks are the evidence.
	fixed   bool
	trigger mark
	approx  bool // marks were forgotten

	bytes   int // of the values and notes of the first weighed marks
	weighed int
	told    told
	sk      *sketch // of the values, where c.sketched
	win     window  // derived; nil: build it when it is needed
}

// told is what was last said about the session's alert.
type told struct {
	alert    pipeline.ID // zero: nothing yet
	rev      uint64
	signals  uint32
	start    pipeline.ID // first evidence
	trigger  pipeline.ID
	at       pipeline.Millis // of the trigger
	entities uint16
	fate     string
	group    string          // of the incident; stays as it was in the first revision
	checked  pipeline.Millis // event time at which its fate was judged last
	sent     uint64          // times that it was announced to all partitions
	until    pipeline.Millis // that it was announced to be open
	again    pipeline.Millis // broker time from which on it is told again; 0: never
}

func newSession(m mark) session {
	return session{first: m.at, last: m.at, trig: -1}
}

// fired reports whether there is an episode.
func (x *session) fired() bool { return x.fixed || x.trig >= 0 }

// room is how many marks the session keeps, once it has fired.
func (x *session) room() int {
	if x.fixed {
		return maxEvidence
	}
	return max(x.trig+1, x.start+maxEvidence)
}

// signals is the size of the episode.
func (x *session) signals() uint32 {
	return uint32(len(x.marks)-x.start) + x.post
}

// evidence returns the first marks of the episode.
func (x *session) evidence() []mark {
	return x.marks[x.start:min(len(x.marks), x.start+maxEvidence)]
}

// add puts m where it belongs and judges the condition anew. It reports whether evidence
// changed; false means that a signal was at most counted.
func (x *session) add(c *Correlation, m mark) bool {
	if c.sketched() {
		return x.addSketched(c, m)
	}
	x.first, x.last = min(x.first, m.at), max(x.last, m.at)
	i, dup := slices.BinarySearchFunc(x.marks, m, func(a, b mark) int {
		if a.id == b.id && a.at == b.at && a.step == b.step {
			return 0
		}
		return a.compare(&b)
	})
	switch {
	case dup:
		return false
	case x.fired() && i >= x.room():
		x.post++
		return false
	}
	m.note = m.note.share(x.marks[:i])
	end := i == len(x.marks)
	if end {
		if x.weighed == i {
			x.bytes, x.weighed = x.bytes+m.content(x.marks), i+1
		}
		x.marks = append(x.marks, m)
	} else {
		x.weighed = -1
		grown := make([]mark, 0, len(x.marks)+1+len(x.marks)/8)
		x.marks = append(append(append(grown, x.marks[:i]...), m), x.marks[i:]...)
	}
	switch {
	case x.fixed:
	case !end && (x.trig < 0 || i <= x.trig):
		x.rescan(c)
	case x.trig < 0:
		x.push(c, i)
	}
	x.cut(c)
	return true
}

// push judges the condition at the newest mark.
func (x *session) push(c *Correlation, i int) {
	if x.win == nil {
		x.rescan(c)
		return
	}
	if start, ok := x.win.push(x.marks, i); ok {
		x.fire(start, i)
	}
}

// rescan judges the condition at every mark from the first on, until it holds.
func (x *session) rescan(c *Correlation) {
	x.start, x.trig, x.win = 0, -1, newWindow(c)
	for i := range x.marks {
		if start, ok := x.win.push(x.marks, i); ok {
			x.fire(start, i)
			return
		}
	}
}

func (x *session) fire(start, trig int) {
	x.start, x.trig, x.trigger, x.win = start, trig, x.marks[trig], nil
}

// cut forgets what no later decision can need: marks behind the evidence, which are then
// only counted, and the oldest ones of a session that has grown too large.
func (x *session) cut(c *Correlation) {
	if x.fired() {
		if n := x.room(); len(x.marks) > n {
			x.post += uint32(len(x.marks) - n)
			x.weighed = -1
			x.marks = x.marks[:n:n] // capacity too: what lies behind belongs to the copy
		}
		return
	}
	most := maxMarks
	if c.Type == ValueCount {
		most *= 2 // so that thinning out is worth it
	}
	if len(x.marks) > most {
		x.approx = true
		if c.Type == ValueCount {
			x.thin()
		}
		if len(x.marks) > maxMarks {
			x.drop(maxMarks / 4)
		}
	}
}

// thin keeps the newest mark of each value: no window to come can tell the difference. So
// up to maxMarks different values are counted exactly, however often each comes.
func (x *session) thin() {
	newest := make(map[string]int, maxMarks)
	for i := range x.marks {
		newest[x.marks[i].value] = i
	}
	kept := make([]mark, 0, len(newest))
	for i := range x.marks {
		if newest[x.marks[i].value] == i {
			kept = append(kept, x.marks[i])
		}
	}
	x.marks, x.win, x.weighed = kept, nil, -1
}

func (x *session) drop(n int) {
	x.marks, x.win, x.weighed = slices.Clone(x.marks[n:]), nil, -1
}

// settle takes note that no signal before wm will come any more: the trigger is fixed, and
// marks that are too old for any window to come are dropped. It is called before each add
// and when time passes; its effect does not depend on how often.
func (x *session) settle(c *Correlation, wm pipeline.Millis) {
	if x.trig >= 0 && x.trigger.at < wm {
		keep := min(len(x.marks), x.start+maxEvidence)
		x.post += uint32(len(x.marks) - keep)
		x.marks = slices.Clone(x.marks[x.start:keep])
		x.start, x.trig, x.fixed, x.weighed = 0, -1, true, -1
	}
	if x.fired() {
		return
	}
	old := wm - pipeline.Millis(c.Span.Milliseconds())
	const worth = 16 // fewer are not worth building the window anew
	if n := len(x.marks); n >= worth && x.marks[n/2].at < old {
		x.drop(sort.Search(n, func(i int) bool { return x.marks[i].at >= old }))
	}
}

// join appends y, which lies behind x, to x: a signal between them closed the gap. y is not
// fixed, because that signal is older than y and not late.
func (x *session) join(c *Correlation, y *session) {
	x.last, x.held = max(x.last, y.last), max(x.held, y.held)
	x.approx, x.weighed = x.approx || y.approx, -1
	fixed := x.fixed
	switch {
	case x.fired() && x.post > 0:
		x.post += uint32(len(y.marks)) + y.post
	case fixed:
		x.marks = slices.Concat(x.marks, y.marks)
		x.post = y.post
	case c.sketched():
		x.marks = slices.Concat(x.marks, y.marks)
		x.post += y.post
		if x.sk != nil && y.sk != nil {
			x.sk.merge(y.sk)
		}
		if y.fired() {
			x.fixed, x.trigger, x.sk = true, y.trigger, nil
		}
		x.evidenceOnly()
	default:
		x.marks = slices.Concat(x.marks, y.marks)
		x.post = y.post
		x.rescan(c)
	}
	x.cut(c)
}

// remove takes the mark that is meant out again: the signal of a correlation whose trigger
// has moved, or whose alert was taken back. One that was only counted, near the time at, is
// no longer. What is up to a fixed trigger stays.
func (x *session) remove(c *Correlation, meant func(mark) bool, at pipeline.Millis) {
	i := slices.IndexFunc(x.marks, meant)
	switch {
	case i < 0:
		if x.post > 0 && x.first <= at && at <= x.last {
			x.post--
		}
		return
	case x.fixed && x.marks[i].compare(&x.trigger) <= 0:
		return
	}
	x.marks, x.weighed = slices.Delete(slices.Clone(x.marks), i, i+1), -1
	if n := len(x.marks); n > 0 && x.post == 0 {
		x.last = x.marks[n-1].at
	}
	if !x.fixed && !c.sketched() {
		x.rescan(c)
		x.cut(c)
	}
}

// size estimates the session's memory in bytes.
func (x *session) size() int {
	const fixedSize = 480 // with the window
	if x.weighed != len(x.marks) {
		x.bytes, x.weighed = contentOf(x.marks), len(x.marks)
	}
	n := fixedSize + listSize(len(x.marks)) + x.bytes
	if x.sk != nil {
		n += len(x.sk.bins) * (sketchSize + 8)
	}
	return n
}

// evidenceOnly counts the marks that are more than evidence.
func (x *session) evidenceOnly() {
	if n := len(x.marks) - maxEvidence; n > 0 {
		x.marks, x.weighed = slices.Clone(x.marks[:maxEvidence]), -1
		x.post += uint32(n)
	}
}

// content estimates the memory of m's value and note behind ms.
func (m *mark) content(ms []mark) int {
	n := 0
	if m.value != "" {
		const counted = 48 // in the map of a window
		n += counted + (len(m.value)+15)&^15
	}
	if len(ms) == 0 || !ms[len(ms)-1].note.equal(m.note) {
		n += m.note.size()
	}
	return n
}

func contentOf(ms []mark) int {
	n := 0
	for i := range ms {
		n += ms[i].content(ms[:i])
	}
	return n
}
