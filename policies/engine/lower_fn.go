package engine

import (
	"fmt"
	"math"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// known is what the lowering knows about a register at one place of the code.
type known struct {
	kind knownKind
	n    int32 // constant's operand or field's number
}

type knownKind uint8

const (
	knownNothing knownKind = iota
	knownConst
	knownField
)

// label is a block that is being lowered: the instructions that leave it.
type label struct {
	exits []int // instructions whose f is the end of the block
	withs int   // with statements that enclose it
}

// lowerFn lowers one function.
type lowerFn struct {
	l       *lowering
	fn      *function
	rooted  bool     // register 0 is the whole input
	ret     ir.Local // register of the function's value
	dataSet bool     // register 1 is the whole data document
	env     []known
	writes  []int32 // registers written, in order; see nested
	labels  []label
	saved   []savedLocal // enclosing with statements
	iters   int
	loc     *ast.Location
	after   [][]ir.Stmt // what follows the enclosing statements, outermost first
	// reg gives renamedTo where the plan says renamed, see units.chain. -1: nowhere.
	renamed, renamedTo ir.Local

	shift ir.Local // by how much locals are numbered lower than in the plan

	own []ir.Local // objects made in the enclosing blocks: those of comprehensions
}

type savedLocal struct{ local, copy int32 }

func (f *lowerFn) reg(l ir.Local) int32 {
	if l == f.renamed {
		l = f.renamedTo
	}
	if l > ir.Data {
		l -= f.shift
	}
	if n := int(l) + 1 - len(f.env); n > 0 {
		f.env = append(f.env, make([]known, n)...)
	}
	f.fn.regs = len(f.env)
	return int32(l)
}

// reserve makes registers of all locals that blocks write, so that those which
// the lowering adds are none of them.
func (f *lowerFn) reserve(blocks []*ir.Block) {
	last := ir.Data
	for _, b := range blocks {
		eachWrite(b, func(l ir.Local) { last = max(last, l) })
	}
	f.reg(last)
}

// reservePlan does the same for a plan. OPA counts the locals of plans on from one to
// the next; here each begins anew.
func (f *lowerFn) reservePlan(blocks []*ir.Block) {
	first := ir.Local(math.MaxInt32)
	for _, b := range blocks {
		eachWrite(b, func(l ir.Local) {
			if l > ir.Data {
				first = min(first, l)
			}
		})
	}
	if first < math.MaxInt32 {
		f.shift = first - (ir.Data + 1)
	}
	f.reserve(blocks)
}

// temp returns a fresh register. The locals of the function must be reserved.
func (f *lowerFn) temp() int32 { return f.reg(ir.Local(len(f.env)) + f.shift) }

// write returns l as a target: what was known of it is void.
func (f *lowerFn) write(l ir.Local) int32 {
	r := f.reg(l)
	f.env[r] = known{}
	f.writes = append(f.writes, r)
	return r
}

// operand returns how to read o.
func (f *lowerFn) operand(o ir.Operand) (int32, error) {
	switch v := o.Value.(type) {
	case ir.Local:
		return f.read(v), nil
	case *ir.Local:
		return f.read(*v), nil
	case ir.StringIndex:
		return f.text(int(v))
	case *ir.StringIndex:
		return f.text(int(*v))
	case ir.Bool:
		return f.truth(bool(v)), nil
	case *ir.Bool:
		return f.truth(bool(*v)), nil
	}
	return 0, fmt.Errorf("operand %T is not known", o.Value)
}

func (f *lowerFn) read(l ir.Local) int32 {
	r := f.reg(l)
	switch k := f.env[r]; k.kind {
	case knownConst:
		return k.n
	case knownField:
		return slotBase + k.n
	default:
	}
	return r
}

func (f *lowerFn) text(i int) (int32, error) {
	s, err := f.l.literal(i)
	if err != nil {
		return 0, err
	}
	return f.l.stringConst(s), nil
}

func (f *lowerFn) truth(b bool) int32 {
	if b {
		return f.l.trueK
	}
	return f.l.falseK
}

// emit appends in and returns its position.
func (f *lowerFn) emit(in instr) int {
	f.fn.code = append(f.fn.code, in)
	f.fn.locs = append(f.fn.locs, f.loc)
	return len(f.fn.code) - 1
}

// orElse makes instruction pc leave the block that is depth blocks further out.
func (f *lowerFn) orElse(pc, depth int) {
	l := &f.labels[len(f.labels)-1-depth]
	l.exits = append(l.exits, pc)
}

// check emits in, which leaves the current block when it is undefined.
func (f *lowerFn) check(in instr) { f.orElse(f.emit(in), 0) }

func (f *lowerFn) push() { f.labels = append(f.labels, label{withs: len(f.saved)}) }

// pop ends the current block here.
func (f *lowerFn) pop() {
	n := len(f.labels) - 1
	for _, pc := range f.labels[n].exits {
		f.fn.code[pc].f = int32(len(f.fn.code))
	}
	f.labels = f.labels[:n]
}

// nested lowers b as a block of its own. What it learns of registers holds only
// inside, since it may be left at any place.
func (f *lowerFn) nested(b *ir.Block) error {
	f.push()
	err := f.scoped(b)
	f.pop()
	return err
}

func (f *lowerFn) scoped(b *ir.Block) error {
	before := slices.Clone(f.env)
	mark, own := len(f.writes), len(f.own)
	err := f.stmts(b.Stmts)
	f.own = f.own[:own]
	after := len(f.env)
	f.env = append(before, make([]known, after-len(before))...)
	for _, r := range f.writes[mark:] {
		f.env[r] = known{}
	}
	return err
}

func (f *lowerFn) stmts(stmts []ir.Stmt) error {
	for i := 0; i < len(stmts); {
		if n := f.fold(stmts[i:]); n > 0 {
			i += n
			continue
		}
		f.loc = f.l.location(stmts[i])
		i++
		f.after = append(f.after, stmts[i:])
		err := f.stmt(stmts[i-1])
		f.after = f.after[:len(f.after)-1]
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetWrites drops what is known of the registers that b writes, for blocks
// that run more than once.
func (f *lowerFn) forgetWrites(b *ir.Block) {
	eachWrite(b, func(l ir.Local) { f.write(l) })
}

// leave emits a jump out of the block that is depth blocks further out, after
// undoing the with statements in between.
func (f *lowerFn) leave(depth int) {
	target := &f.labels[len(f.labels)-1-depth]
	for i := len(f.saved) - 1; i >= target.withs; i-- {
		f.emit(instr{op: opEndWith, a: f.saved[i].copy, c: f.saved[i].local})
	}
	f.orElse(f.emit(instr{op: opJump}), depth)
}

// end finishes the function.
func (f *lowerFn) end(memo int) *function {
	f.fn.memo = memo
	f.fn.charges = len(f.fn.code)
	return f.fn
}

// eachWrite calls fn for every local that b writes or changes, nested blocks
// included.
func eachWrite(b *ir.Block, fn func(ir.Local)) {
	for _, s := range b.Stmts {
		if t, ok := target(s); ok {
			fn(t)
		}
		switch s := s.(type) {
		case *ir.ScanStmt:
			fn(s.Key)
			fn(s.Value)
			eachWrite(s.Block, fn)
		case *ir.NotStmt:
			eachWrite(s.Block, fn)
		case *ir.WithStmt:
			eachWrite(s.Block, fn)
		case *ir.BlockStmt:
			for _, n := range s.Blocks {
				eachWrite(n, fn)
			}
		}
	}
}

// target returns the local that s writes or changes itself.
func target(s ir.Stmt) (ir.Local, bool) {
	switch s := s.(type) {
	case *ir.CallStmt:
		return s.Result, true
	case *ir.CallDynamicStmt:
		return s.Result, true
	case *ir.DotStmt:
		return s.Target, true
	case *ir.LenStmt:
		return s.Target, true
	case *ir.AssignIntStmt:
		return s.Target, true
	case *ir.AssignVarStmt:
		return s.Target, true
	case *ir.AssignVarOnceStmt:
		return s.Target, true
	case *ir.ResetLocalStmt:
		return s.Target, true
	case *ir.ObjectMergeStmt:
		return s.Target, true
	case *ir.ArrayAppendStmt:
		return s.Array, true
	case *ir.ObjectInsertStmt:
		return s.Object, true
	case *ir.ObjectInsertOnceStmt:
		return s.Object, true
	case *ir.SetAddStmt:
		return s.Set, true
	}
	return made(s)
}

// made returns the local that s gives a new value made of nothing.
func made(s ir.Stmt) (ir.Local, bool) {
	switch s := s.(type) {
	case *ir.MakeNullStmt:
		return s.Target, true
	case *ir.MakeNumberIntStmt:
		return s.Target, true
	case *ir.MakeNumberRefStmt:
		return s.Target, true
	case *ir.MakeArrayStmt:
		return s.Target, true
	case *ir.MakeObjectStmt:
		return s.Target, true
	case *ir.MakeSetStmt:
		return s.Target, true
	}
	return 0, false
}
