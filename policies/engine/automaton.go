package engine

import (
	"strings"
	"unicode/utf8"
)

// pattern is a string to look for and where.
type pattern struct {
	text string
	kind guardKind // guardContains, guardPrefix or guardSuffix
}

// automaton finds which of its patterns occur in a string, in one pass over it
// (Aho-Corasick, as a table over classes of bytes).
type automaton struct {
	patterns []pattern
	fold     bool // look in the lower case of the string
	classes  [256]uint8
	width    int32
	next     []int32   // state*width + class
	out      [][]int32 // patterns that end in a state
}

// fewPatterns is up to where looking for one pattern after the other is faster.
const fewPatterns = 4

// newAutomaton builds an automaton over distinct patterns. With fold, they must
// be in lower case.
func newAutomaton(patterns []pattern, fold bool) *automaton {
	a := &automaton{patterns: patterns, fold: fold, width: 1}
	if len(patterns) <= fewPatterns {
		return a
	}
	for _, p := range patterns {
		for i := range len(p.text) {
			if c := p.text[i]; a.classes[c] == 0 && a.width < 255 {
				a.classes[c] = uint8(a.width)
				a.width++
			}
		}
	}
	if fold {
		for c := byte('A'); c <= 'Z'; c++ {
			a.classes[c] = a.classes[c-'A'+'a']
		}
	}
	a.link(a.insert())
	return a
}

// insert builds the trie of the patterns and returns the states in the order of
// their depth, each after its parent.
func (a *automaton) insert() []int32 {
	a.grow()
	for id, p := range a.patterns {
		s := int32(0)
		for i := range len(p.text) {
			at := s*a.width + int32(a.classes[p.text[i]])
			if a.next[at] < 0 {
				a.next[at] = int32(len(a.out))
				a.grow()
			}
			s = a.next[at]
		}
		a.out[s] = append(a.out[s], int32(id))
	}
	order := []int32{0}
	for i := 0; i < len(order); i++ {
		for c := range a.width {
			if t := a.next[order[i]*a.width+c]; t > 0 {
				order = append(order, t)
			}
		}
	}
	return order
}

func (a *automaton) grow() {
	a.out = append(a.out, nil)
	for range a.width {
		a.next = append(a.next, -1)
	}
}

// link makes the trie an automaton: where a state has no edge it takes the one
// of its longest proper suffix.
func (a *automaton) link(order []int32) {
	fail := make([]int32, len(a.out))
	for _, s := range order {
		for c := range a.width {
			at := s*a.width + c
			t := a.next[at]
			down := int32(0)
			if s != 0 {
				down = a.next[fail[s]*a.width+c]
			}
			if t < 0 {
				a.next[at] = down
				continue
			}
			fail[t] = down
			a.out[t] = append(a.out[t], a.out[down]...)
		}
	}
}

// find calls hit for each pattern in s; a pattern may be reported twice.
func (a *automaton) find(s string, hit func(id int32)) {
	if a.fold && !isASCII(s) {
		s = strings.ToLower(s)
	}
	if a.next == nil {
		a.findEach(s, hit)
		return
	}
	state := int32(0)
	for i := range len(s) {
		state = a.next[state*a.width+int32(a.classes[s[i]])]
		if out := a.out[state]; out != nil {
			for _, id := range out {
				if p := &a.patterns[id]; p.kind == guardContains ||
					(p.kind == guardPrefix && i+1 == len(p.text)) || (p.kind == guardSuffix && i+1 == len(s)) {
					hit(id)
				}
			}
		}
	}
}

func (a *automaton) findEach(s string, hit func(id int32)) {
	if a.fold && hasUpper(s) {
		s = strings.ToLower(s)
	}
	for id, p := range a.patterns {
		var found bool
		switch p.kind {
		case guardPrefix:
			found = strings.HasPrefix(s, p.text)
		case guardSuffix:
			found = strings.HasSuffix(s, p.text)
		default:
			found = strings.Contains(s, p.text)
		}
		if found {
			hit(int32(id))
		}
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c >= 'A' && c <= 'Z') || c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}
