package engine

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// view returns b as a string without copying it.
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
