package engine

import (
	"net/netip"
	"slices"
	"strings"
)

// guard is a condition on one input field that must hold for a group of blocks to
// do anything. It is one of the first conditions of the group: nothing before it
// has an effect or can fail with an error. With several constants, one of them
// must satisfy it.
type guard struct {
	kind  guardKind
	slot  int32
	lower bool           // the condition is on lower(field)
	scan  bool           // the plan tries the constants one after the other
	any   []Value        // guardIn: what the field may equal
	val   Value          // bounds: the constant
	texts []string       // strings to look for
	nets  []netip.Prefix // guardCIDR: blocks that may hold the field
}

type guardKind uint8

const (
	guardIn       guardKind = iota // equals one of any
	guardContains                  // contains one of texts
	guardPrefix                    // starts with one of texts
	guardSuffix                    // ends with one of texts
	guardAbove                     // > val
	guardAtLeast                   // >= val
	guardBelow                     // < val
	guardAtMost                    // <= val
	guardCIDR                      // is an address in one of nets
)

const (
	minIndexed = 4       // comparisons that an index saves, from where on it pays
	maxMembers = 4096    // constants of one guard that are put into an index
	maxNets    = 1 << 17 // blocks of one guard: lists of addresses are long
)

// weight is how many comparisons a plan makes for the guard when it does not hold.
func (g *guard) weight() int {
	if g.scan {
		return len(g.any) + len(g.texts) + len(g.nets)
	}
	return 1
}

// guardScan collects the guards at the start of a straight piece of code: of
// conditions that each leave for its end. It follows a loop into its body if the
// loop is all that is left of the piece: then the rounds do nothing either.
type guardScan struct {
	f       *lowerFn
	end     int
	out     []guard
	holds   map[int32]int32   // by register: the constant or field that it is
	pending map[int32]guard   // by register: the guard that holds if it is not false
	lowered map[int32]int32   // by register: the field that it is the lower case of
	members map[int32][]Value // by register: the constants that it is in turn
	over    []Value           // what the loop to come goes over; nil: not known
	failing bool              // a builtin so far can fail, and that would be an error
	done    bool
}

// guardsOf returns the guards of the code in [start, end).
func (f *lowerFn) guardsOf(start, end int) []guard {
	s := guardScan{f: f, end: end, holds: map[int32]int32{}, pending: map[int32]guard{}, lowered: map[int32]int32{}, members: map[int32][]Value{}}
	for pc := start; pc >= 0 && pc < end; {
		pc = s.step(pc)
	}
	return s.out
}

// step looks at one instruction and returns where to go on, or -1.
func (s *guardScan) step(pc int) int {
	in := &s.f.fn.code[pc]
	if in.op == opJump && int(in.f) > pc && int(in.f) < s.end {
		return int(in.f) // nothing looked at so far leads to what is jumped over
	}
	if s.done || (jumps(in) && int(in.f) != s.end) || !s.reads(in, pc) {
		return -1
	}
	return pc + 1
}

// reads notes what the instruction in says about fields; false if it does more
// than ask.
func (s *guardScan) reads(in *instr, pc int) bool {
	switch in.op {
	case opNop, opDefined, opUndefined:
	case opMove:
		s.copied(in)
	case opReset:
		s.forget(in.c)
	case opDot:
		s.forget(in.c)
		s.membership(in)
	case opEqual:
		s.equality(in.a, in.b)
		s.equality(in.b, in.a)
	case opNotEqual:
		if g, ok := s.pending[in.a]; ok && in.b == s.f.l.falseK {
			s.out = append(s.out, g)
		}
		s.done = s.failing // this guard may be used, none behind it
	case opScan:
		s.over = nil
		if k, ok := s.constant(in.a); ok {
			s.over = members(&k)
		}
	case opNext:
		return s.enter(in, pc)
	case opBuiltin:
		return s.builtin(in)
	default:
		return false
	}
	return true
}

// enter goes into the body of a loop, whose rounds end at the jump back.
func (s *guardScan) enter(in *instr, pc int) bool {
	back := int(in.f) - 1
	if code := s.f.fn.code; back <= pc || code[back].op != opJump || int(code[back].f) != pc {
		return false
	}
	s.end = back
	for i := range s.f.fn.code[pc:back] { // what the rounds write is not known at the start of one
		s.forgetWrites(&s.f.fn.code[pc+i])
	}
	if s.over != nil {
		s.members[in.c] = s.over
	}
	return true
}

// forgetWrites drops what is known of the registers that in writes.
func (s *guardScan) forgetWrites(in *instr) {
	s.forget(in.c)
	switch in.op {
	case opNext:
		s.forget(in.b)
	case opWith:
		s.forget(in.d)
	default:
	}
}

func (s *guardScan) forget(r int32) {
	delete(s.holds, r)
	delete(s.pending, r)
	delete(s.lowered, r)
	delete(s.members, r)
}

// copied hands on what is known of a register.
func (s *guardScan) copied(in *instr) {
	from := s.operand(in.a)
	g, pending := s.pending[in.a]
	slot, lowered := s.lowered[in.a]
	over, each := s.members[in.a]
	s.forget(in.c)
	if from < 0 || from >= slotBase {
		s.holds[in.c] = from
	}
	if pending {
		s.pending[in.c] = g
	}
	if lowered {
		s.lowered[in.c] = slot
	}
	if each {
		s.members[in.c] = over
	}
}

// operand returns the constant or field that o is known to hold, else o. A document
// of data comes out of a block of its own, and so through a register.
func (s *guardScan) operand(o int32) int32 {
	if k, ok := s.holds[o]; ok {
		return k
	}
	return o
}

// field returns the field that o is, or the lower case of.
func (s *guardScan) field(o int32) (slot int32, lower, ok bool) {
	o = s.operand(o)
	if o >= slotBase {
		return o - slotBase, false, true
	}
	slot, ok = s.lowered[o]
	return slot, true, ok
}

func (s *guardScan) constant(o int32) (Value, bool) {
	o = s.operand(o)
	if o >= 0 {
		return Value{}, false
	}
	return s.f.l.out.consts[^o], true
}

// values returns the constants that o is: one, or in a loop each in turn.
func (s *guardScan) values(o int32) (list []Value, scan bool) {
	if k, ok := s.constant(o); ok {
		return []Value{k}, false
	}
	return s.members[o], true
}

func (s *guardScan) equality(a, b int32) {
	slot, lower, ok := s.field(a)
	list, scan := s.values(b)
	if ok && list != nil && len(list) <= maxMembers && !s.failing {
		s.out = append(s.out, guard{kind: guardIn, slot: slot, lower: lower, scan: scan, any: list})
	}
}

// membership notes that constant[field] must be there.
func (s *guardScan) membership(in *instr) {
	slot, lower, ok := s.field(in.b)
	k, isConst := s.constant(in.a)
	if !ok || !isConst || k.Len() > maxMembers || s.failing {
		return
	}
	switch k.k {
	case KindObject:
		s.out = append(s.out, guard{kind: guardIn, slot: slot, lower: lower, any: k.object().elems})
	case KindSet:
		s.out = append(s.out, guard{kind: guardIn, slot: slot, lower: lower, any: k.set().elems})
	default:
	}
}

// builtin looks at a call of a builtin that can only fail for its type, which
// the index takes into account.
func (s *guardScan) builtin(in *instr) bool {
	args := s.f.l.out.args[in.b]
	name := s.f.l.out.sites[in.a].name
	s.forget(in.c)
	if name == "lower" && !s.f.l.strict {
		slot, lower, ok := s.field(args[0])
		if ok && !lower {
			s.lowered[in.c] = slot
			return true
		}
	}
	if len(args) != 2 || s.failing {
		return false
	}
	g, ok := s.condition(name, args[0], args[1])
	if !ok {
		return false
	}
	if s.failing = s.f.l.strict && g.shape() != shapeEqual && g.shape() != shapeOrder; s.failing {
		clear(s.pending) // what is asked for behind this builtin
	}
	s.pending[in.c] = g
	return true
}

var textGuards = map[string]guardKind{
	"contains": guardContains, "startswith": guardPrefix, "endswith": guardSuffix,
	"regex.match": guardContains, "net.cidr_contains": guardCIDR,
}

var orderGuards = map[string]guardKind{"gt": guardAbove, "gte": guardAtLeast, "lt": guardBelow, "lte": guardAtMost}

var mirrored = map[string]string{"gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}

// condition returns the guard that name(a, b) is.
func (s *guardScan) condition(name string, a, b int32) (guard, bool) {
	if name == "regex.match" || name == "net.cidr_contains" {
		a, b = b, a
	}
	list, scan := s.values(b)
	if _, order := orderGuards[name]; order && list == nil {
		name = mirrored[name]
		a, b = b, a
		list, scan = s.values(b)
	}
	slot, lower, ok := s.field(a)
	if !ok || list == nil {
		return guard{}, false
	}
	g := guard{slot: slot, lower: lower, scan: scan}
	if kind, ok := orderGuards[name]; ok {
		if len(list) != 1 {
			return g, false
		}
		g.kind, g.val = kind, list[0]
		return g, !lower
	}
	if name == "internal.member_2" {
		if len(list) != 1 {
			return g, false
		}
		g.kind, g.any = guardIn, members(&list[0])
		return g, g.any != nil && len(g.any) <= maxMembers
	}
	return s.textCondition(g, name, list)
}

// textCondition returns the guard that a builtin on a field and one of some
// strings is. Of a constant that the builtin refuses it is undefined, or fails.
func (s *guardScan) textCondition(g guard, name string, list []Value) (guard, bool) {
	kind, ok := textGuards[name]
	if !ok {
		return g, false
	}
	g.kind = kind
	var folded bool
	for i := range list {
		text, ok := list[i].Str()
		if !ok && s.f.l.strict {
			return g, false
		}
		if ok && !s.addText(&g, name, text, &folded) {
			return g, false
		}
	}
	if folded { // what ignores case is looked for in the lower case of the field
		for i, t := range g.texts {
			g.texts[i] = strings.ToLower(t)
		}
		ok := !g.lower
		g.lower = true
		return g, ok
	}
	return g, true
}

// addText adds what the field must have for name to hold with the constant text.
func (s *guardScan) addText(g *guard, name, text string, folded *bool) bool {
	switch name {
	case "net.cidr_contains":
		net, ok := parseBlock(text)
		if ok {
			g.nets = append(g.nets, net)
		}
		return (ok || !s.f.l.strict) && !g.lower && len(g.nets) <= maxNets
	case "regex.match":
		lits, fold := literals(text)
		*folded = *folded || fold
		g.texts = append(g.texts, lits...)
		return len(lits) > 0 && len(g.texts) <= maxMembers
	}
	g.texts = append(g.texts, text)
	return text != "" && len(g.texts) <= maxMembers
}

// members returns what a loop over v goes over; not nil if v is a collection.
func members(v *Value) []Value {
	var list []Value
	switch v.k {
	case KindArray:
		list = v.array().elems
	case KindSet:
		list = v.set().elems
	case KindObject:
		list = v.object().vals
	default:
		return nil
	}
	if list == nil {
		list = []Value{}
	}
	return slices.Clip(list)
}
