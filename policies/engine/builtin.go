package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
)

// builtin calls the builtin of s. The result is undefined if the call is; for a
// builtin without a result it is true. A builtin's error makes the call
// undefined and is kept: strict evaluations end with the first one.
func (m *Machine) builtin(s *site, ops []int32, r []Value) (Value, error) {
	if err := m.spend(8); err != nil {
		return Value{}, err
	}
	base := len(m.args)
	for _, o := range ops {
		m.args = append(m.args, *m.at(o, r))
	}
	args := m.args[base:]
	v, err := m.apply(s, args)
	m.args = m.args[:base]
	return v, err
}

// apply calls the builtin on values: natively if that handles them.
func (m *Machine) apply(s *site, args []Value) (Value, error) {
	for i := range args {
		if !args[i].Defined() {
			return Value{}, nil
		}
	}
	if s.native != nil {
		if v, ok := s.native(m, args); ok {
			return v, nil
		}
	}
	return m.foreign(s, args)
}

// foreign calls OPA's own builtin.
func (m *Machine) foreign(s *site, args []Value) (Value, error) {
	terms := make([]*ast.Term, len(args))
	for i := range args {
		terms[i] = termOf(&args[i], true)
	}
	m.prepareBuiltins()
	bctx := m.bctx
	bctx.Location = s.loc
	var out Value
	var all *arrayVal
	if s.relation {
		all = m.newArray(0)
		out = ofArray(all)
	}
	err := s.call(bctx, terms, func(t *ast.Term) error {
		if s.void || t == nil {
			out = Bool(true)
			return nil
		}
		v, err := m.fromAST(t.Value)
		if err != nil {
			return topdown.Halt{Err: err}
		}
		if all != nil {
			m.appendTo(all, &v)
			return m.haltOn(m.spend(1))
		}
		out = v
		return nil
	})
	if err == nil {
		return out, m.check()
	}
	if h, ok := errors.AsType[topdown.Halt](err); ok {
		return Value{}, h.Err
	}
	if m.fault == nil {
		m.fault = err
	}
	return Value{}, nil
}

func (*Machine) haltOn(err error) error {
	if err != nil {
		return topdown.Halt{Err: err}
	}
	return nil
}

// prepareBuiltins makes the context that OPA's builtins of this evaluation share.
func (m *Machine) prepareBuiltins() {
	if m.bready {
		return
	}
	m.bready = true
	m.bctx = topdown.BuiltinContext{
		Context:   m.ctx,
		Metrics:   metrics.NoOp(),
		Seed:      rand.Reader,
		Cancel:    m.eval.cancel,
		Cache:     builtins.Cache{},
		PrintHook: m.eval.hook,
	}
	if m.bctx.Cancel == nil {
		m.bctx.Cancel = m.canceler()
	}
	if m.eval.setup != nil {
		m.eval.setup(&m.bctx)
	}
	if m.bctx.Time == nil {
		m.bctx.Time = ast.NumberTerm(jsonInt(now().UnixNano()))
	}
}

// canceler returns what tells a running builtin that the context is done. The
// watch on the context ends with the evaluation.
func (m *Machine) canceler() topdown.Cancel {
	c := topdown.NewCancel()
	if m.ctx.Done() != nil {
		m.stop = context.AfterFunc(m.ctx, c.Cancel)
	}
	return c
}

func now() time.Time { return time.Now() } //nolint:forbidigo // time.now_ns means the wall clock, as in OPA

func jsonInt(i int64) json.Number { return json.Number(strconv.FormatInt(i, 10)) }
