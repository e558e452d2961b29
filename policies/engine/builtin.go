package engine

import (
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

// callCost is what calling a builtin costs, in instructions.
const callCost = 8

// builtin calls the builtin of s. The result is undefined if the call is; for a
// builtin without a result it is true. A builtin's error makes the call
// undefined and is kept: strict evaluations end with the first one.
func (m *Machine) builtin(s *site, ops []int32, r []Value) (Value, error) {
	base := len(m.args)
	cost := callCost
	for _, o := range ops {
		m.args = append(m.args, *m.at(o, r))
		cost += work(&m.args[len(m.args)-1], s.bytesPer)
	}
	if err := m.spend(cost); err != nil {
		return Value{}, err
	}
	v, err := m.apply(s, m.args[base:])
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
		n, _ := args[i].length()
		m.fuel -= n // to convert it
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
		return Value{}, m.meter.explain(h.Err)
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
	m.meter = meter{ctx: m.ctx, left: &m.fuel, other: m.eval.cancel}
	m.bctx = topdown.BuiltinContext{
		Context:   m.ctx,
		Metrics:   metrics.NoOp(),
		Seed:      rand.Reader,
		Cancel:    &m.meter,
		Cache:     builtins.Cache{},
		PrintHook: m.eval.hook,
	}
	if m.eval.setup != nil {
		m.eval.setup(&m.bctx)
	}
	if m.bctx.Time == nil {
		m.bctx.Time = ast.NumberTerm(jsonInt(now().UnixNano()))
	}
}

func now() time.Time { return time.Now() } //nolint:forbidigo // time.now_ns means the wall clock, as in OPA

func jsonInt(i int64) json.Number { return json.Number(strconv.FormatInt(i, 10)) }
