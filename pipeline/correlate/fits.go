package correlate

import (
	"bytes"
	"encoding/binary"

	"github.com/riposte-sec/riposte/pipeline"
)

// scanner looks at what the reader would read, and builds nothing of it: a restored state is
// checked at once and unpacked when it is needed. After the first fault it is at its end.
type scanner struct {
	p []byte
	i int // len(p) + 1: there was a fault
}

func (s *scanner) fail()      { s.i = len(s.p) + 1 }
func (s *scanner) bad() bool  { return s.i > len(s.p) }
func (s *scanner) more() bool { return s.i < len(s.p) }
func (s *scanner) done() bool { return s.i == len(s.p) }

func (s *scanner) uint() uint64 {
	if s.i < len(s.p) && s.p[s.i] < 0x80 { // as most are
		s.i++
		return uint64(s.p[s.i-1])
	}
	return s.long()
}

func (s *scanner) long() uint64 {
	if !s.more() {
		s.fail()
		return 0
	}
	n, size := binary.Uvarint(s.p[s.i:])
	if size <= 0 {
		s.fail()
		return 0
	}
	s.i += size
	return n
}

func (s *scanner) millis() pipeline.Millis {
	u := s.uint()
	m := pipeline.Millis(u>>1) ^ -pipeline.Millis(u&1)
	if m > maxTime || m < -maxTime {
		s.fail()
	}
	return m
}

// bytes returns the next n bytes, nil if there are fewer.
func (s *scanner) bytes(n uint64) []byte {
	if s.bad() || n > uint64(len(s.p)-s.i) {
		s.fail()
		return nil
	}
	from := s.i
	s.i += int(n)
	return s.p[from:s.i:s.i]
}

// text returns the next text.
func (s *scanner) text() []byte { return s.bytes(s.uint()) }

// skip passes over it.
func (s *scanner) skip() {
	n := s.uint()
	if s.bad() || n > uint64(len(s.p)-s.i) {
		s.fail()
		return
	}
	s.i += int(n)
}

// count reads the length of a list whose elements take at least size bytes each.
func (s *scanner) count(size int) int {
	n := s.uint()
	if s.bad() || n > uint64((len(s.p)-s.i)/size) {
		s.fail()
		return 0
	}
	return int(n)
}

func (s *scanner) byte() byte {
	if b := s.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// keyFits reports whether reader.key would read s, without a base, to its end.
func (s *scanner) keyFits(c *Correlation) bool {
	if flags := s.byte(); flags&1 != 0 {
		return false
	}
	const least = 20 // bytes of the shortest session
	for range s.count(least) {
		if !s.sessionFits(c) {
			return false
		}
	}
	_, fits := s.marksFit(c)
	return fits && s.done()
}

// sessionFits does the same for reader.session and session.whole.
func (s *scanner) sessionFits(c *Correlation) bool {
	s.millis()
	s.millis()
	s.millis()
	start, trig := int(s.uint()), int(s.uint())-1
	s.uint()
	flags := s.byte()
	if flags&4 != 0 && !s.sketchFits() {
		return false
	}
	n, fits := s.marksFit(c)
	fired := flags&1 != 0 || trig >= 0
	if !fits || start < 0 || trig < -1 || trig >= n || start > n || fired && start >= n {
		return false
	}
	if flags&1 != 0 {
		var none []byte
		s.markFits(&none)
	}
	var zero pipeline.ID
	if alert := s.bytes(uint64(len(zero))); !bytes.Equal(alert, zero[:]) {
		s.uint()
		s.uint()
		s.bytes(2 * uint64(len(zero)))
		s.millis()
		s.uint()
		s.skip()
		s.skip()
		s.millis()
		s.millis()
		s.uint()
		s.millis()
	}
	return !s.bad()
}

// sketchFits lets the reader look: sketches are few.
func (s *scanner) sketchFits() bool {
	if s.bad() {
		return false
	}
	r := reader{p: s.p[s.i:]}
	r.sketch()
	s.i = len(s.p) - len(r.p)
	return !r.bad
}

// marksFit does the same for reader.marks without a base and wholeMarks, and returns how
// many there are.
func (s *scanner) marksFit(c *Correlation) (n int, fits bool) {
	if from, kept := s.uint(), s.uint(); from|kept != 0 { // of a base
		return 0, false
	}
	const least = 40 // bytes of the shortest mark
	n = s.count(least)
	var note []byte
	var before mark
	for i := range n {
		m := s.markFits(&note)
		if s.bad() || int(m.step) >= len(c.Rules) || i > 0 && before.compare(&m) > 0 {
			return 0, false
		}
		before = m
	}
	return n, !s.bad()
}

// markFits does the same for reader.mark. note is the one before, nil if there is none. Of
// the mark only what orders it is read.
func (s *scanner) markFits(note *[]byte) (m mark) {
	m.at = s.millis()
	s.millis()
	s.millis()
	copy(m.id[:], s.bytes(uint64(len(m.id))))
	s.bytes(uint64(len(m.event)))
	s.uint()
	s.skip()
	m.step = uint16(s.uint())
	form := s.text()
	switch {
	case len(form) == 0 && *note == nil:
		s.fail()
	case len(form) > 0:
		if *note = form; !noteFits(form) {
			s.fail()
		}
	}
	return m
}

// noteFits does the same for parseNote.
func noteFits(form []byte) bool {
	s := scanner{p: form}
	s.skip()
	s.skip()
	s.byte()
	for range 3 {
		for range s.count(1) {
			s.skip()
		}
	}
	const least = 4 // bytes of an entity
	for range s.count(least) {
		s.skip()
		s.skip()
		s.skip()
		s.byte()
	}
	return s.done()
}
