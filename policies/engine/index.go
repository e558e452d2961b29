package engine

import (
	"cmp"
	"math"
	"math/bits"
	"net/netip"
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

	texts  map[string][]int32 // equality: units by string
	ints   map[int64][]int32  // by number
	others []valueUnits       // by other values
	auto   *automaton         // strings: patterns
	units  [][]int32          // units by pattern
	floors steps              // order: lower bounds
	ceils  steps              // order: upper bounds
	blocks []cidrUnits        // addresses
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
	units []int32
}

type cidrUnits struct {
	block netip.Prefix
	units []int32
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
	guarded := 0
	for u, gs := range guards {
		if len(gs) > 0 {
			guarded++
		}
		for i := range gs {
			ix.put(int32(u), &gs[i])
		}
	}
	if guarded < minIndexed {
		return nil
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
		f.putText(u, pattern{g.text, g.kind})
	case shapeOrder:
		f.putBound(u, g)
	case shapeCIDR:
		f.blocks = append(f.blocks, cidrUnits{netip.MustParsePrefix(g.text).Masked(), []int32{u}})
	}
}

func (ix *blockIndex) family(g *guard) *family {
	shape := g.shape()
	for i := range ix.families {
		if f := &ix.families[i]; f.slot == g.slot && f.shape == shape && f.lower == g.lower {
			return f
		}
	}
	f := family{slot: g.slot, shape: shape, lower: g.lower, texts: map[string][]int32{}, ints: map[int64][]int32{}}
	f.free = make(bitset, (ix.units+63)/64)
	for u := range ix.units {
		f.free.add(int32(u))
	}
	if shape == shapeText {
		f.auto = &automaton{fold: g.lower}
	}
	ix.families = append(ix.families, f)
	return &ix.families[len(ix.families)-1]
}

func (f *family) putValue(u int32, v *Value) {
	switch v.k {
	case KindString:
		f.texts[v.text()] = append(f.texts[v.text()], u)
	case KindNumber:
		f.ints[int64(v.n)] = append(f.ints[int64(v.n)], u)
	default:
		f.others = append(f.others, valueUnits{*v, []int32{u}})
	}
}

func (f *family) putText(u int32, p pattern) {
	i := slices.Index(f.auto.patterns, p)
	if i < 0 {
		i = len(f.auto.patterns)
		f.auto.patterns = append(f.auto.patterns, p)
		f.units = append(f.units, nil)
	}
	f.units[i] = append(f.units[i], u)
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
	if f.shape == shapeText {
		f.auto = newAutomaton(f.auto.patterns, f.lower)
	}
	f.floors.close(len(f.free))
	f.ceils.close(len(f.free))
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
		return f.matchAddress(v, hits)
	default:
	}
	f.floors.match(v, hits, true)
	f.ceils.match(v, hits, false)
	return true
}

func (b bitset) addAll(units []int32) {
	for _, u := range units {
		b.add(u)
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

// matchAddress handles plain IPv4 addresses; of anything else it cannot tell.
func (f *family) matchAddress(v *Value, hits bitset) bool {
	if v.k != KindString {
		return false
	}
	ip, err := netip.ParseAddr(v.text())
	if err != nil || !ip.Is4() {
		return false
	}
	for i := range f.blocks {
		if f.blocks[i].block.Contains(ip) {
			hits.addAll(f.blocks[i].units)
		}
	}
	return true
}

func isV4Block(text string) bool {
	p, err := netip.ParsePrefix(text)
	return err == nil && p.Addr().Is4()
}

// steps is a sorted list of bounds with the units that a value beyond each of
// them satisfies.
type steps struct {
	bounds []step
	below  []bitset // below[i]: units of bounds[:i]
	above  []bitset // above[i]: units of bounds[i:]
}

type step struct {
	val       Value
	inclusive bool
	unit      int32
}

func (s *steps) put(u int32, v Value, inclusive bool) {
	s.bounds = append(s.bounds, step{v, inclusive, u})
}

func (s *steps) close(words int) {
	slices.SortStableFunc(s.bounds, func(a, b step) int { return compare(&a.val, &b.val) })
	n := len(s.bounds)
	s.below, s.above = make([]bitset, n+1), make([]bitset, n+1)
	for i := range s.below {
		s.below[i], s.above[i] = make(bitset, words), make(bitset, words)
	}
	for i, b := range s.bounds {
		copy(s.below[i+1], s.below[i])
		s.below[i+1].add(b.unit)
	}
	for i, b := range slices.Backward(s.bounds) {
		copy(s.above[i], s.above[i+1])
		s.above[i].add(b.unit)
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
	from := s.below[lo]
	if !floors {
		from = s.above[hi]
	}
	for w := range hits {
		hits[w] |= from[w]
	}
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
