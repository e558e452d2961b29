package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// judge evaluates entry points with topdown, as fast as it goes: values instead
// of maps, one transaction, no goroutine per evaluation, a shared value cache.
// It is safe for concurrent use.
type judge struct {
	compiler *ast.Compiler
	store    storage.Store
	txn      storage.Transaction
	values   cache.InterQueryValueCache
	strict   bool
	indexing bool
	cfg      *Config
	budget   int // instructions
	names    []string

	mu      *sync.Mutex
	queries map[string]*rego.PreparedEvalQuery // guarded by mu
}

func newJudge(ctx context.Context, cfg Config, doc map[string]any) (*judge, error) {
	mods, err := parse(&cfg)
	if err != nil {
		return nil, err
	}
	j := &judge{mu: &sync.Mutex{}, strict: cfg.StrictBuiltinErrors, indexing: true, cfg: &cfg, budget: cfg.Limits.withDefaults().Instructions, queries: map[string]*rego.PreparedEvalQuery{}}
	j.compiler = ast.NewCompiler().WithCapabilities(cfg.Capabilities).WithStrict(!cfg.LaxCompile).
		WithEnablePrintStatements(cfg.Print != nil).WithDefaultRegoVersion(ast.RegoV1).
		WithPathConflictsCheck(func(path []string) (bool, error) { return exists(doc, path), nil })
	j.names = listNames(mods)
	if cfg.Schemas != nil {
		j.compiler = j.compiler.WithSchemas(cfg.Schemas)
	}
	if j.compiler.Compile(mods); j.compiler.Failed() {
		return nil, fmt.Errorf("engine: %w", j.compiler.Errors)
	}
	j.store = inmem.NewFromObjectWithOpts(doc, inmem.OptReturnASTValuesOnRead(true))
	if j.txn, err = j.store.NewTransaction(ctx); err != nil {
		return nil, fmt.Errorf("engine: data: %w", err)
	}
	j.values = cache.NewInterQueryValueCache(ctx, nil)
	return j, nil
}

func exists(doc map[string]any, path []string) bool {
	var v any = doc
	for _, p := range path {
		o, ok := v.(map[string]any)
		if !ok {
			return false
		}
		if v, ok = o[p]; !ok {
			return false
		}
	}
	return true
}

func (j *judge) query(ctx context.Context, name string) (*rego.PreparedEvalQuery, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if q := j.queries[name]; q != nil {
		return q, nil
	}
	ref := ast.Ref{ast.DefaultRootDocument}
	for p := range strings.SplitSeq(name, "/") {
		ref = append(ref, ast.StringTerm(p))
	}
	body := ast.NewBody(ast.Equality.Expr(ast.VarTerm("result"), ast.NewTerm(ref)))
	q, err := rego.New(rego.ParsedQuery(body), rego.Compiler(j.compiler), rego.Store(j.store), rego.Transaction(j.txn),
		rego.StrictBuiltinErrors(j.strict), rego.EnablePrintStatements(j.cfg.Print != nil),
		rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil }),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("engine: topdown: %s: %w", name, err)
	}
	j.queries[name] = &q
	return &q, nil
}

// eval returns the document name for input; nil if it is undefined.
func (j *judge) eval(ctx context.Context, name string, input ast.Value) (ast.Value, error) {
	q, err := j.query(ctx, name)
	if err != nil {
		return nil, err
	}
	left := j.budget
	stop := &meter{ctx: ctx, left: &left}
	opts := []rego.EvalOption{
		rego.EvalTransaction(j.txn), rego.EvalExternalCancel(stop), rego.EvalMetrics(metrics.NoOp()),
		rego.EvalInterQueryBuiltinValueCache(j.values), rego.EvalRuleIndexing(j.indexing), rego.EvalPrintHook(j.cfg.Print),
	}
	if input != nil {
		opts = append(opts, rego.EvalParsedInput(input))
	}
	rs, err := q.Eval(ctx, opts...)
	if err != nil {
		return nil, stop.explain(err)
	}
	if len(rs) == 0 {
		return nil, nil
	}
	v, ok := rs[0].Bindings["result"].(ast.Value)
	if !ok {
		return nil, errors.New("BUG: topdown's result is no value")
	}
	return v, nil
}

// listNames lists the rules of modules as data.path, sorted. They are not compiled yet:
// variables have the names that the policies give them.
func listNames(modules map[string]*ast.Module) []string {
	var out []string
	for _, m := range modules {
		for _, r := range m.Rules {
			out = append(out, r.Ref().String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
