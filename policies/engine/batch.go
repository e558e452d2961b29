package engine

import (
	"cmp"
	"context"
	"slices"
)

// Hit is one entry point that matched.
type Hit struct {
	Entry Entry
	// Value is the document. It is valid until the machine's next evaluation.
	Value Value
	// Err is why the entry point has no answer; Value is undefined then. It is a
	// *topdown.Error.
	Err error
}

// batch finds the entry points that can match an input, for Match.
type batch struct {
	index *blockIndex // units are the rules of all entry points; nil: try all
	entry []Entry     // of each unit
}

// newBatch joins the guards of all entry points into one index.
func newBatch(p *Program) *batch {
	b := &batch{}
	var guards [][]guard
	unit := func(e Entry, gs []guard) {
		b.entry = append(b.entry, e)
		guards = append(guards, gs)
	}
	for i := range p.entries {
		e := Entry(i)
		f := p.direct(e)
		if f == nil || f.total || f.guards == nil {
			unit(e, nil)
			continue
		}
		for _, gs := range f.guards {
			unit(e, gs)
		}
	}
	b.index = newBlockIndex(guards)
	return b
}

// direct returns the function whose value entry point e is, or nil.
func (p *Program) direct(e Entry) *function {
	if n := p.entries[e].callee; n >= 0 {
		return p.code.fns[n]
	}
	return nil
}

// calleeOf returns the function that the plan does nothing but call, with the
// unchanged documents, or -1.
func (c *code) calleeOf(plan int32) int32 {
	callee := int32(-1)
	for i := range c.fns[plan].code {
		switch in := &c.fns[plan].code[i]; in.op {
		case opCall:
			if callee >= 0 || !c.fns[in.a].fixed {
				return -1
			}
			callee = in.a
		case opMove, opDefined, opMakeObject, opInsert, opResult:
		default:
			return -1
		}
	}
	return callee
}

// Match evaluates all entry points of the program for in and appends to dst
// those that are defined and not false, in the order of their numbers, and those
// that ended with an error of their own. Entry points should be complete rules:
// a partial set or object is always defined. An error that ends the whole
// evaluation (ErrInput, ErrBudget, ErrMemory, ErrCanceled) is returned, and dst
// then holds what was found before. The budget is for all entry points together.
func (m *Machine) Match(ctx context.Context, in Input, dst []Hit) ([]Hit, error) {
	m.begin(ctx, m.prog.limits.Instructions)
	defer m.end()
	if err := m.load(in); err != nil {
		return dst, err
	}
	from := len(dst)
	dst, err := m.matchCandidates(ctx, in, dst)
	if err != nil || m.distrust == nil {
		return dst, err
	}
	for i := range m.distrust {
		if !m.distrust[i].Load() {
			continue
		}
		if dst, err = m.appealOne(ctx, Entry(i), in, errDistrusted, dst); err != nil {
			return dst, err
		}
	}
	slices.SortFunc(dst[from:], func(a, b Hit) int { return cmp.Compare(a.Entry, b.Entry) })
	return dst, nil
}

// matchCandidates tries the entry points that the index names, or all.
func (m *Machine) matchCandidates(ctx context.Context, in Input, dst []Hit) ([]Hit, error) {
	b := m.prog.batch
	sel := selection{}
	if b.index == nil {
		sel.all(m, len(b.entry))
	} else if err := m.selectUnits(&sel, b.index); err != nil {
		return dst, err
	}
	last := Entry(-1)
	for u := sel.take(); u >= 0; u = sel.take() {
		e := b.entry[u]
		if e == last || (m.distrust != nil && m.distrust[e].Load()) {
			continue
		}
		last = e
		var err error
		if dst, err = m.matchOne(ctx, e, in, dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// selectUnits computes the candidates; the source of the input or the memory cap
// may end that.
func (m *Machine) selectUnits(sel *selection, ix *blockIndex) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = recovered(p)
		}
	}()
	sel.begin(m, ix)
	return nil
}

func (m *Machine) matchOne(ctx context.Context, e Entry, in Input, dst []Hit) ([]Hit, error) {
	m.fault = nil
	v, err := m.answer(&m.prog.entries[e])
	if err != nil {
		if final(err) {
			return dst, err
		}
		return m.appealOne(ctx, e, in, err, dst)
	}
	if v.Defined() && !v.isFalse() {
		dst = append(dst, Hit{Entry: e, Value: v})
	}
	return dst, nil
}

// appealOne has topdown answer for e.
func (m *Machine) appealOne(ctx context.Context, e Entry, in Input, cause error, dst []Hit) ([]Hit, error) {
	r, err := m.appeal(ctx, e, in, cause)
	if err != nil && final(err) {
		return dst, err
	}
	switch {
	case err != nil:
		dst = append(dst, Hit{Entry: e, Err: err})
	case r.val.Defined() && !r.val.isFalse():
		dst = append(dst, Hit{Entry: e, Value: r.val})
	}
	return dst, nil
}
