package engine

import (
	"cmp"
	"slices"
	"sort"

	"github.com/open-policy-agent/opa/v1/ast"
)

// smallCollection is the size up to which members are found by scanning.
const smallCollection = 8

// arrayVal is a Rego array.
type arrayVal struct {
	elems  []Value
	astv   ast.Value // the same value as AST, if it is known
	hashed uint64    // 0: not known
}

// keySet is a list of distinct keys with an optional hash table over them.
type keySet struct {
	elems  []Value
	table  []int32 // open addressing, index+1 into elems; nil while small
	sorted bool
}

// setVal is a Rego set.
type setVal struct {
	keySet
	astv   ast.Value
	hashed uint64
}

// objectVal is a Rego object; vals[i] belongs to elems[i].
type objectVal struct {
	keySet
	vals   []Value
	astv   ast.Value
	hashed uint64
	shared bool // part of a program or of an input: must not be changed
}

func (a *arrayVal) hash() uint64 {
	if a.hashed == 0 {
		h := uint64(0xa77a)
		for i := range a.elems {
			h = mix(h*31 + hashOf(&a.elems[i]))
		}
		a.hashed = h | 1
	}
	return a.hashed
}

func (s *setVal) hash() uint64 {
	if s.hashed == 0 {
		var h uint64
		for i := range s.elems {
			h += mix(hashOf(&s.elems[i]))
		}
		s.hashed = h | 1
	}
	return s.hashed
}

func (o *objectVal) hash() uint64 {
	if o.hashed == 0 {
		h := uint64(0x0b1ec7)
		for i := range o.elems {
			h += mix(hashOf(&o.elems[i])*31 + hashOf(&o.vals[i]))
		}
		o.hashed = h | 1
	}
	return o.hashed
}

// find returns the position of key, or -1.
func (s *keySet) find(key *Value) int {
	if s.table == nil {
		if key.k == KindString {
			return s.scanString(key)
		}
		for i := range s.elems {
			if equal(&s.elems[i], key) {
				return i
			}
		}
		return -1
	}
	mask := uint64(len(s.table) - 1)
	for h := hashOf(key) & mask; ; h = (h + 1) & mask {
		i := s.table[h]
		if i == 0 {
			return -1
		}
		if equal(&s.elems[i-1], key) {
			return int(i - 1)
		}
	}
}

func (s *keySet) scanString(key *Value) int {
	for i := range s.elems {
		e := &s.elems[i]
		if e.k == KindString && e.n == key.n && (e.p == key.p || e.text() == key.text()) {
			return i
		}
	}
	return -1
}

// added records that the last element of s.elems is new. alloc supplies tables.
func (s *keySet) added(alloc func(n int) []int32) {
	n := len(s.elems)
	s.sorted = n == 1 || (s.sorted && compare(&s.elems[n-2], &s.elems[n-1]) < 0)
	switch {
	case n <= smallCollection:
	case s.table == nil || n*2 > len(s.table):
		s.rehash(alloc)
	default:
		s.place(n - 1)
	}
}

func (s *keySet) rehash(alloc func(n int) []int32) {
	size := 32
	for size < len(s.elems)*3 {
		size *= 2
	}
	s.table = alloc(size)
	clear(s.table)
	for i := range s.elems {
		s.place(i)
	}
}

func (s *keySet) place(i int) {
	mask := uint64(len(s.table) - 1)
	h := hashOf(&s.elems[i]) & mask
	for s.table[h] != 0 {
		h = (h + 1) & mask
	}
	s.table[h] = int32(i + 1)
}

// replaced rebuilds the table in place after the elements changed positions.
func (s *keySet) replaced() {
	s.sorted = true
	if s.table == nil {
		return
	}
	clear(s.table)
	for i := range s.elems {
		s.place(i)
	}
}

// sort puts the elements into Rego's order.
func (s *setVal) sort() {
	if s.sorted || len(s.elems) < 2 {
		return
	}
	slices.SortFunc(s.elems, func(a, b Value) int { return compare(&a, &b) })
	s.replaced()
}

// sort puts the keys into Rego's order.
func (o *objectVal) sort() {
	if o.sorted || len(o.elems) < 2 {
		return
	}
	sort.Sort(byKey{o})
	o.replaced()
}

type byKey struct{ o *objectVal }

func (b byKey) Len() int           { return len(b.o.elems) }
func (b byKey) Less(i, j int) bool { return compare(&b.o.elems[i], &b.o.elems[j]) < 0 }
func (b byKey) Swap(i, j int) {
	b.o.elems[i], b.o.elems[j] = b.o.elems[j], b.o.elems[i]
	b.o.vals[i], b.o.vals[j] = b.o.vals[j], b.o.vals[i]
}

func (o *objectVal) get(key *Value) Value {
	if i := o.find(key); i >= 0 {
		return o.vals[i]
	}
	return Value{}
}

func equalArrays(a, b *arrayVal) bool {
	if a == b {
		return true
	}
	if len(a.elems) != len(b.elems) {
		return false
	}
	for i := range a.elems {
		if !equal(&a.elems[i], &b.elems[i]) {
			return false
		}
	}
	return true
}

func equalSets(a, b *setVal) bool {
	if a == b {
		return true
	}
	if len(a.elems) != len(b.elems) {
		return false
	}
	for i := range a.elems {
		if b.find(&a.elems[i]) < 0 {
			return false
		}
	}
	return true
}

func equalObjects(a, b *objectVal) bool {
	if a == b {
		return true
	}
	if len(a.elems) != len(b.elems) {
		return false
	}
	for i := range a.elems {
		j := b.find(&a.elems[i])
		if j < 0 || !equal(&a.vals[i], &b.vals[j]) {
			return false
		}
	}
	return true
}

func compareObjects(a, b *objectVal) int {
	a.sort()
	b.sort()
	for i := range min(len(a.elems), len(b.elems)) {
		if c := compare(&a.elems[i], &b.elems[i]); c != 0 {
			return c
		}
		if c := compare(&a.vals[i], &b.vals[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a.elems), len(b.elems))
}

// lookup is Rego's v[key]: undefined when there is no such member.
func lookup(v, key *Value) Value {
	switch v.k {
	case KindObject:
		return v.object().get(key)
	case KindArray:
		elems := v.array().elems
		i, ok := key.arrayIndex()
		if ok && i >= 0 && i < int64(len(elems)) {
			return elems[i]
		}
	case KindSet:
		s := v.set()
		if i := s.find(key); i >= 0 {
			return s.elems[i]
		}
	default:
	}
	return Value{}
}

// arrayIndex returns v as a position; 1.0 counts as 1.
func (v *Value) arrayIndex() (int64, bool) {
	if v.k == KindNumber {
		return int64(v.n), true
	}
	if v.k == kindText {
		return ast.Number(v.text()).Int64()
	}
	return 0, false
}

// length returns the size of a collection or string, as Rego's count does not
// count bytes but characters, strings are not measured here.
func (v *Value) length() (int, bool) {
	switch v.k {
	case KindArray:
		return len(v.array().elems), true
	case KindObject:
		return len(v.object().elems), true
	case KindSet:
		return len(v.set().elems), true
	default:
	}
	return 0, false
}
