package correlate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

var errState = errors.New("correlate: state frame is broken")

// writer appends the primitive parts of the state.
type writer struct{ buf []byte }

func (w *writer) uint(n uint64)            { w.buf = binary.AppendUvarint(w.buf, n) }
func (w *writer) int(n int64)              { w.buf = binary.AppendVarint(w.buf, n) }
func (w *writer) millis(m pipeline.Millis) { w.int(int64(m)) }
func (w *writer) id(id pipeline.ID)        { w.buf = append(w.buf, id[:]...) }
func (w *writer) byte(b byte)              { w.buf = append(w.buf, b) }

func (w *writer) text(s string) {
	w.uint(uint64(len(s)))
	w.buf = append(w.buf, s...)
}

func (w *writer) texts(list []string) {
	w.uint(uint64(len(list)))
	for _, s := range list {
		w.text(s)
	}
}

// reader reads them back. After the first fault it returns zero values.
type reader struct {
	p    []byte
	bad  bool
	view bool // texts are views into p, which nobody changes
}

func (r *reader) fail() {
	r.bad, r.p = true, nil
}

func (r *reader) err() error {
	if r.bad {
		return errState
	}
	return nil
}

func (r *reader) uint() uint64 {
	if len(r.p) > 0 && r.p[0] < 0x80 { // as most are
		n := r.p[0]
		r.p = r.p[1:]
		return uint64(n)
	}
	n, size := binary.Uvarint(r.p)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.p = r.p[size:]
	return n
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.p)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.p = r.p[size:]
	return n
}

// maxTime is beyond every time that is meant: sums of it and a few spans do not overflow.
const maxTime = pipeline.Millis(1) << 53

func (r *reader) millis() pipeline.Millis {
	m := pipeline.Millis(r.int())
	if m > maxTime || m < -maxTime {
		r.fail()
		return 0
	}
	return m
}

// count reads the length of a list whose elements take at least size bytes each.
func (r *reader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.p)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.p) {
		r.fail()
		return nil
	}
	b := r.p[:n]
	r.p = r.p[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) text() string {
	b := r.bytes(r.count(1))
	if r.view {
		return pipeline.View(b)
	}
	return string(b)
}

func (r *reader) texts() []string {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.text()
	}
	return list
}

func (r *reader) id() pipeline.ID {
	var id pipeline.ID
	copy(id[:], r.bytes(len(id)))
	return id
}

// marks writes ms as what base must become: the run of base that is kept, and the rest.
// Lists change at their ends nearly always, so a delta holds the new marks and little more.
func (w *writer) marks(base, ms []mark) {
	from, n := common(base, ms)
	w.uint(uint64(from))
	w.uint(uint64(n))
	rest := ms[n:]
	w.uint(uint64(len(rest)))
	var last *note
	for i := range rest {
		w.mark(&rest[i], last)
		last = rest[i].note
	}
}

// common returns the run of base that ms begins with.
func common(base, ms []mark) (from, n int) {
	if len(base) == 0 || len(ms) == 0 {
		return 0, 0
	}
	from = slices.IndexFunc(base, func(m mark) bool { return m.id == ms[0].id && m.at == ms[0].at })
	if from < 0 {
		return 0, 0
	}
	for n < len(ms) && from+n < len(base) && base[from+n].id == ms[n].id && base[from+n].at == ms[n].at {
		n++
	}
	return from, n
}

func (w *writer) mark(m *mark, last *note) {
	w.millis(m.at)
	w.int(int64(m.ingested - m.at))
	w.int(int64(m.appended - m.at))
	w.id(m.id)
	w.id(m.event)
	w.int(m.num)
	w.text(m.value)
	w.uint(uint64(m.step))
	if m.note == last {
		w.text("")
	} else {
		w.text(m.note.form)
	}
}

func (r *reader) marks(base []mark) []mark {
	from, n := r.uint(), r.uint()
	if from > uint64(len(base)) || n > uint64(len(base))-from {
		r.fail()
		return nil
	}
	const least = 40 // bytes of the shortest mark
	count := r.count(least)
	ms := make([]mark, 0, int(n)+count)
	ms = append(ms, base[from:from+n]...)
	var last *note
	for range count {
		m := r.mark(last)
		if r.bad {
			return nil
		}
		if m.note != last {
			m.note = m.note.share(ms)
		}
		last = m.note
		ms = append(ms, m)
	}
	return ms
}

func (r *reader) mark(last *note) mark {
	m := mark{at: r.millis()}
	m.ingested = m.at + r.millis()
	m.appended = m.at + r.millis()
	m.id, m.event, m.num, m.value = r.id(), r.id(), r.int(), r.text()
	m.step = uint16(r.uint())
	form := r.text()
	if form == "" {
		if m.note = last; last == nil {
			r.fail()
		}
		return m
	}
	n, err := readNote(form)
	if err != nil {
		r.fail()
	}
	m.note = n
	return m
}

// session writes x as what base must become.
func (w *writer) session(base, x *session) {
	w.millis(x.first)
	w.int(int64(x.last - x.first))
	w.millis(x.held)
	w.uint(uint64(x.start))
	w.uint(uint64(x.trig + 1))
	w.uint(uint64(x.post))
	var flags byte
	if x.fixed {
		flags |= 1
	}
	if x.approx {
		flags |= 2
	}
	if x.sk != nil {
		flags |= 4
	}
	w.byte(flags)
	if x.sk != nil {
		w.sketch(x.sk)
	}
	w.marks(base.marks, x.marks)
	if x.fixed {
		w.mark(&x.trigger, nil)
	}
	t := &x.told
	w.id(t.alert)
	if t.alert.IsZero() {
		return
	}
	w.uint(t.rev)
	w.uint(uint64(t.signals))
	w.id(t.start)
	w.id(t.trigger)
	w.millis(t.at)
	w.uint(uint64(t.entities))
	w.text(t.fate)
	w.text(t.group)
	w.millis(t.checked)
	w.millis(t.again)
	w.uint(t.sent)
	w.millis(t.until)
}

func (r *reader) session(base *session) session {
	x := session{first: r.millis()}
	x.last = x.first + r.millis()
	x.held = r.millis()
	x.start, x.trig, x.post = int(r.uint()), int(r.uint())-1, uint32(r.uint())
	flags := r.byte()
	x.fixed, x.approx = flags&1 != 0, flags&2 != 0
	if flags&4 != 0 {
		x.sk = r.sketch()
	}
	x.marks = r.marks(base.marks)
	if x.fixed {
		x.trigger = r.mark(nil)
	}
	t := &x.told
	if t.alert = r.id(); !t.alert.IsZero() {
		t.rev, t.signals, t.start, t.trigger = r.uint(), uint32(r.uint()), r.id(), r.id()
		t.at = r.millis()
		t.entities, t.fate, t.group = uint16(r.uint()), r.text(), r.text()
		t.checked, t.again = r.millis(), r.millis()
		t.sent, t.until = r.uint(), r.millis()
	}
	return x
}

// whole checks a session that has all its marks.
func (x *session) whole(c *Correlation) error {
	n := len(x.marks)
	switch {
	case x.start < 0 || x.trig < -1 || x.trig >= n || x.start > n || x.fired() && x.start >= n:
		return fmt.Errorf("%w: episode from %d triggered by %d of %d signals", errState, x.start, x.trig, n)
	case x.trig >= 0:
		x.trigger = x.marks[x.trig]
	}
	return wholeMarks(c, x.marks)
}

func wholeMarks(c *Correlation, ms []mark) error {
	for i := range ms {
		if int(ms[i].step) >= len(c.Rules) {
			return fmt.Errorf("%w: step %d of %d", errState, ms[i].step, len(c.Rules))
		}
		if i > 0 && ms[i-1].compare(&ms[i]) > 0 {
			return fmt.Errorf("%w: signal %d is older than the one before", errState, i)
		}
	}
	return nil
}
