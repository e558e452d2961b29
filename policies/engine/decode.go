package engine

import (
	"fmt"
	"strconv"
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

	maxDigits int
}

// fillJSON sets all slots from text.
func (m *Machine) fillJSON(text []byte) error {
	d := &m.decode
	d.src, d.pos, d.depth, d.maxDigits = text, 0, 0, m.prog.limits.Digits
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
	switch d.peek() {
	case '"':
		s, err := m.text()
		return String(s), err
	case '{':
		return m.decodeObject()
	case '[':
		return m.decodeArray()
	case 't':
		return Bool(true), d.word("true")
	case 'f':
		return Bool(false), d.word("false")
	case 'n':
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
	start := d.pos
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
	exp := 0
	if c := d.peek(); c == 'e' || c == 'E' {
		d.pos++
		from := d.pos
		if c := d.peek(); c == '+' || c == '-' {
			d.pos++
		}
		if !d.digits() {
			return d.fail("want a digit")
		}
		var err error
		if exp, err = strconv.Atoi(view(d.src[from:d.pos])); err != nil {
			return d.fail("number too big")
		}
	}
	if d.pos-start+max(exp, -exp) > d.maxDigits {
		return d.fail("number too big")
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
