package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// Result is what one evaluation returned. It is valid until the machine's next
// evaluation.
type Result struct {
	val      Value
	revision string
	cause    error // why topdown answered
	fired    []int32
}

// Defined reports whether the document has a value.
func (r Result) Defined() bool { return r.val.Defined() }

// Value returns the document.
func (r Result) Value() Value { return r.val }

// AST returns the document as OPA's value, nil if it is undefined; see Value.AST.
func (r Result) AST() ast.Value { return r.val.AST() }

// Revision returns the revision of the program that was evaluated.
func (r Result) Revision() string { return r.revision }

// ByTopdown returns why topdown gave the answer, nil if the machine did.
func (r Result) ByTopdown() error { return r.cause }

// Eval evaluates e for in. What the machine cannot answer - a conflict, a strict
// error of a builtin, a plan that it cannot run - is answered by topdown. The
// error is nil, a *topdown.Error, or matches ErrEntry, ErrInput, ErrBudget,
// ErrMemory or ErrCanceled.
func (m *Machine) Eval(ctx context.Context, e Entry, in Input) (Result, error) {
	if e < 0 || int(e) >= len(m.prog.entries) {
		return Result{}, fmt.Errorf("%w: number %d", ErrEntry, e)
	}
	m.begin(ctx, m.prog.limits.Instructions)
	defer m.end()
	if err := m.load(in); err != nil {
		return Result{}, err
	}
	ep := &m.prog.entries[e]
	v, err := m.answer(ep)
	if err == nil {
		return Result{val: v, revision: m.prog.revision, fired: m.fired}, nil
	}
	if final(err) {
		return Result{}, err
	}
	return m.appeal(ctx, e, in, err)
}

// errDistrusted is why topdown answers for an entry point that differed once.
var errDistrusted = errors.New("the machine is not trusted with this entry point")

func isUnsupported(err error) bool {
	return errors.Is(err, errUnsupported) || errors.Is(err, errDepth)
}

// final reports whether err ends the evaluation: topdown would only spend more.
func final(err error) bool {
	return errors.Is(err, ErrBudget) || errors.Is(err, ErrMemory) || errors.Is(err, ErrCanceled) || errors.Is(err, ErrInput)
}

// answer runs the machine on an entry point and returns the document.
func (m *Machine) answer(ep *entryPoint) (Value, error) {
	if ep.plan < 0 {
		return Value{}, fmt.Errorf("%w: %w", errUnsupported, ep.cause)
	}
	m.results = m.results[:0]
	n := ep.plan
	if ep.callee >= 0 {
		n = ep.callee
	}
	v, err := m.run(n)
	if err == nil && m.prog.strict {
		err = m.fault
	}
	if err != nil || ep.callee >= 0 || len(m.results) == 0 {
		return v, err
	}
	if len(m.results) > 1 || m.results[0].k != KindObject {
		return Value{}, errUnsupported
	}
	return m.results[0].object().get(&resultKey), nil
}

// resultKey is the variable of the query that OPA plans for an entry point.
var resultKey = String("result")

// appeal has topdown answer what the machine did not, because of cause.
func (m *Machine) appeal(ctx context.Context, e Entry, in Input, cause error) (Result, error) {
	m.appeals++
	v, err := m.inputAST(in)
	if err != nil {
		return Result{}, err
	}
	out, err := m.prog.Topdown(ctx, e, v)
	if err != nil {
		return Result{}, err
	}
	val, err := m.adopt(out)
	return Result{val: val, revision: m.prog.revision, cause: cause}, err
}

// load sets the input slots.
func (m *Machine) load(in Input) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = recovered(p)
		}
	}()
	m.input = in
	switch {
	case in.raw != nil:
		return m.fillJSON(in.raw)
	case in.src != nil:
		copy(m.slots, m.code.fields.lazy)
		return nil
	}
	return m.fillAST(rootField, in.val)
}

// inputAST returns the input as OPA's value.
func (m *Machine) inputAST(in Input) (ast.Value, error) {
	switch {
	case in.raw != nil:
		var doc any
		if err := util.UnmarshalJSON(in.raw, &doc); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInput, err)
		}
		return ast.InterfaceToValue(doc)
	case in.src != nil:
		return m.sourceAST()
	}
	return in.val, nil
}

// sourceAST builds the part of the input that the program reads from a Source.
func (m *Machine) sourceAST() (ast.Value, error) {
	var err error
	var build func(n int32) *ast.Term
	build = func(n int32) *ast.Term {
		t := &m.code.fields.nodes[n]
		if t.whole {
			v := m.field(n)
			if !v.Defined() {
				return nil
			}
			return termOf(v, true)
		}
		obj := ast.NewObject()
		for _, c := range t.children {
			if v := build(c); v != nil {
				obj.Insert(m.code.fields.nodes[c].term, v)
			}
		}
		there := n == rootField || (t.asked && m.field(n).Defined())
		if obj.Len() == 0 && !there {
			return nil
		}
		return ast.NewTerm(obj)
	}
	root := build(rootField)
	if root == nil {
		return nil, err
	}
	return root.Value, err
}
