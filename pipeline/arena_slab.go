package pipeline

// slabSize is how many values a slab's block holds: the attributes of some 100 events.
const slabSize = 2048

// slab hands out slices of T that live until reset. Zero is ready to use.
type slab[T any] struct {
	blocks [][]T // blocks[:used] are in use, the last of them is being filled
	used   int
}

// take returns n zeroed values with no spare capacity.
func (s *slab[T]) take(n int) []T {
	if n > slabSize {
		return make([]T, n)
	}
	if s.used == 0 || slabSize-len(s.blocks[s.used-1]) < n {
		if s.used == len(s.blocks) {
			s.blocks = append(s.blocks, make([]T, 0, slabSize))
		}
		s.used++
	}
	b := &s.blocks[s.used-1]
	from := len(*b)
	*b = (*b)[:from+n]
	return (*b)[from : from+n : from+n]
}

// reset zeroes what was handed out, so that a slice kept by mistake reads as nothing and
// the values hold no memory alive.
func (s *slab[T]) reset() {
	for i := range s.blocks[:s.used] {
		clear(s.blocks[i])
		s.blocks[i] = s.blocks[i][:0]
	}
	s.used = 0
}

// Attrs returns n zero attributes that live until Reset.
func (a *Arena) Attrs(n int) []Attr { return a.attrs.take(n) }

// Entities returns n zero entities that live until Reset.
func (a *Arena) Entities(n int) []Entity { return a.entities.take(n) }

// Headers returns n zero headers that live until Reset.
func (a *Arena) Headers(n int) []Header { return a.headers.take(n) }
