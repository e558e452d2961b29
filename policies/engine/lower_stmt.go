package engine

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ir"
)

// stmt lowers one statement.
func (f *lowerFn) stmt(s ir.Stmt) error {
	switch s := s.(type) {
	case *ir.NopStmt:
		return nil
	case *ir.ReturnLocalStmt:
		f.emit(instr{op: opReturn, a: f.read(s.Source)})
		return nil
	case *ir.ResultSetAddStmt:
		f.emit(instr{op: opResult, a: f.read(s.Value)})
		return nil
	case *ir.BreakStmt:
		if int(s.Index) >= len(f.labels) {
			return fmt.Errorf("break out of %d blocks, only %d enclose it", s.Index+1, len(f.labels))
		}
		f.leave(int(s.Index))
		return nil
	case *ir.BlockStmt:
		for _, b := range s.Blocks {
			if err := f.nested(b); err != nil {
				return err
			}
		}
		return nil
	case *ir.NotStmt:
		return f.not(s)
	case *ir.ScanStmt:
		return f.scan(s)
	case *ir.WithStmt:
		return f.with(s)
	case *ir.CallStmt:
		return f.callStmt(s)
	case *ir.CallDynamicStmt:
		return f.dynamicStmt(s)
	}
	f.cover(s)
	if done, err := f.testStmt(s); done {
		return err
	}
	return f.valueStmt(s)
}

// testStmt lowers the statements that are only defined or undefined.
func (f *lowerFn) testStmt(s ir.Stmt) (bool, error) {
	switch s := s.(type) {
	case *ir.EqualStmt:
		return true, f.test(opEqual, s.A, s.B)
	case *ir.NotEqualStmt:
		return true, f.test(opNotEqual, s.A, s.B)
	case *ir.IsArrayStmt:
		return true, f.test(opIsArray, s.Source, s.Source)
	case *ir.IsObjectStmt:
		return true, f.test(opIsObject, s.Source, s.Source)
	case *ir.IsSetStmt:
		return true, f.test(opIsSet, s.Source, s.Source)
	case *ir.IsDefinedStmt:
		f.check(instr{op: opDefined, a: f.read(s.Source)})
		return true, nil
	case *ir.IsUndefinedStmt:
		f.check(instr{op: opUndefined, a: f.read(s.Source)})
		return true, nil
	}
	return false, nil
}

func (f *lowerFn) test(op opcode, a, b ir.Operand) error {
	x, err := f.operand(a)
	if err != nil {
		return err
	}
	y, err := f.operand(b)
	if err != nil {
		return err
	}
	f.check(instr{op: op, a: x, b: y})
	return nil
}

// valueStmt lowers the statements that make or change a value.
func (f *lowerFn) valueStmt(s ir.Stmt) error {
	switch s := s.(type) {
	case *ir.DotStmt:
		return f.dot(s)
	case *ir.LenStmt:
		a, err := f.operand(s.Source)
		if err == nil {
			f.check(instr{op: opLen, a: a, c: f.write(s.Target)})
		}
		return err
	case *ir.AssignIntStmt:
		return f.assign(s.Target, f.l.constant(Int(s.Value)))
	case *ir.AssignVarStmt:
		a, err := f.operand(s.Source)
		if err != nil {
			return err
		}
		return f.assign(s.Target, a)
	case *ir.AssignVarOnceStmt:
		a, err := f.operand(s.Source)
		if err == nil {
			f.emit(instr{op: opAssignOnce, a: a, c: f.write(s.Target)})
		}
		return err
	case *ir.ResetLocalStmt:
		f.emit(instr{op: opReset, c: f.write(s.Target)})
		return nil
	case *ir.MakeNullStmt:
		return f.assign(s.Target, f.l.constant(Null()))
	case *ir.MakeNumberIntStmt:
		return f.assign(s.Target, f.l.constant(Int(s.Value)))
	case *ir.MakeNumberRefStmt:
		text, err := f.l.literal(s.Index)
		if err != nil {
			return err
		}
		return f.assign(s.Target, f.l.constant(Number(text)))
	}
	return f.collectionStmt(s)
}

// collectionStmt lowers the statements about arrays, objects and sets.
func (f *lowerFn) collectionStmt(s ir.Stmt) error {
	switch s := s.(type) {
	case *ir.MakeArrayStmt:
		f.emit(instr{op: opMakeArray, c: f.write(s.Target), d: s.Capacity})
		return nil
	case *ir.MakeObjectStmt:
		f.emit(instr{op: opMakeObject, c: f.write(s.Target)})
		f.own = append(f.own, s.Target)
		return nil
	case *ir.MakeSetStmt:
		f.emit(instr{op: opMakeSet, c: f.write(s.Target)})
		return nil
	case *ir.ArrayAppendStmt:
		return f.change(opAppend, s.Array, s.Value, s.Value)
	case *ir.SetAddStmt:
		return f.change(opAdd, s.Set, s.Value, s.Value)
	case *ir.ObjectInsertStmt:
		return f.change(opInsert, s.Object, s.Key, s.Value)
	case *ir.ObjectInsertOnceStmt:
		if slices.Contains(f.own, s.Object) {
			return f.change(opCollect, s.Object, s.Key, s.Value)
		}
		return f.change(opInsertOnce, s.Object, s.Key, s.Value)
	case *ir.ObjectMergeStmt:
		a, b := f.read(s.A), f.read(s.B)
		f.emit(instr{op: opMerge, a: a, b: b, c: f.write(s.Target)})
		return nil
	}
	return fmt.Errorf("statement %T is not known", s)
}

func (f *lowerFn) change(op opcode, coll ir.Local, key, val ir.Operand) error {
	k, err := f.operand(key)
	if err != nil {
		return err
	}
	v, err := f.operand(val)
	if err != nil {
		return err
	}
	f.emit(instr{op: op, a: f.write(coll), b: k, d: v})
	return nil
}

// assign gives t the value of a and remembers what is known of it.
func (f *lowerFn) assign(t ir.Local, a int32) error {
	var k known
	switch {
	case f.l.off.noFold:
	case a < 0:
		k = known{knownConst, a}
	case a >= slotBase:
		k = known{knownField, a - slotBase}
	}
	c := f.write(t)
	f.emit(instr{op: opMove, a: a, c: c})
	f.env[c] = k
	return nil
}

// dot lowers a look-up: in the input by field, in constants now, else at run time.
func (f *lowerFn) dot(s *ir.DotStmt) error {
	a, err := f.operand(s.Source)
	if err != nil {
		return err
	}
	b, err := f.operand(s.Key)
	if err != nil {
		return err
	}
	if b < 0 && a >= slotBase {
		key := &f.l.out.consts[^b]
		if key.k == KindString {
			n := f.l.out.fields.child(a-slotBase, key.text())
			f.check(instr{op: opDefined, a: slotBase + n})
			c := f.write(s.Target)
			f.emit(instr{op: opMove, a: slotBase + n, c: c})
			f.env[c] = known{knownField, n}
			return nil
		}
	}
	if a < 0 && b < 0 && !f.l.off.noFold {
		v := lookup(&f.l.out.consts[^a], &f.l.out.consts[^b])
		if !v.Defined() {
			f.write(s.Target)
			f.check(instr{op: opJump})
			return nil
		}
		k := f.l.constant(v)
		if f.l.sealed[a] {
			f.l.sealed[k] = true
		}
		return f.assign(s.Target, k)
	}
	f.check(instr{op: opDot, a: a, b: b, c: f.write(s.Target)})
	return nil
}

func (f *lowerFn) not(s *ir.NotStmt) error {
	f.push()
	if err := f.scoped(s.Block); err != nil {
		return err
	}
	reached := f.emit(instr{op: opJump})
	f.pop()
	f.orElse(reached, 0)
	return nil
}

func (f *lowerFn) scan(s *ir.ScanStmt) error {
	it := int32(f.iters)
	f.iters++
	f.fn.iters = max(f.fn.iters, f.iters)
	f.emit(instr{op: opScan, a: f.read(s.Source), d: it})
	f.forgetWrites(s.Block)
	head := f.emit(instr{op: opNext, b: f.write(s.Key), c: f.write(s.Value), d: it})
	f.push()
	if err := f.scoped(s.Block); err != nil {
		return err
	}
	f.pop()
	f.emit(instr{op: opJump, f: int32(head)})
	f.fn.code[head].f = int32(len(f.fn.code))
	f.iters--
	f.write(s.Key)
	f.write(s.Value)
	return nil
}

func (f *lowerFn) with(s *ir.WithStmt) error {
	v, err := f.operand(s.Value)
	if err != nil {
		return err
	}
	path := make([]Value, len(s.Path))
	for i, p := range s.Path {
		text, err := f.l.literal(p)
		if err != nil {
			return err
		}
		path[i] = String(text)
	}
	f.l.out.paths = append(f.l.out.paths, path)
	local, save := f.reg(s.Local), f.temp()
	if k := f.read(s.Local); k != local { // the register itself was never filled
		f.emit(instr{op: opMove, a: k, c: local})
	}
	before := f.env[local]
	f.emit(instr{op: opWith, a: int32(len(f.l.out.paths) - 1), b: v, c: local, d: save})
	f.env[local] = known{}
	f.push()
	f.saved = append(f.saved, savedLocal{local, save})
	f.labels[len(f.labels)-1].withs = len(f.saved)
	if err := f.scoped(s.Block); err != nil {
		return err
	}
	f.emit(instr{op: opEndWith, a: save, c: local})
	done := f.emit(instr{op: opJump})
	f.saved = f.saved[:len(f.saved)-1]
	f.pop() // undefined inside: restore, then leave
	f.emit(instr{op: opEndWith, a: save, c: local})
	f.check(instr{op: opJump})
	f.fn.code[done].f = int32(len(f.fn.code))
	f.env[local] = before
	return nil
}

func (f *lowerFn) callStmt(s *ir.CallStmt) error {
	args := make([]int32, len(s.Args))
	for i, a := range s.Args {
		o, err := f.operand(a)
		if err != nil {
			return err
		}
		args[i] = o
	}
	if _, ok := f.l.funcs[s.Func]; ok && len(args) >= 2 {
		n := f.l.want(variant{s.Func, f.isInput(args[0]), f.isData(args[1])})
		f.check(instr{op: opCall, a: n, b: f.args(f.dropRoots(args)), c: f.write(s.Result)})
		return nil
	}
	n, err := f.l.site(s.Func, f.loc)
	if err != nil {
		return err
	}
	f.specialise(n, args)
	f.check(instr{op: opBuiltin, a: n, b: f.args(args), c: f.write(s.Result)})
	return nil
}

// specialise gives the call site n a native that knows its constant arguments.
func (f *lowerFn) specialise(n int32, args []int32) {
	s := &f.l.out.sites[n]
	if _, replaced := f.l.builtins[s.name]; replaced || f.l.off.noNative {
		return
	}
	vals := make([]Value, len(args))
	for i, o := range args {
		if o < 0 {
			vals[i] = f.l.out.consts[^o]
		}
	}
	if fn := specialise(s.name, vals); fn != nil {
		s.native = fn
	}
}

func (f *lowerFn) isInput(o int32) bool { return o == slotBase+rootField }
func (f *lowerFn) isData(o int32) bool {
	return f.l.data != nil && o < 0 && f.l.out.consts[^o].p == f.l.data.p && f.l.out.consts[^o].k == f.l.data.k
}

// dropRoots replaces the whole input and data documents: a function that is
// called with them reads them from where they are, so they are not passed.
func (f *lowerFn) dropRoots(args []int32) []int32 {
	if f.isInput(args[0]) {
		args[0] = f.l.falseK
	}
	if f.isData(args[1]) {
		args[1] = f.l.falseK
	}
	return args
}

func (f *lowerFn) args(ops []int32) int32 {
	f.l.out.args = append(f.l.out.args, ops)
	return int32(len(f.l.out.args) - 1)
}

// dynamicStmt lowers a call by path. As in OPA's own backend, a function that is
// found but undefined ends the three enclosing blocks.
func (f *lowerFn) dynamicStmt(s *ir.CallDynamicStmt) error {
	path := make([]int32, len(s.Path))
	for i, p := range s.Path {
		o, err := f.operand(p)
		if err != nil {
			return err
		}
		path[i] = o
	}
	args := []int32{f.read(s.Args[0]), f.read(s.Args[1])}
	rooted, dataSet := f.isInput(args[0]), f.isData(args[1])
	d := dynamic{path: path, args: f.dropRoots(args)}
	d.targets = f.l.dynamicSite(s.Path, path, rooted, dataSet)
	f.l.out.dynamics = append(f.l.out.dynamics, d)
	pc := f.emit(instr{op: opDynamic, a: int32(len(f.l.out.dynamics) - 1), c: f.write(s.Result)})
	f.orElse(pc, 0)
	over := f.emit(instr{op: opJump})
	f.fn.code[pc].d = int32(len(f.fn.code))
	f.leave(min(3, len(f.labels)-1))
	f.fn.code[over].f = int32(len(f.fn.code))
	return nil
}
