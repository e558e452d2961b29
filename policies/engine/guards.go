package engine

import (
	"regexp/syntax"
	"strings"

	"github.com/open-policy-agent/opa/v1/ir"
)

// guard is a condition on one input field that must hold for a group of blocks to
// do anything. It is one of the first conditions of the group: nothing before it
// has an effect or can fail with an error.
type guard struct {
	kind  guardKind
	slot  int32
	lower bool    // the condition is on lower(field)
	val   Value   // constant: a value, a set of them, or a bound
	text  string  // string to look for, or a CIDR block
	any   []Value // for guardIn: the members
}

type guardKind uint8

const (
	guardIn       guardKind = iota // equals one of any
	guardContains                  // contains text
	guardPrefix                    // starts with text
	guardSuffix                    // ends with text
	guardAbove                     // > val
	guardAtLeast                   // >= val
	guardBelow                     // < val
	guardAtMost                    // <= val
	guardCIDR                      // is an address in text
)

const (
	minIndexed   = 4    // groups with guards, from where on an index pays
	maxInMembers = 4096 // members of a set that are put into an index
	minLiteral   = 3    // shortest literal of a regular expression worth looking for
)

// groups divides the blocks of a function into what comes before its rules, the
// rules, and what comes after. A rule's block may be followed by one that hands
// its result on.
func groups(src *ir.Func) (before []*ir.Block, rules [][]*ir.Block, after []*ir.Block) {
	blocks := src.Blocks
	for len(blocks) > 0 && !startsRule(blocks[0]) {
		if _, ok := made(firstStmt(blocks[0])); !ok {
			return nil, nil, src.Blocks
		}
		before = append(before, blocks[0])
		blocks = blocks[1:]
	}
	for len(blocks) > 0 && !ends(src, blocks[0]) {
		if startsRule(blocks[0]) {
			rules = append(rules, nil)
		}
		rules[len(rules)-1] = append(rules[len(rules)-1], blocks[0])
		blocks = blocks[1:]
	}
	return before, rules, blocks
}

func firstStmt(b *ir.Block) ir.Stmt {
	if len(b.Stmts) == 0 {
		return &ir.NopStmt{}
	}
	return b.Stmts[0]
}

func startsRule(b *ir.Block) bool {
	switch firstStmt(b).(type) {
	case *ir.ResetLocalStmt, *ir.BlockStmt:
		return true
	}
	return false
}

// ends reports whether b is the default rule or the return of src.
func ends(src *ir.Func, b *ir.Block) bool {
	switch s := firstStmt(b).(type) {
	case *ir.IsUndefinedStmt:
		return s.Source == src.Return
	case *ir.ReturnLocalStmt:
		return true
	}
	return false
}

// ruleBlocks lowers the blocks of a function rule by rule and notes the guards
// of each. With enough guarded rules, only those run that can do anything.
func (f *lowerFn) ruleBlocks(src *ir.Func) error {
	before, rules, after := groups(src)
	if err := f.sequence(before, append(flatten(rules), after...)); err != nil {
		return err
	}
	sel := f.emit(instr{op: opSelect})
	var starts []int32
	var segments []int
	for i, blocks := range rules {
		start := len(f.fn.code)
		starts = append(starts, int32(start))
		rest := append(flatten(rules[i+1:]), after...)
		if err := f.sequence(blocks[:1], append(blocks[1:len(blocks):len(blocks)], rest...)); err != nil {
			return err
		}
		f.fn.guards = append(f.fn.guards, f.guardsOf(start, len(f.fn.code)))
		if err := f.sequence(blocks[1:], rest); err != nil {
			return err
		}
		segments = append(segments, f.emit(instr{op: opSegment}))
	}
	end := int32(len(f.fn.code))
	f.fn.total = f.isTotal(src, before, after)
	if ix := newBlockIndex(f.fn.guards); ix != nil {
		ix.starts = starts
		f.fn.index = ix
		f.fn.code[sel].f = end
		for _, pc := range segments {
			f.fn.code[pc].f = end
		}
	} else {
		f.fn.code[sel] = instr{op: opNop}
		for _, pc := range segments {
			f.fn.code[pc] = instr{op: opNop}
		}
	}
	return f.sequence(after, nil)
}

func flatten(groups [][]*ir.Block) []*ir.Block {
	var out []*ir.Block
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}

// isTotal reports whether the function can return something that is not false
// although none of its rules does anything.
func (*lowerFn) isTotal(src *ir.Func, before, after []*ir.Block) bool {
	if len(before) > 0 {
		return true // a set or object, perhaps empty
	}
	for _, b := range after {
		if _, ok := firstStmt(b).(*ir.IsUndefinedStmt); !ok {
			continue
		}
		if len(b.Stmts) != 2 {
			return true
		}
		set, ok := b.Stmts[1].(*ir.AssignVarOnceStmt)
		if !ok || set.Target != src.Return || !isFalse(set.Source) {
			return true
		}
	}
	return false
}

func isFalse(o ir.Operand) bool {
	switch b := o.Value.(type) {
	case ir.Bool:
		return !bool(b)
	case *ir.Bool:
		return !bool(*b)
	}
	return false
}

// guardScan collects the guards at the start of a straight piece of code: of
// conditions that each leave for its end.
type guardScan struct {
	f         *lowerFn
	end       int
	out       []guard
	pending   map[int32]guard // by register: the guard that holds if it is not false
	lowered   map[int32]int32 // by register: the field that it is the lower case of
	strictEnd bool            // strict, and the last builtin can fail
	done      bool            // a builtin can fail here, and that would be an error
}

// guardsOf returns the guards of the code in [start, end).
func (f *lowerFn) guardsOf(start, end int) []guard {
	s := guardScan{f: f, end: end, pending: map[int32]guard{}, lowered: map[int32]int32{}}
	for pc := start; pc < end; pc++ {
		if !s.step(&f.fn.code[pc]) {
			break
		}
	}
	return s.out
}

// step looks at one instruction and reports whether to go on.
func (s *guardScan) step(in *instr) bool {
	if s.done || (jumps(in) && int(in.f) != s.end) {
		return false
	}
	switch in.op {
	case opMove:
		s.copied(in)
	case opReset, opDot:
		s.forget(in.c)
	default:
	}
	switch in.op {
	case opNop, opMove, opReset, opDefined:
		return true
	case opEqual:
		s.equality(in.a, in.b)
		s.equality(in.b, in.a)
		return true
	case opNotEqual:
		if g, ok := s.pending[in.a]; ok && in.b == s.f.l.falseK {
			s.out = append(s.out, g)
		}
		s.done = s.strictEnd // this guard may be used, none behind it
		return true
	case opDot:
		s.membership(in)
		return true
	case opBuiltin:
		return s.builtin(in)
	default:
	}
	return false
}

func (s *guardScan) forget(r int32) {
	delete(s.pending, r)
	delete(s.lowered, r)
}

// copied hands on what is known of a register.
func (s *guardScan) copied(in *instr) {
	g, pending := s.pending[in.a]
	slot, lowered := s.lowered[in.a]
	s.forget(in.c)
	if pending {
		s.pending[in.c] = g
	}
	if lowered {
		s.lowered[in.c] = slot
	}
}

// field returns the field that o is, or the lower case of.
func (s *guardScan) field(o int32) (slot int32, lower, ok bool) {
	if o >= slotBase {
		return o - slotBase, false, true
	}
	slot, ok = s.lowered[o]
	return slot, true, ok
}

func (s *guardScan) constant(o int32) (Value, bool) {
	if o >= 0 {
		return Value{}, false
	}
	return s.f.l.out.consts[^o], true
}

func (s *guardScan) equality(a, b int32) {
	slot, lower, ok := s.field(a)
	k, isConst := s.constant(b)
	if ok && isConst {
		s.out = append(s.out, guard{kind: guardIn, slot: slot, lower: lower, any: []Value{k}})
	}
}

// membership notes that constant[field] must be there.
func (s *guardScan) membership(in *instr) {
	slot, lower, ok := s.field(in.b)
	k, isConst := s.constant(in.a)
	if !ok || !isConst {
		return
	}
	switch {
	case k.k == KindObject && k.Len() <= maxInMembers:
		s.out = append(s.out, guard{kind: guardIn, slot: slot, lower: lower, any: k.object().elems})
	case k.k == KindSet && k.Len() <= maxInMembers:
		s.out = append(s.out, guard{kind: guardIn, slot: slot, lower: lower, any: k.set().elems})
	}
}

// builtin looks at a call of a builtin that can only fail for its type, which
// the index takes into account.
func (s *guardScan) builtin(in *instr) bool {
	args := s.f.l.out.args[in.b]
	name := s.f.l.out.sites[in.a].name
	s.forget(in.c)
	if name == "lower" && args[0] >= slotBase && !s.f.l.strict {
		s.lowered[in.c] = args[0] - slotBase
		return true
	}
	if len(args) != 2 {
		return false
	}
	g, ok := s.condition(name, args[0], args[1])
	if ok {
		s.pending[in.c] = g
		s.strictEnd = s.f.l.strict && g.shape() != shapeEqual && g.shape() != shapeOrder
	}
	return ok
}

var stringGuards = map[string]guardKind{"contains": guardContains, "startswith": guardPrefix, "endswith": guardSuffix}

var orderGuards = map[string]guardKind{"gt": guardAbove, "gte": guardAtLeast, "lt": guardBelow, "lte": guardAtMost}

var mirrored = map[string]string{"gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}

// condition returns the guard that name(a, b) is.
func (s *guardScan) condition(name string, a, b int32) (guard, bool) {
	if name == "regex.match" || name == "net.cidr_contains" {
		a, b = b, a
	}
	k, isConst := s.constant(b)
	if _, order := orderGuards[name]; order && !isConst {
		name = mirrored[name]
		a, b = b, a
		k, isConst = s.constant(b)
	}
	slot, lower, ok := s.field(a)
	if !ok || !isConst {
		return guard{}, false
	}
	g := guard{slot: slot, lower: lower, val: k}
	if kind, ok := orderGuards[name]; ok {
		g.kind = kind
		return g, !lower
	}
	if name == "internal.member_2" {
		g.kind, g.any = guardIn, members(&k)
		return g, g.any != nil && len(g.any) <= maxInMembers
	}
	if k.k != KindString {
		return guard{}, false
	}
	return s.textCondition(g, name, k.text())
}

// textCondition returns the guard that a builtin on a field and a constant
// string is.
func (s *guardScan) textCondition(g guard, name, text string) (guard, bool) {
	switch name {
	case "net.cidr_contains":
		g.kind, g.text = guardCIDR, text
		return g, !g.lower && isV4Block(text)
	case "regex.match":
		return s.literalOf(g, text)
	}
	kind, ok := stringGuards[name]
	g.kind, g.text = kind, text
	return g, ok && text != ""
}

func members(v *Value) []Value {
	switch v.k {
	case KindArray:
		return v.array().elems
	case KindSet:
		return v.set().elems
	case KindObject:
		return v.object().vals
	default:
	}
	return nil
}

// literalOf makes g look for a string that each match of the pattern contains.
func (*guardScan) literalOf(g guard, pattern string) (guard, bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return g, false
	}
	text, folded := requiredLiteral(re.Simplify())
	if len(text) < minLiteral || (folded && g.lower) {
		return g, false
	}
	g.kind, g.text = guardContains, text
	g.lower = g.lower || folded
	return g, true
}

// requiredLiteral returns the longest literal that re cannot match without.
// A literal that ignores case is returned in lower case; s is left out of it,
// because the long s has another lower case.
func requiredLiteral(re *syntax.Regexp) (text string, folded bool) {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune), false
		}
		lower := strings.ToLower(string(re.Rune))
		for _, part := range strings.FieldsFunc(lower, func(r rune) bool { return r == 's' || r > 'z' }) {
			if len(part) > len(text) {
				text = part
			}
		}
		return text, true
	case syntax.OpCapture, syntax.OpPlus:
		return requiredLiteral(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return requiredLiteral(re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if t, f := requiredLiteral(sub); len(t) > len(text) {
				text, folded = t, f
			}
		}
	default:
	}
	return text, folded
}
