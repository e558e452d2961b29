package feeds

import "strings"

// term is one comparison of a STIX pattern: the object path must equal the value.
type term struct{ path, value string }

// maxTerms is how many alternatives a pattern may have.
const maxTerms = 1000

// stixPattern reads a pattern of the simple kind: alternatives of equal comparisons,
//
//	[ipv4-addr:value = '198.51.100.1' OR domain-name:value IN ('a.example', 'b.example')] OR [...]
//
// of which each by itself says "this is bad". What demands more - AND, FOLLOWEDBY, NOT,
// MATCHES, LIKE, qualifiers - is not of that kind, and ok is false: to take one part of a
// conjunction for the whole would be an alarm that its author did not mean.
func stixPattern(pattern string) (terms []term, ok bool) {
	l := &stixLexer{rest: pattern}
	for {
		if !l.take("[") {
			return nil, false
		}
		for {
			if terms, ok = l.comparison(terms); !ok || len(terms) > maxTerms {
				return nil, false
			}
			if !l.takeWord("OR") {
				break
			}
		}
		if !l.take("]") {
			return nil, false
		}
		if l.space(); l.rest == "" {
			return terms, true
		}
		if !l.takeWord("OR") {
			return nil, false
		}
	}
}

type stixLexer struct{ rest string }

func (l *stixLexer) space() { l.rest = strings.TrimLeft(l.rest, " \t\r\n") }

func (l *stixLexer) take(symbol string) bool {
	l.space()
	rest, ok := strings.CutPrefix(l.rest, symbol)
	if ok {
		l.rest = rest
	}
	return ok
}

// takeWord takes a keyword, in any case, that ends where a word ends.
func (l *stixLexer) takeWord(word string) bool {
	l.space()
	if len(l.rest) <= len(word) || !strings.EqualFold(l.rest[:len(word)], word) || isPathByte(l.rest[len(word)]) {
		return false
	}
	l.rest = l.rest[len(word):]
	return true
}

// comparison reads path = 'value', path IN ('value', ...) or path ISSUBSET 'network'.
func (l *stixLexer) comparison(terms []term) ([]term, bool) {
	path, ok := l.path()
	if !ok {
		return nil, false
	}
	if l.take("=") || l.takeWord("ISSUBSET") {
		value, ok := l.text()
		return append(terms, term{path, value}), ok
	}
	if !l.takeWord("IN") || !l.take("(") {
		return nil, false
	}
	for {
		value, ok := l.text()
		if !ok || len(terms) > maxTerms {
			return nil, false
		}
		terms = append(terms, term{path, value})
		if !l.take(",") {
			return terms, l.take(")")
		}
	}
}

func isPathByte(b byte) bool {
	return b == '-' || b == '_' || b == '.' || b == ':' || b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}

// path reads an object path; names with other characters stand in quotes.
func (l *stixLexer) path() (string, bool) {
	l.space()
	i, quoted := 0, false
	for i < len(l.rest) {
		b := l.rest[i]
		if b == '\'' {
			quoted = !quoted
		} else if !quoted && !isPathByte(b) {
			break
		}
		i++
	}
	path := l.rest[:i]
	l.rest = l.rest[i:]
	return path, !quoted && strings.Contains(path, ":")
}

// text reads a string in quotes; \' and \\ stand for ' and \.
func (l *stixLexer) text() (string, bool) {
	if !l.take("'") {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(l.rest); i++ {
		switch c := l.rest[i]; c {
		case '\'':
			l.rest = l.rest[i+1:]
			return b.String(), true
		case '\\':
			i++
			if i == len(l.rest) || l.rest[i] != '\'' && l.rest[i] != '\\' {
				return "", false
			}
			b.WriteByte(l.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
