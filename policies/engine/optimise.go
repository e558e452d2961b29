package engine

// indexedCharge is the most that a call of an indexed function is charged for.
const indexedCharge = 1000

// optimise drops stores that nobody reads and checks that the next check implies,
// then closes the gaps.
func optimise(f *function, l *lowering) {
	if !l.off.noDead {
		dropDead(f, l.out)
		dropImplied(f, l.out.fields)
	}
	compact(f)
	f.charges = len(f.code)
	if f.index != nil { // few of its rules run; their loops are charged for themselves
		f.charges = min(f.charges, indexedCharge)
	}
}

// dropDead replaces moves and resets whose register is not read any more, by a
// backward analysis of which registers are live after each instruction.
func dropDead(f *function, c *code) {
	lv := liveness{f: f, words: (f.regs + 63) / 64}
	lv.rows = make([]uint64, (len(f.code)+1)*lv.words)
	lv.starts = make([]uint64, lv.words)
	lv.after = make([]uint64, lv.words)
	for lv.pass(c) {
	}
	for pc := range f.code {
		in := &f.code[pc]
		if in.op != opMove && in.op != opReset {
			continue
		}
		lv.successors(pc)
		if lv.after[in.c/64]&(1<<(in.c%64)) == 0 {
			*in = instr{op: opNop}
		}
	}
}

// liveness is the set of registers that are read later, by instruction.
type liveness struct {
	f      *function
	words  int
	rows   []uint64
	starts []uint64 // union over the starts of the index's segments
	after  []uint64 // scratch: live after one instruction
}

func (l *liveness) row(pc int) []uint64 { return l.rows[pc*l.words : (pc+1)*l.words] }

// pass goes through the code once, backwards, and reports whether anything changed.
func (l *liveness) pass(c *code) bool {
	changed := false
	if l.f.index != nil {
		for _, s := range l.f.index.starts {
			for i, w := range l.row(int(s)) {
				changed = changed || l.starts[i]|w != l.starts[i]
				l.starts[i] |= w
			}
		}
	}
	for pc := len(l.f.code) - 1; pc >= 0; pc-- {
		in := &l.f.code[pc]
		l.successors(pc)
		if d, ok := defines(in); ok {
			l.after[d/64] &^= 1 << (d % 64)
		}
		eachRead(in, c, func(r int32) { l.after[r/64] |= 1 << (r % 64) })
		for i, w := range l.row(pc) {
			changed = changed || l.after[i] != w
		}
		copy(l.row(pc), l.after)
	}
	return changed
}

// successors unites into l.after what is live where pc can go.
func (l *liveness) successors(pc int) {
	clear(l.after)
	join := func(row []uint64) {
		for i, w := range row {
			l.after[i] |= w
		}
	}
	in := &l.f.code[pc]
	if falls(in) {
		join(l.row(pc + 1))
	}
	if jumps(in) {
		join(l.row(int(in.f)))
	}
	if in.op == opDynamic {
		join(l.row(int(in.d)))
	}
	if in.op == opSelect || in.op == opSegment {
		join(l.starts)
	}
}

// falls reports whether the instruction after in can be next.
func falls(in *instr) bool {
	switch in.op {
	case opJump, opReturn, opSelect, opSegment:
		return false
	default:
	}
	return true
}

// jumps reports whether in.f can be next.
func jumps(in *instr) bool {
	switch in.op {
	case opJump, opDot, opLen, opEqual, opNotEqual, opIsArray, opIsObject, opIsSet, opDefined,
		opUndefined, opNext, opCall, opBuiltin, opDynamic, opSelect, opSegment:
		return true
	default:
	}
	return false
}

// defines returns the register that in fills whatever happens. An instruction
// that may leave its target alone defines nothing.
func defines(in *instr) (int32, bool) {
	switch in.op {
	case opMove, opReset, opMakeArray, opMakeObject, opMakeSet, opMerge, opEndWith:
		return in.c, true
	default:
	}
	return 0, false
}

// eachRead calls fn for each register that in reads.
func eachRead(in *instr, c *code, fn func(r int32)) {
	read := func(o int32) {
		if o >= 0 && o < slotBase {
			fn(o)
		}
	}
	eachOperand(in, c, read)
}

// eachOperand calls fn for each operand that in reads.
func eachOperand(in *instr, c *code, fn func(o int32)) {
	switch in.op {
	case opMove, opIsArray, opIsObject, opIsSet, opDefined, opUndefined, opLen, opReturn, opResult, opScan, opEndWith:
		fn(in.a)
	case opAssignOnce:
		fn(in.a)
		fn(in.c)
	case opDot, opEqual, opNotEqual, opMerge, opAppend, opAdd:
		fn(in.a)
		fn(in.b)
	case opInsert, opInsertOnce, opCollect:
		fn(in.a)
		fn(in.b)
		fn(in.d)
	case opWith:
		fn(in.b)
		fn(in.c)
	case opCall, opBuiltin:
		for _, o := range c.args[in.b] {
			fn(o)
		}
	case opDynamic:
		for _, o := range c.dynamics[in.a].path {
			fn(o)
		}
		for _, o := range c.dynamics[in.a].args {
			fn(o)
		}
	default:
	}
}

// dropImplied drops "field is there" when the next instruction asks for a field
// inside it, or compares it, and leaves for the same place.
func dropImplied(f *function, t *fieldTrie) {
	for pc := range f.code {
		in := &f.code[pc]
		if in.op != opDefined || in.a < slotBase {
			continue
		}
		next := pc + 1
		for next < len(f.code) && f.code[next].op == opNop {
			next++
		}
		if next < len(f.code) && f.code[next].f == in.f && implies(&f.code[next], in.a, t) {
			*in = instr{op: opNop}
		}
	}
}

// implies reports whether in can only be defined if the field slot is.
func implies(in *instr, slot int32, t *fieldTrie) bool {
	switch in.op {
	case opDefined:
		return in.a > slotBase && t.nodes[in.a-slotBase].parent == slot-slotBase
	case opEqual:
		return (in.a == slot && in.b < 0) || (in.b == slot && in.a < 0)
	default:
		return false
	}
}

// compact removes the no-operations.
func compact(f *function) {
	at := make([]int32, len(f.code)+1)
	n := int32(0)
	for pc := range f.code {
		at[pc] = n
		if f.code[pc].op != opNop {
			n++
		}
	}
	at[len(f.code)] = n
	out, locs := f.code[:0], f.locs[:0]
	for pc, in := range f.code {
		if in.op == opNop {
			continue
		}
		if jumps(&in) {
			in.f = at[in.f]
		}
		if in.op == opDynamic {
			in.d = at[in.d]
		}
		out = append(out, in)
		locs = append(locs, f.locs[pc])
	}
	f.code, f.locs = out, locs
	if f.index != nil {
		for i, s := range f.index.starts {
			f.index.starts[i] = at[s]
		}
	}
}
