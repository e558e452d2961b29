package engine

// slab hands out slices of T that live until reset. It keeps its chunks, so that
// a warm slab allocates nothing.
type slab[T any] struct {
	chunks [][]T
	cur    int // chunk in use
	off    int // first free element in it
}

// take returns n elements with unspecified content and room for exactly n.
func (s *slab[T]) take(n, chunk int) []T {
	for s.cur < len(s.chunks) {
		c := s.chunks[s.cur]
		if s.off+n <= len(c) {
			out := c[s.off : s.off+n : s.off+n]
			s.off += n
			return out
		}
		s.cur++
		s.off = 0
	}
	s.chunks = append(s.chunks, make([]T, max(n, chunk)))
	s.off = n
	return s.chunks[s.cur][:n:n]
}

// reset takes everything back. Chunks beyond keep are given to the collector, so
// that one huge evaluation does not hold its memory for ever.
func (s *slab[T]) reset(keep int) {
	if len(s.chunks) > keep {
		clear(s.chunks[keep:])
		s.chunks = s.chunks[:keep]
	}
	s.cur, s.off = 0, 0
}

const (
	valueChunk  = 1024 // 24 kB
	headChunk   = 64
	byteChunk   = 4096
	tableChunk  = 2048
	keptChunks  = 16
	valueBytes  = 24
	headerBytes = 112 // the largest of arrayVal, setVal and objectVal
)

// arena owns the values that one evaluation makes.
type arena struct {
	values  slab[Value]
	arrays  slab[arrayVal]
	objects slab[objectVal]
	sets    slab[setVal]
	tables  slab[int32]
	text    slab[byte]
	used    int // bytes handed out since reset
	limit   int // most bytes to hand out; 0 means no limit
}

func (a *arena) reset() {
	a.values.reset(keptChunks)
	a.arrays.reset(keptChunks)
	a.objects.reset(keptChunks)
	a.sets.reset(keptChunks)
	a.tables.reset(keptChunks)
	a.text.reset(keptChunks)
	a.used = 0
}

// charge accounts for n bytes. It panics with errMemory beyond the limit; exec's
// caller turns that into ErrMemory.
func (a *arena) charge(n int) {
	a.used += n
	if a.limit > 0 && a.used > a.limit {
		panic(errMemory)
	}
}

func (a *arena) slice(n int) []Value {
	a.charge(n * valueBytes)
	return a.values.take(n, valueChunk)
}

func (a *arena) table(n int) []int32 {
	a.charge(n * 4)
	return a.tables.take(n, tableChunk)
}

func (a *arena) bytes(n int) []byte {
	a.charge(n)
	return a.text.take(n, byteChunk)
}

func (a *arena) newArray(capacity int) *arrayVal {
	a.charge(headerBytes)
	v := &a.arrays.take(1, headChunk)[0]
	*v = arrayVal{}
	if capacity > 0 {
		v.elems = a.slice(capacity)[:0]
	}
	return v
}

func (a *arena) newObject() *objectVal {
	a.charge(headerBytes)
	v := &a.objects.take(1, headChunk)[0]
	*v = objectVal{}
	return v
}

func (a *arena) newSet() *setVal {
	a.charge(headerBytes)
	v := &a.sets.take(1, headChunk)[0]
	*v = setVal{}
	return v
}

// grow appends v to s, moving it to twice the room when full.
func (a *arena) grow(s []Value, v *Value) []Value {
	if len(s) == cap(s) {
		n := a.slice(max(4, 2*cap(s)))[:len(s)]
		copy(n, s)
		s = n
	}
	s = s[:len(s)+1]
	s[len(s)-1] = *v
	return s
}

func (a *arena) appendTo(v *arrayVal, e *Value) {
	v.elems = a.grow(v.elems, e)
	v.hashed, v.astv = 0, nil
}

func (a *arena) addTo(s *setVal, e *Value) {
	if s.find(e) >= 0 {
		return
	}
	s.elems = a.grow(s.elems, e)
	s.added(a.table)
	s.hashed, s.astv = 0, nil
}

func (a *arena) insert(o *objectVal, key, val *Value) {
	o.hashed, o.astv = 0, nil
	if i := o.find(key); i >= 0 {
		o.vals[i] = *val
		return
	}
	o.elems = a.grow(o.elems, key)
	o.vals = a.grow(o.vals, val)
	o.added(a.table)
}

// copyObject returns a changeable copy of o's top level.
func (a *arena) copyObject(o *objectVal) *objectVal {
	c := a.newObject()
	n := len(o.elems)
	c.elems = a.slice(n + 1)[:n]
	c.vals = a.slice(n + 1)[:n]
	copy(c.elems, o.elems)
	copy(c.vals, o.vals)
	c.sorted = o.sorted
	if n > smallCollection {
		c.rehash(a.table)
	}
	return c
}

func ofArray(v *arrayVal) Value   { return Value{k: KindArray, p: pointer(v)} }
func ofObject(v *objectVal) Value { return Value{k: KindObject, p: pointer(v)} }
func ofSet(v *setVal) Value       { return Value{k: KindSet, p: pointer(v)} }
