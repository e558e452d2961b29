package normalise

import (
	"encoding/binary"
	"math/bits"

	"github.com/riposte-sec/riposte/pipeline"
)

// spanKind is what kind of JSON value a span is.
type spanKind uint8

const (
	spanNone    spanKind = iota // the record has no such value
	spanString                  // without quotes, no escapes in it
	spanEscaped                 // without quotes, as written
	spanNumber
	spanTrue
	spanFalse
	spanNull
	spanObject // with its brackets
	spanList   // with its brackets
	spanText   // a spanEscaped whose text was made
)

// span is where a value lies in the record.
type span struct {
	from, to uint32
	kind     spanKind
}

// scanner walks one record: it checks the grammar and the limits of the whole and fills the
// slots that the plan asks for. Its methods take a position and return the one after what
// they read, or -1 with reason set.
type scanner struct {
	p      []byte
	slots  []span
	keys   keyTable
	orders []order // by node.index
	arena  *pipeline.Arena
	nodes  int
	reason string // why the record is refused
	at     int    // where
	twice  bool   // an object has a name twice
	lone   bool   // a lone surrogate is escaped
	long   bool   // a string is longer than MaxString
}

// scan reads the record p, which must be UTF-8, and returns the bytes of its object without
// the white space around them, nil if it is refused.
func (s *scanner) scan(p []byte, root *node, arena *pipeline.Arena) []byte {
	clear(s.slots)
	s.p, s.arena, s.nodes, s.reason, s.twice, s.lone, s.long = p, arena, 0, "", false, false, false
	s.keys.begin()
	from := space(p, 0)
	if from == len(p) {
		s.fail(ReasonEmpty, from)
		return nil
	}
	to := s.value(from, root, 0)
	if to < 0 {
		return nil
	}
	if end := space(p, to); end != len(p) {
		s.fail(ReasonSyntax, end)
		return nil
	}
	if p[from] != '{' {
		s.fail(ReasonNotObject, from)
		return nil
	}
	return p[from:to:to]
}

func (s *scanner) fail(reason string, at int) int {
	s.reason, s.at = reason, at
	return -1
}

func space(p []byte, i int) int {
	for i < len(p) && p[i] <= ' ' && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r') {
		i++
	}
	return i
}

// value reads any value. n is what the plan wants of it, nil for nothing.
func (s *scanner) value(i int, n *node, depth int) int {
	if i >= len(s.p) {
		return s.fail(ReasonSyntax, i)
	}
	if s.nodes++; s.nodes > MaxNodes {
		return s.fail(ReasonTooManyNodes, i)
	}
	from := i
	var kind spanKind
	switch c := s.p[i]; c {
	case '"':
		return s.textValue(i+1, n)
	case '{':
		kind = spanObject
		i = s.object(i+1, n, depth+1)
	case '[':
		kind = spanList
		i = s.list(i+1, n, depth+1)
	case 't':
		kind = spanTrue
		i = s.word(i, "true")
	case 'f':
		kind = spanFalse
		i = s.word(i, "false")
	case 'n':
		kind = spanNull
		i = s.word(i, "null")
	default:
		kind = spanNumber
		i = s.number(i)
	}
	if i >= 0 && n != nil && n.slot >= 0 {
		// A value inside this one may be the same to the mapping; the inner one counts.
		if sp := &s.slots[n.slot]; sp.kind == spanNone || int(sp.from) < from {
			*sp = span{uint32(from), uint32(i), kind}
		}
	}
	return i
}

// textValue reads a string from behind its quote.
func (s *scanner) textValue(i int, n *node) int {
	to, escaped := s.text(i)
	if to < 0 {
		return to
	}
	if to-i > MaxString {
		s.long = true
	}
	if n != nil && n.slot >= 0 {
		kind := spanString
		if escaped {
			kind = spanEscaped
		}
		s.slots[n.slot] = span{uint32(i), uint32(to), kind}
	}
	return to + 1
}

// object reads an object from behind its bracket.
func (s *scanner) object(i int, n *node, depth int) int {
	if depth > MaxDepth {
		return s.fail(ReasonTooDeep, i)
	}
	if i = space(s.p, i); i < len(s.p) && s.p[i] == '}' {
		return i + 1
	}
	w := s.begin(n)
	for {
		if i = space(s.p, i); i >= len(s.p) || s.p[i] != '"' {
			return s.fail(ReasonSyntax, i)
		}
		to, child := s.member(&w, i+1, n)
		if to < 0 {
			return to
		}
		if i = space(s.p, to+1); i >= len(s.p) || s.p[i] != ':' {
			return s.fail(ReasonSyntax, i)
		}
		if i = s.value(space(s.p, i+1), child, depth); i < 0 {
			return i
		}
		if i = space(s.p, i); i >= len(s.p) {
			return s.fail(ReasonSyntax, i)
		}
		switch s.p[i] {
		case ',':
			i++
		case '}':
			w.end()
			return i + 1
		default:
			return s.fail(ReasonSyntax, i)
		}
	}
}

// member reads the name that begins at i and returns where it ends and what the plan wants
// of its value. Of a name that stands twice the last one counts: what the first one filled
// is emptied.
func (s *scanner) member(w *walk, i int, n *node) (int, *node) {
	if !w.strayed {
		if to, child, ok := w.expected(s.p, i); ok {
			return to, child
		}
		w.stray(&s.keys)
	}
	to, escaped := s.text(i)
	if to < 0 {
		return to, nil
	}
	if to-i > MaxKey {
		return s.fail(ReasonKeyTooLong, i), nil
	}
	name := s.p[i:to]
	if escaped {
		name = unescape(s.arena, name)
	}
	hash := hashKey(s.keys.seed, name)
	var child *node
	if n != nil && n.members != nil {
		child = n.members.find(hash, name)
	}
	if s.keys.seen(w.object, hash, pipeline.View(name)) {
		s.twice = true
		if child != nil {
			for _, slot := range child.below {
				s.slots[slot] = span{}
			}
		}
	} else if w.order != nil && !escaped {
		w.learn(pipeline.View(name), hash, child)
	}
	return to, child
}

// list reads a list from behind its bracket.
func (s *scanner) list(i int, n *node, depth int) int {
	if depth > MaxDepth {
		return s.fail(ReasonTooDeep, i)
	}
	if i = space(s.p, i); i < len(s.p) && s.p[i] == ']' {
		return i + 1
	}
	for k := 0; ; k++ {
		var child *node
		if n != nil && k < len(n.elements) {
			child = n.elements[k]
		}
		if i = s.value(space(s.p, i), child, depth); i < 0 {
			return i
		}
		if i = space(s.p, i); i >= len(s.p) {
			return s.fail(ReasonSyntax, i)
		}
		switch s.p[i] {
		case ',':
			i++
		case ']':
			return i + 1
		default:
			return s.fail(ReasonSyntax, i)
		}
	}
}

// text reads a string from behind its quote and returns where the closing quote is, and
// whether there are escapes before it.
func (s *scanner) text(i int) (to int, escaped bool) {
	p := s.p
	for {
		for i+8 <= len(p) {
			if m := special(binary.LittleEndian.Uint64(p[i:])); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if len(p)-i < 8 { // near the end of the record
			for i < len(p) && p[i] != '"' && p[i] != '\\' && p[i] >= ' ' {
				i++
			}
			if i == len(p) {
				return s.fail(ReasonSyntax, i), false
			}
		}
		switch p[i] {
		case '"':
			return i, escaped
		case '\\':
			escaped = true
			if i = s.escape(i); i < 0 {
				return i, false
			}
		default:
			return s.fail(ReasonSyntax, i), false
		}
	}
}

// special marks the first byte of w that is a quote, a backslash or a control character, in
// its highest bit. Bytes above the first may be marked wrongly.
func special(w uint64) uint64 {
	const lo, hi = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^('"'*lo), w^('\\'*lo)
	return ((w-' '*lo)&^w | (quote-lo)&^quote | (slash-lo)&^slash) & hi
}

// escape reads an escape that begins at i.
func (s *scanner) escape(i int) int {
	if i+1 >= len(s.p) {
		return s.fail(ReasonSyntax, i)
	}
	switch s.p[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		u, ok := hex4(s.p, i+2)
		if !ok {
			return s.fail(ReasonSyntax, i)
		}
		if u>>11 != 0xd800>>11 {
			return i + 6
		}
		if low, ok := escaped16(s.p, i+6); u < 0xdc00 && ok && low >= 0xdc00 && low < 0xe000 {
			return i + 12
		}
		s.lone = true
		return i + 6
	}
	return s.fail(ReasonSyntax, i)
}

// escaped16 reads the code unit of the escape \uXXXX at i, if there is one.
func escaped16(p []byte, i int) (uint16, bool) {
	if i+6 > len(p) || p[i] != '\\' || p[i+1] != 'u' {
		return 0, false
	}
	return hex4(p, i+2)
}

func hex4(p []byte, i int) (uint16, bool) {
	if i+4 > len(p) {
		return 0, false
	}
	var u uint16
	for _, c := range p[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		u = u<<4 | uint16(c)
	}
	return u, true
}

func (s *scanner) word(i int, word string) int {
	if len(s.p)-i < len(word) || string(s.p[i:i+len(word)]) != word {
		return s.fail(ReasonSyntax, i)
	}
	return i + len(word)
}

// number reads a number (RFC 8259, section 6) within the limits.
func (s *scanner) number(i int) int {
	p, from := s.p, i
	if p[i] == '-' {
		i++
	}
	whole := digits(p, i)
	if whole == i || p[i] == '0' && whole > i+1 {
		return s.fail(ReasonSyntax, i)
	}
	count := whole - i
	i = whole
	if i < len(p) && p[i] == '.' {
		end := digits(p, i+1)
		if end == i+1 {
			return s.fail(ReasonSyntax, i)
		}
		count += end - i - 1
		i = end
	}
	if count > MaxDigits {
		return s.fail(ReasonNumber, from)
	}
	if i < len(p) && p[i]|0x20 == 'e' {
		return s.exponent(i + 1)
	}
	return i
}

// exponent reads what follows the e of a number.
func (s *scanner) exponent(i int) int {
	if i < len(s.p) && (s.p[i] == '+' || s.p[i] == '-') {
		i++
	}
	end, exponent := digits(s.p, i), 0
	if end == i {
		return s.fail(ReasonSyntax, i)
	}
	for ; i < end && exponent <= MaxExponent; i++ {
		exponent = exponent*10 + int(s.p[i]-'0')
	}
	if exponent > MaxExponent {
		return s.fail(ReasonNumber, i)
	}
	return end
}

func digits(p []byte, i int) int {
	for i < len(p) && p[i] >= '0' && p[i] <= '9' {
		i++
	}
	return i
}
