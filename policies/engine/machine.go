package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/print"
)

// Machine evaluates a program. It keeps its registers and arenas between
// evaluations, so that a warm machine allocates little. It is not safe for
// concurrent use: give each goroutine its own.
type Machine struct {
	arena
	prog     *Program
	code     *code
	consts   []Value
	slots    []Value // input fields, see fieldTrie
	input    Input
	decode   decoder
	stack    slab[Value]
	its      []iterator
	memo     []memoEntry
	env      uint32 // number of the current replacement of input or data; 0: none
	envs     uint32 // numbers given out
	epoch    uint32 // number of the evaluation
	depth    int
	envStack []uint32 // environments of the enclosing with statements

	ctx      context.Context //nolint:containedctx // lives as long as one Eval; nil between them
	fuel     int             // instructions left
	checkAt  int             // look at ctx when fuel falls below
	data     Value           // data document, when the program has none of its own
	results  []Value
	fault    error // first error of a builtin
	bctx     topdown.BuiltinContext
	bready   bool
	meter    meter // of OPA's builtins
	eval     evalOptions
	distrust []atomic.Bool // entry points of Match that topdown answers; nil: none
	appeals  int           // answers of topdown in this evaluation
	args     []Value
	bits     bitArena
	scratch  []byte
	lowered  [2]string // the last string that lower changed, and its lower case
	hits     []uint64  // by rule
	stamps   []uint32  // by rule: the epoch in which it held last
	fired    []int32   // rules that held in this evaluation
	argText  []byte
}

// evalOptions are what OPA's evaluation context adds to one evaluation.
type evalOptions struct {
	setup  func(*topdown.BuiltinContext)
	cancel topdown.Cancel
	hook   print.Hook
}

type memoEntry struct {
	epoch, env uint32
	val        Value
	fault      error // first error of a builtin on the way to val
}

// iterator walks a collection; keys is nil for arrays.
type iterator struct {
	keys, vals []Value
	i          int
}

const (
	checkEvery   = 2048 // instructions between looks at the context
	maxCallDepth = 1000
)

// errDepth is returned when functions nest too deeply for the machine; topdown
// has its own limits.
var errDepth = errors.New("calls nest too deeply")

// errUnsupported marks what the machine leaves to topdown.
var errUnsupported = errors.New("not supported by the machine")

// at returns the operand o.
func (m *Machine) at(o int32, r []Value) *Value {
	if uint(o) < uint(len(r)) {
		return &r[o]
	}
	if o < 0 {
		return &m.consts[^o]
	}
	return m.field(o - slotBase)
}

// begin prepares the machine for one evaluation.
func (m *Machine) begin(ctx context.Context, budget int) {
	m.reset()
	m.stack.reset(keptChunks)
	m.bits.reset()
	m.ctx, m.fuel = ctx, budget
	m.checkAt = budget - checkEvery
	m.its = m.its[:0]
	m.results = m.results[:0]
	m.fired = m.fired[:0]
	m.env, m.envs, m.depth = 0, 0, 0
	m.envStack, m.args = m.envStack[:0], m.args[:0]
	m.fault = nil
	m.appeals = 0
	m.lowered = [2]string{}
	m.bready = false
	m.epoch++
	if m.epoch == 0 { // wrapped around: entries of old evaluations must not look new
		clear(m.memo)
		clear(m.stamps)
		m.epoch = 1
	}
}

// end drops what must not outlive the evaluation.
func (m *Machine) end() {
	m.ctx = nil
	m.bctx = topdown.BuiltinContext{}
	m.meter = meter{}
}

// run executes function n with the registers of the input and data documents set.
func (m *Machine) run(n int32) (v Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = Value{}, recovered(p)
		}
	}()
	if f := m.code.fns[n]; !f.fixed {
		r := m.frame(f)
		if f.regs > 1 {
			r[1] = m.data
		}
		return m.exec(f, r)
	}
	return m.call(n, nil, nil)
}

// recovered turns a panic into an error: the memory cap unwinds by panic, and
// anything else is a bug that must not take the process down; topdown answers.
func recovered(p any) error {
	err, ok := p.(error)
	if ok && errors.Is(err, errMemory) {
		return ErrMemory
	}
	return fmt.Errorf("%w: panic: %v", errUnsupported, p)
}

// frame returns cleared registers for f.
func (m *Machine) frame(f *function) []Value {
	m.charge(f.regs * valueBytes)
	r := m.stack.take(f.regs, valueChunk)
	clear(r)
	return r
}

// check looks at the budget and the context.
func (m *Machine) check() error {
	if m.fuel < 0 {
		return ErrBudget
	}
	m.checkAt = m.fuel - checkEvery
	if m.eval.cancel != nil && m.eval.cancel.Cancelled() {
		return &topdown.Error{Code: topdown.CancelErr, Message: "caller cancelled query execution"}
	}
	if err := m.ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrCanceled, err)
	}
	return nil
}

// spend charges n instructions.
func (m *Machine) spend(n int) error {
	m.fuel -= n
	if m.fuel < m.checkAt {
		return m.check()
	}
	return nil
}
