package engine

import (
	"cmp"
	"slices"
)

// steps is a sorted list of bounds with the units that a value beyond each of
// them satisfies.
type steps struct {
	bounds []step
	below  []bitset // below[i]: units of bounds[:i*stride]
	above  []bitset // above[i]: units of bounds[i*stride:]
}

type step struct {
	val       Value
	inclusive bool
	unit      int32
}

// stride is how many bounds lie between two bitsets. One for each bound would take
// memory by the square of the rules.
const stride = 64

func (s *steps) put(u int32, v Value, inclusive bool) {
	s.bounds = append(s.bounds, step{v, inclusive, u})
}

func (s *steps) close(words int) {
	slices.SortStableFunc(s.bounds, func(a, b step) int { return compare(&a.val, &b.val) })
	set := make(bitset, words)
	for i := range s.bounds {
		if i%stride == 0 {
			s.below = append(s.below, slices.Clone(set))
		}
		set.add(s.bounds[i].unit)
	}
	s.below = append(s.below, set)
	s.above = make([]bitset, len(s.below))
	set = make(bitset, words)
	for i := len(s.above) - 1; i >= 0; i-- {
		for _, b := range s.bounds[min(i*stride, len(s.bounds)):min((i+1)*stride, len(s.bounds))] {
			set.add(b.unit)
		}
		s.above[i] = slices.Clone(set)
	}
}

// match adds the units whose bound v satisfies; as floors, the bounds below v.
func (s *steps) match(v *Value, hits bitset, floors bool) {
	if len(s.bounds) == 0 {
		return
	}
	lo, _ := slices.BinarySearchFunc(s.bounds, v, func(b step, v *Value) int { return cmp.Or(compare(&b.val, v), 1) })
	hi := lo
	for hi < len(s.bounds) && compare(&s.bounds[hi].val, v) == 0 {
		if s.bounds[hi].inclusive {
			hits.add(s.bounds[hi].unit)
		}
		hi++
	}
	if floors {
		at := lo / stride
		hits.unite(s.below[at])
		for i := at * stride; i < lo; i++ {
			hits.add(s.bounds[i].unit)
		}
		return
	}
	at := (hi + stride - 1) / stride
	hits.unite(s.above[at])
	for i := hi; i < min(at*stride, len(s.bounds)); i++ {
		hits.add(s.bounds[i].unit)
	}
}

func (b bitset) unite(o bitset) {
	for w := range b {
		b[w] |= o[w]
	}
}
