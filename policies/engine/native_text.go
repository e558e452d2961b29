package engine

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

func nativeIndexOf(_ *Machine, args []Value) (Value, bool) {
	if args[0].k != KindString || args[1].k != KindString {
		return Value{}, false
	}
	a, b := args[0].text(), args[1].text()
	if b == "" || !isASCII(a) || !isASCII(b) {
		return Value{}, false
	}
	return Int(int64(strings.Index(a, b))), true
}

func nativeSubstring(_ *Machine, args []Value) (Value, bool) {
	if args[0].k != KindString || args[1].k != KindNumber || args[2].k != KindNumber {
		return Value{}, false
	}
	s, from, n := args[0].text(), int64(args[1].n), int64(args[2].n)
	if from < 0 || !isASCII(s) {
		return Value{}, false
	}
	from = min(from, int64(len(s)))
	if n < 0 {
		n = int64(len(s))
	}
	return String(s[from : from+min(n, int64(len(s))-from)]), true
}

// nativeSplit makes views. An empty delimiter splits into characters.
func nativeSplit(m *Machine, args []Value) (Value, bool) {
	if args[0].k != KindString || args[1].k != KindString {
		return Value{}, false
	}
	s, delim := args[0].text(), args[1].text()
	out := m.newArray(strings.Count(s, delim) + 1)
	for part := range strings.SplitSeq(s, delim) {
		out.elems = append(out.elems, String(part))
	}
	return ofArray(out), true
}

func nativeConcat(m *Machine, args []Value) (Value, bool) {
	if args[0].k != KindString {
		return Value{}, false
	}
	if args[1].k == KindSet {
		args[1].set().sort()
	}
	elems, ok := list(&args[1])
	if !ok {
		return Value{}, false
	}
	sep := args[0].text()
	n := len(sep) * len(elems)
	for i := range elems {
		if elems[i].k != KindString {
			return Value{}, false
		}
		n += int(elems[i].n)
	}
	out := m.bytes(n)[:0]
	for i := range elems {
		if i > 0 {
			out = append(out, sep...)
		}
		out = append(out, elems[i].text()...)
	}
	return String(view(out)), true
}

func nativeFormatInt(m *Machine, args []Value) (Value, bool) {
	if args[0].k != KindNumber || args[1].k != KindNumber {
		return Value{}, false
	}
	switch base := int(args[1].n); base {
	case 2, 8, 10, 16:
		return m.own(strconv.AppendInt(m.argText[:0], int64(args[0].n), base)), true
	}
	return Value{}, false
}

// own copies b into the arena.
func (m *Machine) own(b []byte) Value {
	m.argText = b
	out := m.bytes(len(b))
	copy(out, b)
	return String(view(out))
}

// nativeToNumber handles plain integers, null, booleans and numbers.
func nativeToNumber(_ *Machine, args []Value) (Value, bool) {
	switch args[0].k {
	case KindNull:
		return Int(0), true
	case KindBool:
		return Int(int64(args[0].n)), true
	case KindNumber, kindText:
		return args[0], true
	case KindString:
		n, ok := plainInt(args[0].text())
		return Int(n), ok
	default:
	}
	return Value{}, false
}

// nativeSprintf handles %s and %v of strings, and %d and %v of plain integers,
// without flags.
func nativeSprintf(m *Machine, args []Value) (Value, bool) {
	if args[0].k != KindString || args[1].k != KindArray {
		return Value{}, false
	}
	format, vals := args[0].text(), args[1].array().elems
	out := m.argText[:0]
	used := 0
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			break
		}
		if i+1 == len(format) || used == len(vals) {
			return Value{}, false
		}
		out = append(out, format[:i]...)
		v, verb := &vals[used], format[i+1]
		used++
		switch {
		case v.k == KindString && (verb == 's' || verb == 'v'):
			out = append(out, v.text()...)
		case v.k == KindNumber && (verb == 'd' || verb == 'v'):
			out = strconv.AppendInt(out, int64(v.n), 10)
		default:
			m.argText = out
			return Value{}, false
		}
		format = format[i+2:]
	}
	m.argText = out
	if used != len(vals) {
		return Value{}, false
	}
	return m.own(append(out, format...)), utf8.ValidString(format)
}
