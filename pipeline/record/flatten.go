package record

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/riposte-sec/riposte/internal/columns"
)

// maxDepth is the deepest nesting that is flattened, one more than what ingest lets through.
const maxDepth = 40

// flattener turns a vendor's JSON object into pairs of path and text: the members' names
// joined by dots, strings without quotes and escapes, numbers, true and false as they are
// written. A list is one pair, its text the JSON as it came; null and empty objects are none.
//
//	{"a":{"b":1,"c":null},"d":["x"]}   a.b = 1, d = ["x"]
//
// The pairs of a member that comes twice come twice. It reads what ingest has validated, so
// it checks no more than it needs to stay inside the bytes. The zero value is ready to use.
type flattener struct {
	p     []byte
	i     int
	path  []byte
	text  []byte // the last string, unescaped: a view of p or of buf
	buf   []byte
	depth int
}

var errFlatten = errors.New("malformed JSON object")

// flatten appends the pairs of object to the open row of out.
func (f *flattener) flatten(object []byte, out *columns.Map) error {
	f.p, f.i, f.path, f.depth = object, 0, f.path[:0], 0
	if f.space() != '{' {
		return f.fail()
	}
	if err := f.object(out); err != nil {
		return err
	}
	if f.space() != 0 {
		return f.fail()
	}
	return nil
}

func (f *flattener) fail() error { return fmt.Errorf("%w at byte %d", errFlatten, f.i) }

// space skips space and returns the next byte, 0 at the end.
func (f *flattener) space() byte {
	for f.i < len(f.p) {
		switch c := f.p[f.i]; c {
		case ' ', '\t', '\n', '\r':
			f.i++
		default:
			return c
		}
	}
	return 0
}

// object reads an object whose bracket is next.
func (f *flattener) object(out *columns.Map) error {
	if f.depth++; f.depth > maxDepth {
		return f.fail()
	}
	f.i++
	if f.space() == '}' {
		f.i++
		f.depth--
		return nil
	}
	base := len(f.path)
	for {
		if err := f.member(out); err != nil {
			return err
		}
		f.path = f.path[:base]
		switch f.space() {
		case ',':
			f.i++
		case '}':
			f.i++
			f.depth--
			return nil
		default:
			return f.fail()
		}
	}
}

// member reads a name, a colon and a value, the path being that of the object.
func (f *flattener) member(out *columns.Map) error {
	if f.space() != '"' {
		return f.fail()
	}
	if err := f.string(); err != nil {
		return err
	}
	if f.depth > 1 {
		f.path = append(f.path, '.')
	}
	f.path = append(f.path, f.text...)
	if f.space() != ':' {
		return f.fail()
	}
	f.i++
	return f.value(out)
}

// value reads a value and appends its pairs.
func (f *flattener) value(out *columns.Map) error {
	switch c := f.space(); c {
	case '{':
		return f.object(out)
	case '"':
		if err := f.string(); err != nil {
			return err
		}
		out.Keys.AppendBytes(f.path)
		out.Values.AppendBytes(f.text)
		return nil
	case '[':
		from := f.i
		if err := f.skipList(); err != nil {
			return err
		}
		out.Keys.AppendBytes(f.path)
		out.Values.AppendBytes(f.p[from:f.i])
		return nil
	}
	return f.scalar(out)
}

// scalar reads a number, true, false or null.
func (f *flattener) scalar(out *columns.Map) error {
	from := f.i
	for f.i < len(f.p) && inScalar(f.p[f.i]) {
		f.i++
	}
	if f.i == from {
		return f.fail()
	}
	if text := f.p[from:f.i]; string(text) != "null" {
		out.Keys.AppendBytes(f.path)
		out.Values.AppendBytes(text)
	}
	return nil
}

// inScalar reports whether c may be part of a number or a name.
func inScalar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// skipList passes over a list, whatever is in it.
func (f *flattener) skipList() error {
	open := 0
	for f.i < len(f.p) {
		switch f.p[f.i] {
		case '[', '{':
			open++
		case ']', '}':
			open--
		case '"':
			for f.i++; f.i < len(f.p) && f.p[f.i] != '"'; f.i++ {
				if f.p[f.i] == '\\' {
					f.i++
				}
			}
		}
		f.i++
		if open == 0 {
			return nil
		}
	}
	f.i = len(f.p)
	return f.fail()
}

// string reads a string whose quote is next into f.text: a view of the object where it has no
// escapes, which is nearly always.
func (f *flattener) string() error {
	f.i++
	rest := f.p[f.i:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		f.i = len(f.p)
		return f.fail()
	}
	if bytes.IndexByte(rest[:end], '\\') < 0 {
		f.text = rest[:end]
		f.i += end + 1
		return nil
	}
	return f.unescape()
}

// unescape reads the rest of a string that has escapes.
func (f *flattener) unescape() error {
	f.buf = f.buf[:0]
	from := f.i
	for f.i < len(f.p) {
		switch f.p[f.i] {
		case '"':
			f.buf = append(f.buf, f.p[from:f.i]...)
			f.text = f.buf
			f.i++
			return nil
		case '\\':
			f.buf = append(f.buf, f.p[from:f.i]...)
			if err := f.escape(); err != nil {
				return err
			}
			from = f.i
		default:
			f.i++
		}
	}
	return f.fail()
}

// escape reads an escape whose backslash is next.
func (f *flattener) escape() error {
	if f.i+1 >= len(f.p) {
		f.i = len(f.p)
		return f.fail()
	}
	c := f.p[f.i+1]
	f.i += 2
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return f.unicode()
	default:
		return f.fail()
	}
	f.buf = append(f.buf, c)
	return nil
}

// unicode reads the digits of an escape, and those of a second one where both are halves of
// one character. A half by itself becomes U+FFFD.
func (f *flattener) unicode() error {
	u, ok := f.hex(f.i)
	if !ok {
		return f.fail()
	}
	f.i += 4
	if utf16.IsSurrogate(u) && f.i+1 < len(f.p) && f.p[f.i] == '\\' && f.p[f.i+1] == 'u' {
		if low, ok := f.hex(f.i + 2); ok {
			if pair := utf16.DecodeRune(u, low); pair != utf8.RuneError {
				f.i += 6
				u = pair
			}
		}
	}
	f.buf = utf8.AppendRune(f.buf, u)
	return nil
}

// hex reads the four digits at i.
func (f *flattener) hex(i int) (rune, bool) {
	if i+4 > len(f.p) {
		return 0, false
	}
	var u rune
	for _, c := range f.p[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			u = u<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			u = u<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			u = u<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return u, true
}
