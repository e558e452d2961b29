package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown/print"
)

// Limits bound one evaluation. Zero fields take the defaults.
type Limits struct {
	// Instructions is the budget of machine instructions, counted in loop
	// bodies, calls and rules tried; a builtin costs more for long strings and
	// numbers. Topdown has the same budget where it answers, and spends 16 for each
	// expression. Default 20,000,000, which takes a tenth of a second to some
	// seconds.
	Instructions int
	// Bytes is the most memory, in bytes, for values made by one evaluation, its
	// input included. Default 64 MiB. What OPA's own builtins and topdown use
	// while they run is not counted, only what they return.
	Bytes int
	// String is the longest string of the input, in bytes. Default 1 MiB.
	String int
	// Depth is the deepest nesting of the input. Default 128.
	Depth int
	// Digits is the most decimal digits that a number of the input has when it is
	// written out: 1e5 has six. Default 1000. Arithmetic on numbers of a million
	// digits takes seconds, and nothing interrupts it. OPA bounds exponents, too,
	// at about 30,000 digits.
	Digits int
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Instructions, 20_000_000)
	def(&l.Bytes, 64<<20)
	def(&l.String, 1<<20)
	def(&l.Depth, 128)
	def(&l.Digits, 1000)
	return l
}

// Entry is the number of an entry point of a program: the position of its name
// in Config.Entrypoints.
type Entry int

// Program is a compiled set of policies with its data. It is immutable and safe
// for concurrent use.
type Program struct {
	code     *code
	limits   Limits
	revision string
	strict   bool
	hook     print.Hook
	judge    *judge
	entries  []entryPoint
	batch    *batch
	rules    []Rule
	coverage bool
	chance   bool // calls builtins whose answers differ from call to call
}

type entryPoint struct {
	name   string
	plan   int32 // function of its plan, or -1
	callee int32 // function that the plan only calls, or -1
	cause  error // why there is no plan
}

func (p *Program) addEntries(names []string, bad map[string]error) {
	plans := map[string]int32{}
	for i, n := range p.code.names {
		plans[n] = p.code.entries[i]
	}
	for _, n := range names {
		e := entryPoint{name: n, plan: -1, callee: -1, cause: bad[n]}
		if f, ok := plans[n]; ok {
			e.plan, e.callee = f, p.code.calleeOf(f)
		}
		p.entries = append(p.entries, e)
	}
	p.batch = newBatch(p)
	for i := range p.code.sites {
		p.chance = p.chance || p.code.sites[i].nondet
	}
}

// Revision returns Config.Revision.
func (p *Program) Revision() string { return p.revision }

// Entry returns the number of the entry point name.
func (p *Program) Entry(name string) (Entry, bool) {
	i := slices.IndexFunc(p.entries, func(e entryPoint) bool { return e.name == name })
	return Entry(i), i >= 0
}

// Entrypoints returns how many entry points p has: their numbers are below it.
func (p *Program) Entrypoints() int { return len(p.entries) }

// Name returns the name of e, which must be an entry of p.
func (p *Program) Name(e Entry) string { return p.entries[e].name }

// Fields lists the input fields that p reads. The caller must not change it.
func (p *Program) Fields() []Field { return p.code.fields.list() }

// Topdown evaluates e with OPA's own interpreter; the result is nil if the
// document is undefined. It is the judge of Machine.Eval, about ten times slower.
// It is safe for concurrent use.
func (p *Program) Topdown(ctx context.Context, e Entry, input ast.Value) (ast.Value, error) {
	if e < 0 || int(e) >= len(p.entries) {
		return nil, fmt.Errorf("%w: number %d", ErrEntry, e)
	}
	return p.judge.eval(ctx, p.entries[e].name, input)
}

// NewMachine returns a machine for p.
func (p *Program) NewMachine() *Machine {
	m := &Machine{}
	m.bind(p)
	return m
}

// bind makes m run p from now on.
func (m *Machine) bind(p *Program) {
	m.prog, m.code, m.consts = p, p.code, p.code.consts
	m.slots = make([]Value, len(p.code.fields.nodes))
	m.memo = make([]memoEntry, p.code.memos)
	m.limit = p.limits.Bytes
	m.eval = evalOptions{hook: p.hook}
	if p.coverage {
		m.hits, m.stamps = make([]uint64, len(p.rules)), make([]uint32, len(p.rules))
	}
	m.epoch = 0
}
