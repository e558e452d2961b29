package engine

import "github.com/open-policy-agent/opa/v1/ir"

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
	u := units{f: f, sel: f.emit(instr{op: opSelect})}
	for i, blocks := range rules {
		rest := append(flatten(rules[i+1:]), after...)
		var err error
		if c := elseChain(src, blocks); c != nil {
			err = u.chain(c, rest)
		} else {
			err = u.rule(blocks, rest)
		}
		if err != nil {
			return err
		}
	}
	f.fn.total = f.isTotal(src, before, after)
	u.close()
	return f.sequence(after, nil)
}

// units are the pieces of a function that an index chooses among, in order: rules,
// and the branches of those with an else.
type units struct {
	f        *lowerFn
	sel      int // the instruction that selects
	starts   []int32
	segments []int // the instructions that end units
}

// rule makes a unit of a rule. Its first block has the guards.
func (u *units) rule(blocks, rest []*ir.Block) error {
	f := u.f
	start := u.begin()
	if err := f.sequence(blocks[:1], append(blocks[1:len(blocks):len(blocks)], rest...)); err != nil {
		return err
	}
	f.fn.guards = append(f.fn.guards, f.guardsOf(start, len(f.fn.code)))
	if err := f.sequence(blocks[1:], rest); err != nil {
		return err
	}
	u.end()
	return nil
}

func (u *units) begin() int {
	start := len(u.f.fn.code)
	u.starts = append(u.starts, int32(start))
	return start
}

func (u *units) end() {
	u.segments = append(u.segments, u.f.emit(instr{op: opSegment}))
}

// chain makes a unit of each branch of an else chain. The plan keeps the chain's
// value in a local that all rules share and that the first branch resets. Here the
// chain has a register of its own, empty when the function begins, so that the
// first branch can be left out; a branch runs if the register is still empty, and
// hands the value on itself.
func (u *units) chain(c *chain, rest []*ir.Block) error {
	f := u.f
	own := ir.Local(f.temp()) // of a function: not shifted
	f.renamed, f.renamedTo = c.value, own
	defer func() { f.renamed, f.renamedTo = -1, -1 }()
	for i, branch := range c.branches {
		start := u.begin()
		taken := f.emit(instr{op: opUndefined, a: int32(own)})
		later := append(append(c.branches[i+1:len(c.branches):len(c.branches)], c.end), rest...)
		if err := f.sequence([]*ir.Block{branch}, later); err != nil {
			return err
		}
		f.fn.guards = append(f.fn.guards, f.guardsOf(start+1, len(f.fn.code)))
		if err := f.sequence([]*ir.Block{c.end}, later); err != nil {
			return err
		}
		f.fn.code[taken].f = int32(len(f.fn.code))
		u.end()
	}
	return nil
}

// close builds the index, or takes the instructions back that wait for one.
func (u *units) close() {
	fn := u.f.fn
	end := int32(len(fn.code))
	ix := newBlockIndex(fn.guards)
	if ix == nil {
		fn.code[u.sel] = instr{op: opNop}
		for _, pc := range u.segments {
			fn.code[pc] = instr{op: opNop}
		}
		return
	}
	ix.starts = u.starts
	fn.index = ix
	fn.code[u.sel].f = end
	for _, pc := range u.segments {
		fn.code[pc].f = end
	}
}

// chain is a complete rule with else branches, as it is planned: blocks one after
// the other, of which each but the first asks whether there is a value yet, and one
// that hands the value on.
type chain struct {
	value    ir.Local
	branches []*ir.Block
	end      *ir.Block
}

// elseChain returns the chain that the blocks of one rule are, or nil.
func elseChain(src *ir.Func, rule []*ir.Block) *chain {
	if len(rule) != 1 || len(rule[0].Stmts) != 1 {
		return nil
	}
	nested, ok := rule[0].Stmts[0].(*ir.BlockStmt)
	if !ok || len(nested.Blocks) < 3 {
		return nil
	}
	last := len(nested.Blocks) - 1
	c := &chain{branches: nested.Blocks[:last], end: nested.Blocks[last]}
	reset, ok := firstStmt(c.branches[0]).(*ir.ResetLocalStmt)
	if !ok {
		return nil
	}
	c.value = reset.Target
	for _, b := range c.branches[1:] {
		if s, ok := firstStmt(b).(*ir.IsUndefinedStmt); !ok || s.Source != c.value {
			return nil
		}
	}
	if !handsOn(c.end, c.value, src.Return) {
		return nil
	}
	return c
}

// handsOn reports whether b does nothing but give ret the value, if there is one.
func handsOn(b *ir.Block, value, ret ir.Local) bool {
	if len(b.Stmts) != 2 {
		return false
	}
	if s, ok := b.Stmts[0].(*ir.IsDefinedStmt); !ok || s.Source != value {
		return false
	}
	s, ok := b.Stmts[1].(*ir.AssignVarOnceStmt)
	return ok && s.Target == ret
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
