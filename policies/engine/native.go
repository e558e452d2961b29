package engine

import (
	"math"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// natives returns the builtins that run on Values. Each handles well-typed,
// ordinary arguments and leaves all others, errors included, to OPA's builtin.
func natives() map[string]native { return nativeTable }

// nativeTable is never changed.
var nativeTable = map[string]native{
	"equal":             order(func(c int) bool { return c == 0 }),
	"neq":               order(func(c int) bool { return c != 0 }),
	"lt":                order(func(c int) bool { return c < 0 }),
	"lte":               order(func(c int) bool { return c <= 0 }),
	"gt":                order(func(c int) bool { return c > 0 }),
	"gte":               order(func(c int) bool { return c >= 0 }),
	"internal.member_2": nativeMember,
	"internal.member_3": nativeMemberKey,

	"plus":  arithmetic(addInts),
	"minus": nativeMinus,
	"mul":   arithmetic(mulInts),
	"abs":   nativeAbs,
	"and":   nativeIntersection,
	"or":    nativeUnion,
	"count": nativeCount,
	"sum":   nativeSum,
	"max":   extreme(1),
	"min":   extreme(-1),

	"startswith":  onStrings(func(a, b string) Value { return Bool(strings.HasPrefix(a, b)) }),
	"endswith":    onStrings(func(a, b string) Value { return Bool(strings.HasSuffix(a, b)) }),
	"contains":    onStrings(func(a, b string) Value { return Bool(strings.Contains(a, b)) }),
	"trim":        onStrings(func(a, b string) Value { return String(strings.Trim(a, b)) }),
	"trim_left":   onStrings(func(a, b string) Value { return String(strings.TrimLeft(a, b)) }),
	"trim_right":  onStrings(func(a, b string) Value { return String(strings.TrimRight(a, b)) }),
	"trim_prefix": onStrings(func(a, b string) Value { return String(strings.TrimPrefix(a, b)) }),
	"trim_suffix": onStrings(func(a, b string) Value { return String(strings.TrimSuffix(a, b)) }),
	"trim_space":  onString(func(_ *Machine, s string) Value { return String(strings.TrimSpace(s)) }),
	"lower":       onString(func(m *Machine, s string) Value { return String(m.lower(s)) }),
	"upper":       onString(nativeUpper),
	"indexof":     nativeIndexOf,
	"substring":   nativeSubstring,
	"split":       nativeSplit,
	"concat":      nativeConcat,
	"sprintf":     nativeSprintf,
	"format_int":  nativeFormatInt,
	"to_number":   nativeToNumber,

	"object.get":   nativeObjectGet,
	"object.keys":  nativeObjectKeys,
	"array.concat": nativeArrayConcat,

	"graph.reachable_paths": nativeReachablePaths,

	"is_null":    ofKind(KindNull),
	"is_boolean": ofKind(KindBool),
	"is_number":  ofKind(KindNumber),
	"is_string":  ofKind(KindString),
	"is_array":   ofKind(KindArray),
	"is_object":  ofKind(KindObject),
	"is_set":     ofKind(KindSet),

	"time.parse_rfc3339_ns": nativeParseTime,
	"net.cidr_contains":     nativeCIDR,
}

func order(want func(c int) bool) native {
	return func(_ *Machine, args []Value) (Value, bool) { return Bool(want(compare(&args[0], &args[1]))), true }
}

func ofKind(k Kind) native {
	return func(_ *Machine, args []Value) (Value, bool) { return Bool(args[0].Kind() == k), true }
}

func onString(fn func(m *Machine, s string) Value) native {
	return func(m *Machine, args []Value) (Value, bool) {
		if args[0].k != KindString {
			return Value{}, false
		}
		return fn(m, args[0].text()), true
	}
}

func onStrings(fn func(a, b string) Value) native {
	return func(_ *Machine, args []Value) (Value, bool) {
		if args[0].k != KindString || args[1].k != KindString {
			return Value{}, false
		}
		return fn(args[0].text(), args[1].text()), true
	}
}

// lower returns s in lower case; the result may be in the arena.
func (m *Machine) lower(s string) string {
	first := -1
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			m.charge(len(s))
			return strings.ToLower(s)
		}
		if first < 0 && c >= 'A' && c <= 'Z' {
			first = i
		}
	}
	if first < 0 {
		return s
	}
	if m.lowered[0] == s && unsafe.StringData(m.lowered[0]) == unsafe.StringData(s) {
		return m.lowered[1]
	}
	out := m.bytes(len(s))
	copy(out, s)
	for i := first; i < len(out); i++ {
		if c := out[i]; c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	m.lowered = [2]string{s, view(out)}
	return m.lowered[1]
}

func nativeUpper(m *Machine, s string) Value {
	m.charge(len(s))
	return String(strings.ToUpper(s))
}

func nativeMember(m *Machine, args []Value) (Value, bool) {
	c := &args[1]
	switch c.k {
	case KindSet:
		return Bool(c.set().find(&args[0]) >= 0), true
	case KindArray, KindObject:
		list := members(c)
		m.fuel -= len(list)
		for _, e := range list {
			if equal(&e, &args[0]) {
				return Bool(true), true
			}
		}
	default:
	}
	return Bool(false), true
}

func nativeMemberKey(_ *Machine, args []Value) (Value, bool) {
	v := lookup(&args[2], &args[0])
	return Bool(v.Defined() && equal(&v, &args[1])), true
}

func arithmetic(fn func(a, b int64) (int64, bool)) native {
	return func(_ *Machine, args []Value) (Value, bool) {
		if args[0].k != KindNumber || args[1].k != KindNumber {
			return Value{}, false
		}
		n, ok := fn(int64(args[0].n), int64(args[1].n))
		return Int(n), ok && small(n)
	}
}

// small reports whether n is spelled the same by everybody: within 18 digits.
func small(n int64) bool { return n > -1e18 && n < 1e18 }

// Numbers of this kind have at most 18 digits, so a sum cannot overflow.
func addInts(a, b int64) (int64, bool) { return a + b, true }

func mulInts(a, b int64) (int64, bool) {
	const safe = 1 << 31
	return a * b, a > -safe && a < safe && b > -safe && b < safe
}

func nativeMinus(m *Machine, args []Value) (Value, bool) {
	a, b := &args[0], &args[1]
	if a.k == KindNumber && b.k == KindNumber {
		n := int64(a.n) - int64(b.n)
		return Int(n), small(n)
	}
	if a.k != KindSet || b.k != KindSet {
		return Value{}, false
	}
	out := m.newSet()
	m.fuel -= len(a.set().elems)
	for i := range a.set().elems {
		if e := &a.set().elems[i]; b.set().find(e) < 0 {
			m.addTo(out, e)
		}
	}
	return ofSet(out), true
}

func nativeAbs(_ *Machine, args []Value) (Value, bool) {
	n := int64(args[0].n)
	return Int(max(n, -n)), args[0].k == KindNumber && n > math.MinInt64
}

func nativeIntersection(m *Machine, args []Value) (Value, bool) {
	a, b := &args[0], &args[1]
	if a.k != KindSet || b.k != KindSet {
		return Value{}, false
	}
	out := m.newSet()
	m.fuel -= len(a.set().elems)
	for i := range a.set().elems {
		if e := &a.set().elems[i]; b.set().find(e) >= 0 {
			m.addTo(out, e)
		}
	}
	return ofSet(out), !hasText(a.set().elems) && !hasText(b.set().elems)
}

func nativeUnion(m *Machine, args []Value) (Value, bool) {
	a, b := &args[0], &args[1]
	if a.k != KindSet || b.k != KindSet {
		return Value{}, false
	}
	out := m.newSet()
	for _, s := range []*setVal{a.set(), b.set()} {
		for i := range s.elems {
			m.addTo(out, &s.elems[i])
		}
	}
	return ofSet(out), !hasText(a.set().elems) && !hasText(b.set().elems)
}

// hasText reports whether an element can equal one of another spelling, so that
// which of the two a set keeps is visible.
func hasText(elems []Value) bool {
	for i := range elems {
		switch elems[i].k {
		case kindText, KindArray, KindObject, KindSet:
			return true
		default:
		}
	}
	return false
}

func nativeCount(_ *Machine, args []Value) (Value, bool) {
	if args[0].k == KindString {
		return Int(int64(utf8.RuneCountInString(args[0].text()))), true
	}
	n, ok := args[0].length()
	return Int(int64(n)), ok
}

// list returns the elements of an array or set.
func list(v *Value) ([]Value, bool) {
	switch v.k {
	case KindArray:
		return v.array().elems, true
	case KindSet:
		return v.set().elems, true
	default:
	}
	return nil, false
}

func nativeSum(m *Machine, args []Value) (Value, bool) {
	elems, ok := list(&args[0])
	m.fuel -= len(elems) / 4
	var sum int64
	for i := range elems {
		if elems[i].k != KindNumber || !small(sum) {
			return Value{}, false
		}
		sum += int64(elems[i].n)
	}
	return Int(sum), ok && small(sum)
}

func extreme(sign int) native {
	return func(m *Machine, args []Value) (Value, bool) {
		elems, ok := list(&args[0])
		m.fuel -= len(elems)
		if !ok || hasText(elems) {
			return Value{}, false
		}
		var best Value
		for i := range elems {
			if i == 0 || sign*compare(&elems[i], &best) > 0 {
				best = elems[i]
			}
		}
		return best, true
	}
}

func nativeObjectGet(_ *Machine, args []Value) (Value, bool) {
	v := args[0]
	if v.k != KindObject {
		return Value{}, false
	}
	if args[1].k != KindArray {
		v = v.object().get(&args[1])
	} else {
		for i := range args[1].array().elems {
			v = lookup(&v, &args[1].array().elems[i])
		}
	}
	if !v.Defined() {
		v = args[2]
	}
	return v, true
}

func nativeObjectKeys(m *Machine, args []Value) (Value, bool) {
	if args[0].k != KindObject {
		return Value{}, false
	}
	out := m.newSet()
	for i := range args[0].object().elems {
		m.addTo(out, &args[0].object().elems[i])
	}
	return ofSet(out), true
}

func nativeArrayConcat(m *Machine, args []Value) (Value, bool) {
	if args[0].k != KindArray || args[1].k != KindArray {
		return Value{}, false
	}
	a, b := args[0].array().elems, args[1].array().elems
	out := m.newArray(len(a) + len(b))
	out.elems = append(append(out.elems, a...), b...)
	return ofArray(out), true
}

func nativeParseTime(_ *Machine, args []Value) (Value, bool) {
	if args[0].k != KindString {
		return Value{}, false
	}
	t, err := time.Parse(time.RFC3339, args[0].text())
	if err != nil || t.Year() < 1950 || t.Year() > 2200 {
		return Value{}, false
	}
	// Number, not Int: beyond 18 digits a number is kept as text.
	n := t.UnixNano()
	if !small(n) {
		return Number(Int(n).numberText()), true
	}
	return Int(n), true
}

// nativeCIDR handles addresses of the family of the block.
func nativeCIDR(_ *Machine, args []Value) (Value, bool) {
	if args[0].k != KindString || args[1].k != KindString {
		return Value{}, false
	}
	block, err := netip.ParsePrefix(args[0].text())
	if err != nil {
		return Value{}, false
	}
	return inBlock(block, args[1].text())
}

func inBlock(block netip.Prefix, text string) (Value, bool) {
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Is4() != block.Addr().Is4() || ip.Is4In6() || block.Addr().Is4In6() || ip.Zone() != "" {
		return Value{}, false
	}
	return Bool(block.Contains(ip)), true
}

// str returns the string in v, empty if there is none.
func (v Value) str() string {
	s, _ := v.Str()
	return s
}
