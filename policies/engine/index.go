package engine

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// bitset is a set of small numbers.
type bitset []uint64

func (b bitset) add(i int32)      { b[i/64] |= 1 << (i % 64) }
func (b bitset) has(i int32) bool { return b[i/64]&(1<<(i%64)) != 0 }

// bitArena hands out bitsets for one evaluation.
type bitArena struct{ slab[uint64] }

func (a *bitArena) reset() { a.slab.reset(keptChunks) }

// blockIndex finds the groups of blocks whose guards hold. It may name groups
// too many, never too few: a group that it leaves out is undefined.
type blockIndex struct {
	starts   []int32 // code of each group
	units    int
	all      bitset
	families []family
}

// family is the guards of one kind on one field. It decides the units that it
// constrains and leaves the others alone.
type family struct {
	slot  int32
	shape familyShape
	lower bool
	free  bitset // units without a guard here
	bound int    // units with one

	texts  map[string]*unitSet // equality: units by string
	ints   map[int64]*unitSet  // by number
	others []valueUnits        // by other values
	auto   *automaton          // strings: patterns
	ids    map[pattern]int     // their numbers
	units  []*unitSet          // units by pattern
	floors steps               // order: lower bounds
	ceils  steps               // order: upper bounds
	nets   *nets               // addresses
}

type familyShape uint8

const (
	shapeEqual familyShape = iota
	shapeText
	shapeOrder
	shapeCIDR
)

type valueUnits struct {
	val   Value
	units *unitSet
}

// unitSet is the units that one value satisfies: a list, or a bitset where that takes fewer
// steps to add. A nil unitSet is empty.
type unitSet struct {
	list []int32
	many bitset
}

// put adds a unit to the list.
func (s *unitSet) put(u int32) { s.list = append(s.list, u) }

// close turns a long list into a bitset of so many words.
func (s *unitSet) close(words int) {
	if len(s.list) <= words {
		return
	}
	s.many = make(bitset, words)
	for _, u := range s.list {
		s.many.add(u)
	}
	s.list = nil
}

func (g *guard) shape() familyShape {
	switch g.kind {
	case guardIn:
		return shapeEqual
	case guardContains, guardPrefix, guardSuffix:
		return shapeText
	case guardCIDR:
		return shapeCIDR
	default:
	}
	return shapeOrder
}

// newBlockIndex indexes units by their guards; nil if too few have any.
func newBlockIndex(guards [][]guard) *blockIndex {
	ix := &blockIndex{units: len(guards)}
	if saved(guards) < minIndexed {
		return nil
	}
	for u, gs := range guards {
		for i := range gs {
			ix.put(int32(u), &gs[i])
		}
	}
	ix.all = make(bitset, (ix.units+63)/64)
	for u := range ix.units {
		ix.all.add(int32(u))
	}
	for i := range ix.families {
		ix.families[i].close()
	}
	slices.SortStableFunc(ix.families, func(a, b family) int { return cmp.Compare(b.bound, a.bound) })
	return ix
}

// saved is how many comparisons an index can save.
func saved(guards [][]guard) int {
	n := 0
	for _, gs := range guards {
		most := 0
		for i := range gs {
			most = max(most, gs[i].weight())
		}
		n += most
	}
	return n
}

// put adds a guard of unit u. A second guard of the same family is left out: the
// unit is a candidate a little too often.
func (ix *blockIndex) put(u int32, g *guard) {
	f := ix.family(g)
	if !f.free.has(u) {
		return
	}
	f.free[u/64] &^= 1 << (u % 64)
	f.bound++
	switch f.shape {
	case shapeEqual:
		for i := range g.any {
			f.putValue(u, &g.any[i])
		}
	case shapeText:
		for _, t := range g.texts {
			f.putText(u, pattern{t, g.kind})
		}
	case shapeOrder:
		f.putBound(u, g)
	case shapeCIDR:
		f.nets.put(u, g.nets)
	}
}

func (ix *blockIndex) family(g *guard) *family {
	shape := g.shape()
	for i := range ix.families {
		if f := &ix.families[i]; f.slot == g.slot && f.shape == shape && f.lower == g.lower {
			return f
		}
	}
	f := family{slot: g.slot, shape: shape, lower: g.lower, texts: map[string]*unitSet{}, ints: map[int64]*unitSet{}}
	f.free = make(bitset, (ix.units+63)/64)
	for u := range ix.units {
		f.free.add(int32(u))
	}
	switch shape {
	case shapeText:
		f.auto, f.ids = &automaton{fold: g.lower}, map[pattern]int{}
	case shapeCIDR:
		f.nets = newNets()
	default:
	}
	ix.families = append(ix.families, f)
	return &ix.families[len(ix.families)-1]
}

func (f *family) putValue(u int32, v *Value) {
	switch v.k {
	case KindString:
		putUnder(f.texts, v.text(), u)
	case KindNumber:
		putUnder(f.ints, int64(v.n), u)
	default:
		f.others = append(f.others, valueUnits{*v, &unitSet{list: []int32{u}}})
	}
}

// putUnder adds a unit to the set of a key.
func putUnder[K comparable](sets map[K]*unitSet, key K, u int32) {
	s := sets[key]
	if s == nil {
		s = &unitSet{}
		sets[key] = s
	}
	s.put(u)
}

func (f *family) putText(u int32, p pattern) {
	i, ok := f.ids[p]
	if !ok {
		i = len(f.auto.patterns)
		f.ids[p] = i
		f.auto.patterns = append(f.auto.patterns, p)
		f.units = append(f.units, &unitSet{})
	}
	f.units[i].put(u)
}

func (f *family) putBound(u int32, g *guard) {
	switch g.kind {
	case guardAbove, guardAtLeast:
		f.floors.put(u, g.val, g.kind == guardAtLeast)
	default:
		f.ceils.put(u, g.val, g.kind == guardAtMost)
	}
}

func (f *family) close() {
	words := len(f.free)
	switch f.shape {
	case shapeText:
		f.auto = newAutomaton(f.auto.patterns, f.lower)
	case shapeCIDR:
		f.nets.close(words)
	default:
	}
	f.floors.close(words)
	f.ceils.close(words)
	for _, s := range f.texts {
		s.close(words)
	}
	for _, s := range f.ints {
		s.close(words)
	}
	for _, s := range f.units {
		s.close(words)
	}
}

// reads returns the fields that the index looks at.
func (ix *blockIndex) reads() []int32 {
	var out []int32
	for i := range ix.families {
		out = append(out, ix.families[i].slot)
	}
	return out
}

// candidates returns the units whose guards may hold. The result belongs to the
// machine's bit arena.
func (ix *blockIndex) candidates(m *Machine) bitset {
	words := len(ix.all)
	out := bitset(m.bits.take(words, 512))
	copy(out, ix.all)
	hits := bitset(m.bits.take(words, 512))
	m.charge(16 * words)
	for i := range ix.families {
		f := &ix.families[i]
		copy(hits, f.free)
		if f.match(m, hits) {
			for w := range out {
				out[w] &= hits[w]
			}
		}
	}
	return out
}

// match adds to hits the units whose guard in f holds. It returns false if it
// cannot tell, or if the guards raise an error that a strict evaluation reports.
func (f *family) match(m *Machine, hits bitset) bool {
	v := m.field(f.slot)
	if v.k == KindUndefined {
		return true
	}
	switch f.shape {
	case shapeEqual:
		return f.matchEqual(m, v, hits)
	case shapeText:
		if v.k != KindString {
			return !m.prog.strict
		}
		f.auto.find(v.text(), func(id int32) { hits.addAll(f.units[id]) })
		return true
	case shapeCIDR:
		return f.nets.match(v, hits, m.prog.strict)
	default:
	}
	f.floors.match(v, hits, true)
	f.ceils.match(v, hits, false)
	return true
}

func (b bitset) addAll(s *unitSet) {
	switch {
	case s == nil:
	case s.many != nil:
		b.unite(s.many)
	default:
		for _, u := range s.list {
			b.add(u)
		}
	}
}

func (f *family) matchEqual(m *Machine, v *Value, hits bitset) bool {
	switch {
	case f.lower && v.k != KindString:
		return !m.prog.strict
	case f.lower:
		hits.addAll(f.texts[m.lower(v.text())])
	case v.k == KindString:
		hits.addAll(f.texts[v.text()])
	case v.k == KindNumber && len(f.others) == 0:
		hits.addAll(f.ints[int64(v.n)])
	default:
		if v.k == kindText {
			// 1e2 equals 100. Beyond 2^53 the nearest float64 may be another integer.
			x, ok := v.Float()
			if !ok || math.Abs(x) >= 1<<53 {
				return false
			}
			hits.addAll(f.ints[int64(x)])
		} else if i, ok := v.Int(); ok {
			hits.addAll(f.ints[i])
		}
		for i := range f.others {
			if equal(&f.others[i].val, v) {
				hits.addAll(f.others[i].units)
			}
		}
	}
	return true
}

// selection walks the candidates of an index.
type selection struct {
	set  bitset
	word int
}

func (s *selection) begin(m *Machine, ix *blockIndex) {
	s.set, s.word = ix.candidates(m), 0
}

// all makes each of n units a candidate.
func (s *selection) all(m *Machine, n int) {
	s.set, s.word = bitset(m.bits.take((n+63)/64, 512)), 0
	clear(s.set)
	for u := range n {
		s.set.add(int32(u))
	}
}

// next takes the next candidate and returns where its code begins, or end.
func (s *selection) next(ix *blockIndex, end int32) int32 {
	if u := s.take(); u >= 0 {
		return ix.starts[u]
	}
	return end
}

// take removes the lowest candidate and returns it, -1 if there is none.
func (s *selection) take() int32 {
	for ; s.word < len(s.set); s.word++ {
		if w := s.set[s.word]; w != 0 {
			s.set[s.word] = w & (w - 1)
			return int32(s.word*64 + bits.TrailingZeros64(w))
		}
	}
	return -1
}
