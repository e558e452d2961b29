package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Target is the name under which Register makes the engine known to OPA.
const Target = "riposte"

// Register makes the engine an OPA target: rego.Target(Target) and
// tester.Runner.Target(Target) then run on it. Call it once at the start of the
// program, before OPA is used: OPA's registry is not safe against concurrent
// readers. Further calls do nothing.
func Register() {
	registered.Do(func() { rego.RegisterPlugin(Target, plugin{}) })
}

// registered guards OPA's own global registry, which panics on a second entry.
var registered sync.Once

// plugin is the OPA target.
type plugin struct {
	off features
}

var _ rego.TargetPlugin = plugin{}

// IsTarget reports whether name is this target.
func (plugin) IsTarget(name string) bool { return name == Target }

// PrepareForEval compiles the plan of one query.
func (p plugin) PrepareForEval(_ context.Context, pol *ir.Policy, opts ...rego.PrepareOption) (rego.TargetPluginEval, error) {
	cfg := rego.PrepareConfig{}
	for _, o := range opts {
		o(&cfg)
	}
	// Whether the evaluation is strict is not known before Eval.
	c, err := lower(pol, nil, cfg.BuiltinFuncs(), true, nil, p.off)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return &query{prog: &Program{code: c, limits: Limits{}.withDefaults(), strict: true}}, nil
}

// query is one prepared query of OPA's rego package.
type query struct {
	prog *Program
	pool sync.Pool // of *Machine
}

// Eval evaluates the query; the result is the set of its bindings.
func (q *query) Eval(ctx context.Context, ectx *rego.EvalContext, runtime ast.Value) (ast.Value, error) {
	m, ok := q.pool.Get().(*Machine)
	if !ok {
		m = q.prog.NewMachine()
	}
	defer q.pool.Put(m)
	m.eval = evalOptions{
		cancel: ectx.ExternalCancel(),
		hook:   ectx.PrintHook(),
		setup:  func(b *topdown.BuiltinContext) { setupBuiltins(b, ectx, runtime) },
	}
	m.begin(ctx, q.prog.limits.Instructions)
	defer m.end()
	if err := q.load(ctx, m, ectx); err != nil {
		return nil, err
	}
	_, err := m.run(m.code.entries[0])
	if err == nil && ectx.StrictBuiltinErrors() {
		err = m.fault
	}
	if err != nil {
		return nil, opaError(err)
	}
	out := ast.NewSetWithCapacity(len(m.results))
	for i := range m.results {
		out.Add(termOf(&m.results[i], true))
	}
	return out, nil
}

// opaError gives errors of the machine the codes that OPA uses.
func opaError(err error) error {
	if errors.Is(err, ErrCanceled) {
		return &topdown.Error{Code: topdown.CancelErr, Message: "caller cancelled query execution"}
	}
	return err
}

// setupBuiltins hands OPA's evaluation options to its builtins.
func setupBuiltins(b *topdown.BuiltinContext, ectx *rego.EvalContext, runtime ast.Value) {
	b.Metrics = ectx.Metrics()
	if s := ectx.Seed(); s != nil {
		b.Seed = s
	}
	if t := ectx.Time(); !t.IsZero() {
		b.Time = ast.NumberTerm(jsonInt(t.UnixNano()))
	}
	if runtime != nil {
		b.Runtime = ast.NewTerm(runtime)
	}
	b.InterQueryBuiltinCache = ectx.InterQueryBuiltinCache()
	b.InterQueryBuiltinValueCache = ectx.InterQueryBuiltinValueCache()
	b.NDBuiltinCache = ectx.NDBCache()
	b.Capabilities = ectx.Capabilities()
	b.QueryTracers = ectx.QueryTracers()
	b.DistributedTracingOpts = ectx.TracingOpts()
}

// load sets the input and the data of one evaluation.
func (q *query) load(ctx context.Context, m *Machine, ectx *rego.EvalContext) error {
	v := ectx.ParsedInput()
	if v == nil {
		if raw := ectx.RawInput(); raw != nil {
			parsed, err := ast.InterfaceToValue(*raw)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrInput, err)
			}
			v = parsed
		}
	}
	doc, err := readStore(ctx, ectx.Transaction())
	if err != nil {
		return err
	}
	m.limit = 0 // the cap is for what is made of input and data
	err = m.fillAST(rootField, v)
	if err == nil {
		m.data, err = m.fromAST(doc)
	}
	m.used, m.limit = 0, q.prog.limits.Bytes
	return err
}

// readStore returns the data document that txn sees. OPA hands targets the
// transaction but not the store; the transactions of its stores can be read.
func readStore(ctx context.Context, txn storage.Transaction) (ast.Value, error) {
	var doc any
	var err error
	switch t := txn.(type) {
	case nil:
		return ast.NewObject(), nil
	case interface {
		Read(storage.Path) (any, error)
	}:
		doc, err = t.Read(storage.Path{})
	case interface {
		Read(context.Context, storage.Path) (any, error)
	}:
		doc, err = t.Read(ctx, storage.Path{})
	default:
		return nil, fmt.Errorf("engine: store with transactions of type %s cannot be read", strings.TrimPrefix(fmt.Sprintf("%T", txn), "*"))
	}
	if err != nil {
		return nil, fmt.Errorf("engine: read data: %w", err)
	}
	if v, ok := doc.(ast.Value); ok {
		return v, nil
	}
	return ast.InterfaceToValue(doc)
}
