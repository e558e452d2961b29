package engine

import (
	"regexp/syntax"
	"strings"
)

const (
	minLiteral  = 3  // shortest string that a regular expression requires worth looking for
	maxLiterals = 64 // alternatives of one regular expression
)

// literals returns strings of which each match of the pattern contains one; none
// if it knows no such strings. If folded, case is ignored: the match in lower case
// contains one of them in lower case.
func literals(pattern string) (texts []string, folded bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, false
	}
	texts, folded = required(re.Simplify())
	if len(texts) > maxLiterals || shortest(texts) < minLiteral {
		return nil, false
	}
	return texts, folded
}

// required returns strings of which re cannot match without one: the longest that
// it finds.
func required(re *syntax.Regexp) (texts []string, folded bool) {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}, false
		}
		return foldedLiteral(re.Rune), true
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if t, f := required(sub); shortest(t) > shortest(texts) {
				texts, folded = t, f
			}
		}
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			t, f := required(sub)
			if len(t) == 0 {
				return nil, false
			}
			texts, folded = append(texts, t...), folded || f
		}
	default:
	}
	return texts, folded
}

// foldedLiteral returns the longest part of a literal that ignores case, in lower
// case. The letter s is no part of one: the long s matches it and has another
// lower case.
func foldedLiteral(runes []rune) []string {
	text := ""
	lower := strings.ToLower(string(runes))
	for _, part := range strings.FieldsFunc(lower, func(r rune) bool { return r == 's' || r > 'z' }) {
		if len(part) > len(text) {
			text = part
		}
	}
	if text == "" {
		return nil
	}
	return []string{text}
}

// shortest returns the length of the shortest of texts, 0 if there are none.
func shortest(texts []string) int {
	if len(texts) == 0 {
		return 0
	}
	n := len(texts[0])
	for _, t := range texts {
		n = min(n, len(t))
	}
	return n
}
