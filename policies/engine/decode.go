package engine

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// decoder reads one JSON text into the input slots of a machine. It accepts what
// encoding/json accepts and means the same by it: the last of duplicate keys
// counts, invalid UTF-8 and lone surrogates become U+FFFD, numbers keep their
// spelling. Fields that the program does not read are checked but not kept.
type decoder struct {
	src   []byte
	pos   int
	depth int
	stack []Value // members of the collections that are being built
}

// fillJSON sets all slots from text.
func (m *Machine) fillJSON(text []byte) error {
	d := &m.decode
	d.src, d.pos, d.depth = text, 0, 0
	d.stack = d.stack[:0]
	clear(m.slots)
	d.space()
	var err error
	if m.code.fields.full {
		var v Value
		v, err = m.decodeValue()
		m.fillWhole(rootField, v)
		m.slots[rootField] = v
	} else {
		err = m.decodeField(rootField)
	}
	if err != nil {
		return err
	}
	d.space()
	if d.pos != len(d.src) {
		return d.fail("data after the value")
	}
	return nil
}

func (d *decoder) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrInput, what, d.pos)
}

func (d *decoder) space() {
	if d.pos < len(d.src) && d.src[d.pos] > ' ' {
		return
	}
	d.spaces()
}

func (d *decoder) spaces() {
	for d.pos < len(d.src) {
		switch d.src[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end.
func (d *decoder) peek() byte {
	if d.pos < len(d.src) {
		return d.src[d.pos]
	}
	return 0
}

// decodeField reads the value of field n, and of the fields inside it.
func (m *Machine) decodeField(n int32) error {
	d := &m.decode
	t := &m.code.fields.nodes[n]
	if m.slots[n].k != KindUndefined {
		m.clearField(n) // a duplicate key
	}
	if t.whole {
		v, err := m.decodeValue()
		m.slots[n] = v
		m.fillWhole(n, v)
		return err
	}
	m.slots[n] = Value{k: kindPresent}
	if d.peek() != '{' || len(t.children) == 0 {
		return m.skip()
	}
	return m.object(func(key string) error {
		if c := m.code.fields.find(n, key); c >= 0 {
			return m.decodeField(c)
		}
		return m.skip()
	})
}

func (m *Machine) clearField(n int32) {
	m.slots[n] = Value{}
	for _, c := range m.code.fields.nodes[n].children {
		m.clearField(c)
	}
}

// object reads an object; member reads the value of each key.
func (m *Machine) object(member func(key string) error) error {
	d := &m.decode
	if err := m.enter(); err != nil {
		return err
	}
	d.pos++
	d.space()
	if d.peek() == '}' {
		d.pos++
		d.depth--
		return nil
	}
	for {
		if d.peek() != '"' {
			return d.fail("want a key")
		}
		key, err := m.text()
		if err != nil {
			return err
		}
		d.space()
		if d.peek() != ':' {
			return d.fail("want a colon")
		}
		d.pos++
		d.space()
		if err := member(key); err != nil {
			return err
		}
		more, err := d.more('}')
		if !more {
			d.depth--
			return err
		}
	}
}

// array reads an array; elem reads each element.
func (m *Machine) array(elem func() error) error {
	d := &m.decode
	if err := m.enter(); err != nil {
		return err
	}
	d.pos++
	d.space()
	if d.peek() == ']' {
		d.pos++
		d.depth--
		return nil
	}
	for {
		if err := elem(); err != nil {
			return err
		}
		more, err := d.more(']')
		if !more {
			d.depth--
			return err
		}
	}
}

func (m *Machine) enter() error {
	m.decode.depth++
	if m.decode.depth > m.prog.limits.Depth {
		return m.decode.fail("nesting beyond the limit")
	}
	return nil
}

// more reads what follows a member: a comma, or the end.
func (d *decoder) more(end byte) (bool, error) {
	d.space()
	switch d.peek() {
	case ',':
		d.pos++
		d.space()
		return true, nil
	case end:
		d.pos++
		return false, nil
	}
	return false, d.fail("want a comma or the end")
}

// decodeValue reads the value at the position.
func (m *Machine) decodeValue() (Value, error) {
	d := &m.decode
	switch c := d.peek(); {
	case c == '"':
		s, err := m.text()
		return String(s), err
	case c == '{':
		return m.decodeObject()
	case c == '[':
		return m.decodeArray()
	case c == 't':
		return Bool(true), d.word("true")
	case c == 'f':
		return Bool(false), d.word("false")
	case c == 'n':
		return Null(), d.word("null")
	}
	start := d.pos
	if err := d.number(); err != nil {
		return Value{}, err
	}
	return Number(view(d.src[start:d.pos])), nil
}

func (m *Machine) decodeArray() (Value, error) {
	d := &m.decode
	base := len(d.stack)
	err := m.array(func() error {
		v, err := m.decodeValue()
		d.stack = append(d.stack, v)
		return err
	})
	if err != nil {
		return Value{}, err
	}
	out := m.newArray(len(d.stack) - base)
	out.elems = append(out.elems, d.stack[base:]...)
	d.stack = d.stack[:base]
	return ofArray(out), nil
}

func (m *Machine) decodeObject() (Value, error) {
	d := &m.decode
	base := len(d.stack)
	err := m.object(func(key string) error {
		d.stack = append(d.stack, String(key))
		v, err := m.decodeValue()
		d.stack = append(d.stack, v)
		return err
	})
	if err != nil {
		return Value{}, err
	}
	out := m.newObject()
	pairs := d.stack[base:]
	n := len(pairs) / 2
	out.elems, out.vals = m.slice(n)[:0], m.slice(n)[:0]
	for i := 0; i < len(pairs); i += 2 {
		m.insert(out, &pairs[i], &pairs[i+1])
	}
	out.shared = true
	d.stack = d.stack[:base]
	return ofObject(out), nil
}

// skip checks the value at the position and passes over it.
func (m *Machine) skip() error {
	d := &m.decode
	switch d.peek() {
	case '"':
		return m.skipText()
	case '{':
		return m.object(func(string) error { return m.skip() })
	case '[':
		return m.array(m.skip)
	case 't':
		return d.word("true")
	case 'f':
		return d.word("false")
	case 'n':
		return d.word("null")
	}
	return d.number()
}

func (d *decoder) word(w string) error {
	if len(d.src)-d.pos < len(w) || string(d.src[d.pos:d.pos+len(w)]) != w {
		return d.fail("want " + w)
	}
	d.pos += len(w)
	return nil
}

// number passes over a number.
func (d *decoder) number() error {
	if d.peek() == '-' {
		d.pos++
	}
	switch c := d.peek(); {
	case c == '0':
		d.pos++
	case c >= '1' && c <= '9':
		d.digits()
	default:
		return d.fail("want a value")
	}
	if d.peek() == '.' {
		d.pos++
		if !d.digits() {
			return d.fail("want a digit")
		}
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.pos++
		if c := d.peek(); c == '+' || c == '-' {
			d.pos++
		}
		if !d.digits() {
			return d.fail("want a digit")
		}
	}
	return nil
}

func (d *decoder) digits() bool {
	start := d.pos
	for d.pos < len(d.src) && d.src[d.pos]-'0' <= 9 {
		d.pos++
	}
	return d.pos > start
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain returns the position of the first byte from i on that is not plain inside
// a string: a quote, a backslash, a control character or not ASCII. Eight bytes
// at a time.
func plain(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		special := (w - ones*0x20) | (quote - ones) | (slash - ones) | w
		if special &= highs; special != 0 {
			// Borrows can only raise bits above the first special byte.
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(b) && b[i] >= 0x20 && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// text reads the string at the position. The result is a view of the input, or
// of the arena if the string had to be changed.
func (m *Machine) text() (string, error) {
	d := &m.decode
	start := d.pos + 1
	i := plain(d.src, start)
	if i < len(d.src) && d.src[i] == '"' {
		d.pos = i + 1
		return view(d.src[start:i]), m.fits(i - start)
	}
	end, clean, err := d.endOfText(i)
	if err != nil {
		return "", err
	}
	d.pos = end + 1
	raw := d.src[start:end]
	if err := m.fits(len(raw)); err != nil || clean {
		return view(raw), err
	}
	out := m.bytes(3 * len(raw))[:0] // a stray byte becomes three
	return view(unquote(out, raw)), nil
}

func (m *Machine) fits(n int) error {
	if n > m.prog.limits.String {
		return m.decode.fail("string beyond the limit")
	}
	return nil
}

// skipText passes over the string at the position.
func (m *Machine) skipText() error {
	d := &m.decode
	start := d.pos + 1
	end, _, err := d.endOfText(plain(d.src, start))
	if err != nil {
		return err
	}
	d.pos = end + 1
	return m.fits(end - start)
}

// endOfText returns where the string ends that is plain up to i, and whether it
// needs no change to be used.
func (d *decoder) endOfText(i int) (end int, clean bool, err error) {
	clean = true
	for i < len(d.src) {
		switch c := d.src[i]; {
		case c == '"':
			return i, clean, nil
		case c == '\\':
			clean = false
			n := d.escape(i)
			if n == 0 {
				d.pos = i
				return 0, false, d.fail("invalid escape")
			}
			i += n
		case c < 0x20:
			d.pos = i
			return 0, false, d.fail("control character in a string")
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(d.src[i:])
			clean = clean && (r != utf8.RuneError || n > 1)
			i += n
		}
		i = plain(d.src, i)
	}
	d.pos = i
	return 0, false, d.fail("string without an end")
}

// escape returns the length of the escape sequence at i, 0 if it is invalid.
func (d *decoder) escape(i int) int {
	if i+1 >= len(d.src) {
		return 0
	}
	switch d.src[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(d.src[i+2:]); ok {
			return 6
		}
	}
	return 0
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unquote appends the meaning of a valid string body to dst.
func unquote(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c != '\\' && c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		case c != '\\':
			r, n := utf8.DecodeRune(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		case raw[i+1] == 'u':
			r, n := unicodeEscape(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		default:
			dst = append(dst, unescaped(raw[i+1]))
			i += 2
		}
	}
	return dst
}

// unicodeEscape reads \uXXXX, or a pair of them that is one character.
func unicodeEscape(raw []byte) (rune, int) {
	r, _ := hex4(raw[2:])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
		if low, ok := hex4(raw[8:]); ok {
			if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
				return both, 12
			}
		}
	}
	return utf8.RuneError, 6
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
