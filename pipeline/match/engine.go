package match

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/policies/engine"
)

// Engine is the compiled detections, shared by the matchers of all lanes. All rules are
// one indexed evaluation per event; a sample of them is judged by the stock interpreter,
// and a rule that ever differs is answered by it from then on. Safe for concurrent use.
type Engine struct {
	live  *engine.Live
	rules *Set
	data  map[string]any
}

// EngineOptions are what an Engine may be told. The zero value is good.
type EngineOptions struct {
	// Revision names the bundle in what OnDifference is told.
	Revision string
	// JudgeEvery is the distance between events that are judged too. Default 1000; 1 judges
	// all, negative none.
	JudgeEvery int
	// OnDifference is told of each difference, from any goroutine. Nil: nobody.
	OnDifference func(engine.Difference)
}

// NewEngine compiles the set's rules over data, the object under data.* (nil: none).
func NewEngine(ctx context.Context, s *Set, data map[string]any, opt EngineOptions) (*Engine, error) {
	cfg := engine.Config{Modules: s.sources, Revision: opt.Revision, Capabilities: Capabilities()}
	if data != nil {
		text, err := json.Marshal(data)
		if err != nil {
			return nil, fmt.Errorf("match: data: %w", err)
		}
		cfg.Data = text
	}
	for _, d := range s.Detections {
		cfg.Entrypoints = append(cfg.Entrypoints, "riposte/detect/"+d.Name+"/match")
	}
	if len(cfg.Entrypoints) == 0 {
		return nil, errors.New("match: no detections")
	}
	prog, err := engine.Load(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	live := engine.NewLive(prog, engine.LiveConfig{Every: opt.JudgeEvery, Probation: -1, OnDifference: opt.OnDifference})
	return &Engine{live: live, rules: s, data: data}, nil
}

// Distrusted returns the entry points that differed and are answered by the stock
// interpreter.
func (e *Engine) Distrusted() []string { return e.live.Distrusted() }

// NewMatcher returns a matcher for one goroutine.
func (e *Engine) NewMatcher(ctx context.Context) (*EngineMatcher, error) {
	fallback, err := NewTopdown(ctx, e.rules, e.data)
	if err != nil {
		return nil, err
	}
	return &EngineMatcher{worker: e.live.NewWorker(), fallback: fallback}, nil
}

// EngineMatcher is the Matcher on the policy engine.
type EngineMatcher struct {
	worker   *engine.Worker
	fallback *Topdown
	hits     []engine.Hit
}

var _ pipeline.Matcher = (*EngineMatcher)(nil)

// Match implements [pipeline.Matcher]. If the evaluation of all rules together ends early,
// the stock interpreter answers for the event.
func (m *EngineMatcher) Match(ctx context.Context, event []byte, dst []int) ([]int, error) {
	hits, err := m.worker.Match(ctx, engine.JSON(event), m.hits[:0])
	m.hits = hits
	if err != nil {
		return m.fallback.Match(ctx, event, dst)
	}
	var errs []error
	for i := range hits {
		h := &hits[i]
		if h.Err != nil {
			errs = append(errs, &RuleError{Rule: int(h.Entry), Err: h.Err})
		} else if hit, ok := h.Value.Bool(); hit && ok {
			dst = append(dst, int(h.Entry))
		}
	}
	return dst, errors.Join(errs...)
}
