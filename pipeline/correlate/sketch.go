package correlate

import (
	"math"
	"math/bits"
	"slices"
	"sort"

	"github.com/riposte-sec/riposte/pipeline"
)

// A value_count whose condition wants more than maxMarks different values counts them with
// a sketch: a HyperLogLog for each eighth of the timespan. Its alerts are approximate, by
// about 3 % in the count and an eighth of the timespan in the window.
const (
	sketchBits  = 10
	sketchSize  = 1 << sketchBits
	sketchParts = 8
)

type sketch struct {
	bins []bin // sorted by part, none twice
}

type bin struct {
	part int64 // number of the eighth of a timespan since 1970
	regs [sketchSize]byte
}

// sketched reports whether c counts with a sketch.
func (c *Correlation) sketched() bool {
	return c.Type == ValueCount && c.Cond.Min > maxMarks && c.rising()
}

func (s *sketch) clone() *sketch {
	if s == nil {
		return nil
	}
	return &sketch{bins: slices.Clone(s.bins)}
}

// bin returns the bin of a part, and forgets those that are more than a timespan older than
// the newest.
func (s *sketch) bin(part int64) *bin {
	i := sort.Search(len(s.bins), func(i int) bool { return s.bins[i].part >= part })
	if i == len(s.bins) || s.bins[i].part != part {
		s.bins = slices.Insert(s.bins, i, bin{part: part})
	}
	if old := s.bins[len(s.bins)-1].part - 2*sketchParts; s.bins[0].part < old && s.bins[i].part >= old {
		n := sort.Search(len(s.bins), func(i int) bool { return s.bins[i].part >= old })
		s.bins, i = slices.Delete(s.bins, 0, n), i-n
	}
	return &s.bins[i]
}

func partOf(at, span pipeline.Millis) int64 { return int64(at) / max(1, int64(span)/sketchParts) }

func (s *sketch) add(at, span pipeline.Millis, value string) {
	b, h := s.bin(partOf(at, span)), hash(value)
	rank := byte(bits.LeadingZeros64(h<<sketchBits|1<<(sketchBits-1)) + 1)
	r := &b.regs[h>>(64-sketchBits)]
	*r = max(*r, rank)
}

// count estimates the different values in the timespan up to at.
func (s *sketch) count(at, span pipeline.Millis) float64 {
	var all [sketchSize]byte
	newest := partOf(at, span)
	for i := range s.bins {
		if p := s.bins[i].part; p > newest || p < newest-sketchParts {
			continue
		}
		for j, r := range s.bins[i].regs {
			all[j] = max(all[j], r)
		}
	}
	sum, zeros := 0.0, 0
	for _, r := range all {
		sum += 1 / float64(uint64(1)<<r)
		if r == 0 {
			zeros++
		}
	}
	const m = sketchSize
	e := 0.7213 / (1 + 1.079/m) * m * m / sum
	if e < 2.5*m && zeros > 0 {
		return m * math.Log(float64(m)/float64(zeros))
	}
	return e
}

func (s *sketch) merge(o *sketch) {
	for i := range o.bins {
		b := s.bin(o.bins[i].part)
		for j, r := range o.bins[i].regs {
			b.regs[j] = max(b.regs[j], r)
		}
	}
}

// hash is FNV-1a with the finish of MurmurHash3, which spreads short values over all bits.
func hash(value string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(value) {
		h = (h ^ uint64(value[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// addSketched is add for a session that counts with a sketch: beside the sketch only the
// first signals are kept, as evidence.
func (x *session) addSketched(c *Correlation, m mark) bool {
	x.first, x.last = min(x.first, m.at), max(x.last, m.at)
	if x.fired() {
		x.post++
		return false
	}
	if x.sk == nil {
		x.sk = &sketch{}
	}
	span := pipeline.Millis(c.Span.Milliseconds())
	x.sk.add(m.at, span, m.value)
	if len(x.marks) < maxEvidence {
		i := sort.Search(len(x.marks), func(i int) bool { return x.marks[i].compare(&m) >= 0 })
		x.marks, x.weighed = slices.Insert(slices.Clone(x.marks), i, m), -1
	} else {
		x.post++
	}
	if c.Cond.Holds(x.sk.count(m.at, span)) {
		x.fixed, x.trig, x.trigger, x.approx, x.sk = true, -1, m, true, nil
	}
	return true
}

func (w *writer) sketch(s *sketch) {
	w.uint(uint64(len(s.bins)))
	for i := range s.bins {
		w.int(s.bins[i].part)
		w.buf = append(w.buf, s.bins[i].regs[:]...)
	}
}

func (r *reader) sketch() *sketch {
	s := &sketch{bins: make([]bin, r.count(sketchSize))}
	for i := range s.bins {
		s.bins[i].part = r.int()
		for j, v := range r.bytes(sketchSize) {
			s.bins[i].regs[j] = min(v, 64)
		}
		if i > 0 && s.bins[i].part <= s.bins[i-1].part {
			r.fail()
			return nil
		}
	}
	return s
}
