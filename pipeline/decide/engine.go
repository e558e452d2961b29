package decide

import (
	"context"
	"fmt"
	"sync"

	"github.com/riposte-sec/riposte/policies/engine"
)

// Engine is a Policy that the policy engine evaluates. What the engine cannot run, OPA's
// interpreter does; some evaluations are repeated by it, and an answer that ever differs
// hands the document over to it.
type Engine struct {
	live     *engine.Live
	document string
	revision string
	workers  sync.Pool // of *engine.Worker
}

var _ Policy = (*Engine)(nil)

// NewEngine compiles modules and prepares document, one of the Document constants. watch
// says which evaluations are judged too, and who is told of differences. Errors name file
// and line.
func NewEngine(
	ctx context.Context, revision, document string, modules map[string]string, data []byte, watch engine.LiveConfig,
) (*Engine, error) {
	prog, err := engine.Load(ctx, engine.Config{
		Modules: modules, Data: data, Entrypoints: []string{document}, Revision: revision, StrictBuiltinErrors: true,
	})
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", document, err)
	}
	e := &Engine{live: engine.NewLive(prog, watch), document: document, revision: revision}
	e.workers.New = func() any { return e.live.NewWorker() }
	return e, nil
}

// Eval evaluates the document.
func (e *Engine) Eval(ctx context.Context, input []byte) ([]byte, error) {
	w, ok := e.workers.Get().(*engine.Worker)
	if !ok {
		panic("BUG: decide: the pool holds something else than workers")
	}
	defer e.workers.Put(w)
	r, err := w.Eval(ctx, e.document, engine.JSON(input))
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if !r.Defined() {
		return nil, ErrUndefined
	}
	return r.Value().AppendJSON(nil), nil
}

// Revision names the bundle.
func (e *Engine) Revision() string { return e.revision }

// Engine returns "riposte", also where OPA's interpreter had to answer: which of the two did
// is not part of a decision, because it differs from run to run and the answer does not.
func (e *Engine) Engine() string { return "riposte" }

// Stats returns what was done besides deciding.
func (e *Engine) Stats() engine.Stats { return e.live.Stats() }

// Report says what was made of the policy.
func (e *Engine) Report() engine.Report { return e.live.Program().Report() }

// Distrusted returns the document if OPA's interpreter answers for it, because the engine
// differed from it or gave up.
func (e *Engine) Distrusted() []string { return e.live.Distrusted() }
