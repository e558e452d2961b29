package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// errJSON is what every malformed value ends in; the reader adds where.
var errJSON = errors.New("malformed JSON")

// maxDepth is the deepest nesting that is read, one more than what ingest lets through.
const maxDepth = 40

// reader reads the JSON of our own topics in one pass. After the first fault it stands
// still: every method returns its zero value and Err tells where it happened.
type reader struct {
	p     []byte
	i     int
	fault int // position of the first fault plus one, 0 = none
	arena *Arena
}

func (r *reader) fail() {
	if r.fault == 0 {
		r.fault = r.i + 1
	}
}

// err returns the fault, marked as Reject, or what is wrong with the end of the value.
func (r *reader) err(what string) error {
	if r.fault == 0 {
		if r.space(); r.i == len(r.p) {
			return nil
		}
		r.fail()
	}
	return AsReject("malformed", fmt.Errorf("%s: %w at byte %d", what, errJSON, r.fault-1))
}

func (r *reader) space() {
	for r.i < len(r.p) {
		switch r.p[r.i] {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return
		}
	}
}

// peek returns the next byte that is no space, 0 at the end or after a fault.
func (r *reader) peek() byte {
	if r.space(); r.fault != 0 || r.i >= len(r.p) {
		return 0
	}
	return r.p[r.i]
}

// enter reads the bracket that opens an object or a list.
func (r *reader) enter(open byte) {
	if r.peek() != open {
		r.fail()
		return
	}
	r.i++
}

// more reads up to element n of what enter opened and reports whether there is one.
func (r *reader) more(closing byte, n int) bool {
	switch c := r.peek(); {
	case c == closing:
		r.i++
		return false
	case r.fault != 0 || c == 0:
		r.fail()
		return false
	case n == 0:
		return true
	case c == ',':
		r.i++
		return true
	}
	r.fail()
	return false
}

// key reads the name of a member and its colon.
func (r *reader) key() string {
	k := r.string()
	if r.peek() != ':' {
		r.fail()
		return ""
	}
	r.i++
	return k
}

// string reads a string: a view into the value, or into the arena where it had escapes.
func (r *reader) string() string {
	if r.peek() != '"' {
		r.fail()
		return ""
	}
	from := r.i + 1
	end := bytes.IndexByte(r.p[from:], '"')
	if end < 0 {
		r.fail()
		return ""
	}
	s := r.p[from : from+end]
	if bytes.IndexByte(s, '\\') < 0 {
		r.i = from + end + 1
		return View(s)
	}
	r.i = from
	return r.unescape()
}

// unescape reads the rest of a string that has escapes, the opening quote being read.
func (r *reader) unescape() string {
	room := r.arena.room(bytesToQuote(r.p[r.i:]))
	out := room
	for r.i < len(r.p) {
		c := r.p[r.i]
		r.i++
		switch {
		case c == '"':
			return View(r.arena.took(room, out, len(room)))
		case c != '\\':
			out = append(out, c)
		default:
			out = r.escape(out)
		}
		if r.fault != 0 {
			return ""
		}
	}
	r.fail()
	return ""
}

// bytesToQuote returns how many bytes the string at the start of p has, escapes counted as
// they are written.
func bytesToQuote(p []byte) int {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(p)
}

// escape reads what follows a backslash.
func (r *reader) escape(out []byte) []byte {
	if r.i >= len(r.p) {
		r.fail()
		return out
	}
	c := r.p[r.i]
	r.i++
	switch c {
	case '"', '\\', '/':
		return append(out, c)
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'u':
		u := r.hex4()
		if utf16.IsSurrogate(u) && r.i+1 < len(r.p) && r.p[r.i] == '\\' && r.p[r.i+1] == 'u' {
			before := r.i
			r.i += 2
			if pair := utf16.DecodeRune(u, r.hex4()); pair != utf8.RuneError {
				return utf8.AppendRune(out, pair)
			}
			r.i = before
		}
		return utf8.AppendRune(out, u) // a lone surrogate becomes U+FFFD
	}
	r.fail()
	return out
}

func (r *reader) hex4() rune {
	if len(r.p)-r.i < 4 {
		r.fail()
		return 0
	}
	v, err := strconv.ParseUint(View(r.p[r.i:r.i+4]), 16, 16)
	if err != nil || r.p[r.i] == '+' {
		r.fail()
		return 0
	}
	r.i += 4
	return rune(v)
}

// int reads a number without a fraction.
func (r *reader) int() int64 {
	tok := r.token()
	v, err := strconv.ParseInt(tok, 10, 64)
	if err != nil {
		r.fail()
		return 0
	}
	return v
}

// uint reads a number of at most bits bits.
func (r *reader) uint(bits uint) uint64 {
	v := r.int()
	if v < 0 || uint64(v)>>bits != 0 {
		r.fail()
		return 0
	}
	return uint64(v)
}

// bool reads true or false.
func (r *reader) bool() bool {
	switch r.token() {
	case "true":
		return true
	case "false":
		return false
	}
	r.fail()
	return false
}

// token reads a number, true, false or null.
func (r *reader) token() string {
	r.peek()
	from := r.i
	for r.fault == 0 && r.i < len(r.p) {
		c := r.p[r.i]
		if c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != 'E' {
			break
		}
		r.i++
	}
	if r.i == from {
		r.fail()
		return ""
	}
	return View(r.p[from:r.i])
}

// id reads an ID.
func (r *reader) id() ID {
	var id ID
	s := r.string()
	if err := id.UnmarshalText(unsafe.Slice(unsafe.StringData(s), len(s))); err != nil {
		r.fail()
	}
	return id
}

// strings reads a list of strings and appends it to dst.
func (r *reader) strings(dst []string) []string {
	r.enter('[')
	for n := 0; r.more(']', n); n++ {
		dst = append(dst, r.string())
	}
	return dst
}

// raw reads any value and returns its bytes.
func (r *reader) raw() []byte {
	r.peek()
	from := r.i
	r.skip(0)
	if r.fault != 0 {
		return nil
	}
	return r.p[from:r.i:r.i]
}

// skip reads any value and forgets it. Numbers and names are not checked: what lies on our
// topics was validated when it came in.
func (r *reader) skip(depth int) {
	if depth > maxDepth {
		r.fail()
		return
	}
	switch r.peek() {
	case '"':
		n := r.i + 1 + bytesToQuote(r.p[r.i+1:])
		if n >= len(r.p) {
			r.fail()
			return
		}
		r.i = n + 1
	case '{':
		r.i++
		for n := 0; r.more('}', n); n++ {
			r.skip(depth + 1)
			r.enter(':')
			r.skip(depth + 1)
		}
	case '[':
		r.i++
		for n := 0; r.more(']', n); n++ {
			r.skip(depth + 1)
		}
	default:
		r.token()
	}
}
