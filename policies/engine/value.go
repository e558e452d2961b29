package engine

import (
	"cmp"
	"hash/maphash"
	"math"
	"strconv"
	"strings"
	"unsafe"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Kind names what a Value holds. The order of the kinds is Rego's order of types.
type Kind uint8

// The kinds of a Value. Undefined is the zero Kind: there is no value.
const (
	KindUndefined Kind = iota
	KindNull
	KindBool
	KindNumber
	KindString
	KindArray
	KindObject
	KindSet

	kindText    // a number that is not a plain int64; KindNumber to the outside
	kindLazy    // an input field that was not asked for yet
	kindPresent // an input object of which only fields are known
)

// Value is one Rego value. It is a small handle that is copied, not shared: the
// bytes behind it belong to the machine, program or caller that made it. The
// zero Value is undefined. Reading a Value may put the members of a set or object
// behind it in order, so that one goroutine at a time may do so, while its owner is
// not evaluating.
type Value struct {
	p unsafe.Pointer // string bytes, *arrayVal, *objectVal or *setVal
	n uint64         // bool, int64 bits, or length of the string
	k Kind
}

// Null returns Rego's null.
func Null() Value { return Value{k: KindNull} }

// Bool returns b as a Value.
func Bool(b bool) Value {
	if b {
		return Value{k: KindBool, n: 1}
	}
	return Value{k: KindBool}
}

// Int returns i as a Value.
func Int(i int64) Value { return Value{k: KindNumber, n: uint64(i)} }

// String returns s as a Value. The bytes of s are not copied: they must not
// change while the Value, or a result that was made of it, is in use.
func String(s string) Value {
	return Value{k: KindString, p: unsafe.Pointer(unsafe.StringData(s)), n: uint64(len(s))}
}

// Number returns the number with the given JSON text, which must be a valid JSON
// number; it keeps its spelling as OPA does ("1.0" stays "1.0" and equals 1).
// The bytes of text are not copied.
func Number(text string) Value {
	if i, ok := plainInt(text); ok {
		return Int(i)
	}
	return Value{k: kindText, p: unsafe.Pointer(unsafe.StringData(text)), n: uint64(len(text))}
}

// Float returns f, which must be finite, as a Value.
func Float(f float64) Value { return Number(strconv.FormatFloat(f, 'g', -1, 64)) }

// plainInt parses text when it is the canonical spelling of an int64: no
// fraction, exponent, plus sign, leading zero or negative zero.
func plainInt(text string) (int64, bool) {
	d := text
	neg := false
	if len(d) > 0 && d[0] == '-' {
		neg, d = true, d[1:]
	}
	if len(d) == 0 || len(d) > 18 || (d[0] == '0' && (len(d) > 1 || neg)) {
		return 0, false
	}
	var n int64
	for i := range len(d) {
		c := d[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if neg {
		n = -n
	}
	return n, true
}

// Kind returns what v holds.
func (v Value) Kind() Kind {
	if v.k == kindText {
		return KindNumber
	}
	return v.k
}

// Defined reports whether v is a value at all.
func (v Value) Defined() bool { return v.k != KindUndefined }

// Bool returns the boolean in v; ok is false if v is no boolean.
func (v Value) Bool() (b, ok bool) { return v.n != 0, v.k == KindBool }

// Int returns the integer in v; ok is false if v is no number, has a fraction
// or does not fit.
func (v Value) Int() (i int64, ok bool) {
	switch v.k {
	case KindNumber:
		return int64(v.n), true
	case kindText:
		return ast.Number(v.text()).Int64()
	default:
	}
	return 0, false
}

// Float returns the number in v as the nearest float64; ok is false if v is no
// number or is out of range.
func (v Value) Float() (f float64, ok bool) {
	switch v.k {
	case KindNumber:
		return float64(int64(v.n)), true
	case kindText:
		return ast.Number(v.text()).Float64()
	default:
	}
	return 0, false
}

// Str returns the string in v, without copying it; ok is false if v is no
// string. It is valid as long as v's owner keeps its bytes.
func (v Value) Str() (s string, ok bool) {
	if v.k != KindString {
		return "", false
	}
	return v.text(), true
}

// text returns the bytes of a string or textual number.
func (v Value) text() string { return unsafe.String((*byte)(v.p), int(v.n)) }

// numberText returns the spelling of a number.
func (v Value) numberText() string {
	if v.k == KindNumber {
		return strconv.FormatInt(int64(v.n), 10)
	}
	return v.text()
}

func (v Value) array() *arrayVal   { return (*arrayVal)(v.p) }
func (v Value) object() *objectVal { return (*objectVal)(v.p) }
func (v Value) set() *setVal       { return (*setVal)(v.p) }

func (v Value) isNumber() bool { return v.k == KindNumber || v.k == kindText }
func (v Value) isFalse() bool  { return v.k == KindBool && v.n == 0 }

// equal reports whether a and b are the same Rego value. Two undefined values
// are equal.
func equal(a, b *Value) bool {
	if a.k != b.k {
		if a.isNumber() && b.isNumber() {
			return compareNumbers(a, b) == 0
		}
		return false
	}
	switch a.k {
	case KindString:
		return a.n == b.n && (a.p == b.p || a.text() == b.text())
	case KindBool, KindNumber:
		return a.n == b.n
	case kindText:
		return compareNumbers(a, b) == 0
	case KindArray:
		return equalArrays(a.array(), b.array())
	case KindObject:
		return equalObjects(a.object(), b.object())
	case KindSet:
		return equalSets(a.set(), b.set())
	default:
	}
	return true
}

// rank orders the kinds as OPA orders types.
func (k Kind) rank() Kind {
	if k == kindText {
		return KindNumber
	}
	return k
}

// compare orders a and b as ast.Compare does.
func compare(a, b *Value) int {
	if c := cmp.Compare(a.k.rank(), b.k.rank()); c != 0 {
		return c
	}
	switch a.k {
	case KindBool:
		return cmp.Compare(a.n, b.n)
	case KindNumber, kindText:
		return compareNumbers(a, b)
	case KindString:
		return strings.Compare(a.text(), b.text())
	case KindArray:
		return compareSlices(a.array().elems, b.array().elems)
	case KindObject:
		return compareObjects(a.object(), b.object())
	case KindSet:
		x, y := a.set(), b.set()
		x.sort()
		y.sort()
		return compareSlices(x.elems, y.elems)
	default:
	}
	return 0
}

func compareNumbers(a, b *Value) int {
	if a.k == KindNumber && b.k == KindNumber {
		return cmp.Compare(int64(a.n), int64(b.n))
	}
	return ast.NumberCompare(ast.Number(a.numberText()), ast.Number(b.numberText()))
}

func compareSlices(a, b []Value) int {
	for i := range min(len(a), len(b)) {
		if c := compare(&a[i], &b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// hashSeed seeds the hashes of strings. Hashes order nothing that is visible.
var hashSeed = maphash.MakeSeed()

// hashOf returns a hash such that equal values have equal hashes.
func hashOf(v *Value) uint64 {
	switch v.k {
	case KindString:
		return maphash.String(hashSeed, v.text())
	case KindNumber:
		return hashFloat(float64(int64(v.n)))
	case kindText:
		f, ok := v.Float()
		if !ok {
			return 0x51ed270b
		}
		return hashFloat(f)
	case KindArray:
		return v.array().hash()
	case KindObject:
		return v.object().hash()
	case KindSet:
		return v.set().hash()
	default:
	}
	return mix(uint64(v.k)<<32 ^ v.n)
}

func hashFloat(f float64) uint64 {
	if f == 0 {
		f = 0 // one hash for both zeros
	}
	return mix(math.Float64bits(f))
}

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
