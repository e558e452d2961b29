package engine

import "github.com/open-policy-agent/opa/v1/ir"

// folding builds the value of a literal collection while lowering.
type folding struct {
	f     *lowerFn
	order []ir.Local
	vals  map[ir.Local]Value
}

// fold turns the literal collection that stmts begins with, if it is one that
// nothing changes later, into a constant. It returns how many statements that
// took; 0 if there is no such literal.
func (f *lowerFn) fold(stmts []ir.Stmt) int {
	if f.l.off.noFold || !makesCollection(stmts[0]) {
		return 0
	}
	b := folding{f: f, vals: map[ir.Local]Value{}}
	n := 0
	for n < len(stmts) && b.step(stmts[n]) {
		n++
	}
	for _, t := range b.order {
		if f.changedLater(stmts[n:], t) {
			return 0
		}
	}
	f.loc = f.l.location(stmts[0])
	for _, t := range b.order {
		if err := f.assign(t, f.l.constant(b.vals[t])); err != nil {
			return 0
		}
	}
	return n
}

func makesCollection(s ir.Stmt) bool {
	switch s.(type) {
	case *ir.MakeArrayStmt, *ir.MakeObjectStmt, *ir.MakeSetStmt:
		return true
	}
	return false
}

func (b *folding) start(t ir.Local, v Value) bool {
	if _, again := b.vals[t]; again {
		return false
	}
	b.vals[t] = v
	b.order = append(b.order, t)
	return true
}

// step applies s and reports whether it belongs to the literal.
func (b *folding) step(s ir.Stmt) bool {
	a := &b.f.l.out.static
	switch s := s.(type) {
	case *ir.MakeArrayStmt:
		return b.start(s.Target, ofArray(a.newArray(int(s.Capacity))))
	case *ir.MakeObjectStmt:
		return b.start(s.Target, ofObject(a.newObject()))
	case *ir.MakeSetStmt:
		return b.start(s.Target, ofSet(a.newSet()))
	case *ir.MakeNullStmt:
		return b.start(s.Target, Null())
	case *ir.MakeNumberIntStmt:
		return b.start(s.Target, Int(s.Value))
	case *ir.MakeNumberRefStmt:
		text, err := b.f.l.literal(s.Index)
		return err == nil && b.start(s.Target, Number(text))
	case *ir.ArrayAppendStmt:
		return b.put(s.Array, KindArray, s.Value, s.Value)
	case *ir.SetAddStmt:
		return b.put(s.Set, KindSet, s.Value, s.Value)
	case *ir.ObjectInsertStmt:
		return b.put(s.Object, KindObject, s.Key, s.Value)
	}
	return false
}

func (b *folding) put(coll ir.Local, kind Kind, key, val ir.Operand) bool {
	c, ok := b.vals[coll]
	if !ok || c.k != kind {
		return false
	}
	k, ok := b.value(key)
	if !ok {
		return false
	}
	v, ok := b.value(val)
	if !ok {
		return false
	}
	a := &b.f.l.out.static
	switch kind {
	case KindArray:
		a.appendTo(c.array(), &v)
	case KindSet:
		a.addTo(c.set(), &v)
	default:
		a.insert(c.object(), &k, &v)
	}
	return true
}

// value returns what o is, if it is constant.
func (b *folding) value(o ir.Operand) (Value, bool) {
	switch l := o.Value.(type) {
	case ir.Local:
		if v, ok := b.vals[l]; ok {
			return v, true
		}
	case *ir.Local:
		if v, ok := b.vals[*l]; ok {
			return v, true
		}
	}
	k, err := b.f.operand(o)
	if err != nil || k >= 0 {
		return Value{}, false
	}
	return b.f.l.out.consts[^k], true
}

// changedLater reports whether anything that can run after a literal adds to t:
// the rest of its block, or of an enclosing one.
func (f *lowerFn) changedLater(rest []ir.Stmt, t ir.Local) bool {
	if changes(rest, t) {
		return true
	}
	for _, stmts := range f.after {
		if changes(stmts, t) {
			return true
		}
	}
	return false
}

// changes reports whether stmts add to the collection in t before they give t a
// new value.
func changes(stmts []ir.Stmt, t ir.Local) bool {
	for _, s := range stmts {
		if m, ok := made(s); ok && m == t {
			return false
		}
		if w, ok := target(s); ok && w == t && isChange(s) {
			return true
		}
		for _, b := range blocksOf(s) {
			if changes(b.Stmts, t) {
				return true
			}
		}
	}
	return false
}

func isChange(s ir.Stmt) bool {
	switch s.(type) {
	case *ir.ArrayAppendStmt, *ir.SetAddStmt, *ir.ObjectInsertStmt, *ir.ObjectInsertOnceStmt:
		return true
	}
	return false
}

func blocksOf(s ir.Stmt) []*ir.Block {
	switch s := s.(type) {
	case *ir.BlockStmt:
		return s.Blocks
	case *ir.NotStmt:
		return []*ir.Block{s.Block}
	case *ir.ScanStmt:
		return []*ir.Block{s.Block}
	case *ir.WithStmt:
		return []*ir.Block{s.Block}
	}
	return nil
}
