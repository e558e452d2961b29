package engine

import (
	"net/netip"
	"regexp"

	"github.com/gobwas/glob"
)

// specialise returns the native of a builtin whose constant arguments allow to do part
// of the work now: regular expressions, globs and CIDR blocks. Arguments that are not
// constant are undefined. It returns nil if there is nothing to gain.
func specialise(name string, args []Value) native {
	if len(args) == 0 || args[0].k != KindString {
		return nil
	}
	first := args[0].text()
	switch name {
	case "regex.match":
		if re, err := regexp.Compile(first); err == nil {
			return matcher(1, re.MatchString)
		}
	case "glob.match":
		if delims, ok := delimiters(args); ok {
			if g, err := glob.Compile(first, delims...); err == nil {
				return matcher(2, g.Match)
			}
		}
	case "net.cidr_contains":
		if block, err := netip.ParsePrefix(first); err == nil {
			return blockMatcher(block)
		}
	}
	return nil
}

func blockMatcher(block netip.Prefix) native {
	return func(_ *Machine, args []Value) (Value, bool) {
		if args[1].k != KindString {
			return Value{}, false
		}
		return inBlock(block, args[1].text())
	}
}

func matcher(arg int, match func(string) bool) native {
	return func(_ *Machine, args []Value) (Value, bool) {
		if args[arg].k != KindString {
			return Value{}, false
		}
		return Bool(match(args[arg].text())), true
	}
}

// delimiters returns the constant delimiters of a glob.match call: none for null,
// a dot for an empty array.
func delimiters(args []Value) ([]rune, bool) {
	if len(args) != 3 {
		return nil, false
	}
	v := args[1]
	if v.k == KindNull {
		return nil, true
	}
	if v.k != KindArray {
		return nil, false
	}
	var out []rune
	for i := range v.array().elems {
		r := []rune(v.Index(i).str())
		if len(r) != 1 {
			return nil, false
		}
		out = append(out, r[0])
	}
	if out == nil {
		out = []rune{'.'}
	}
	return out, true
}
