package match

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/policies/engine"
)

// Engine is the compiled detections, shared by the matchers of all lanes. All rules are
// one indexed evaluation per event; some events are judged by OPA's own interpreter, and a
// rule that ever differs is answered by it from then on. Safe for concurrent use.
type Engine struct {
	live  *engine.Live
	rules *Set
}

// EngineOptions are what an Engine may be told. The zero value is good.
type EngineOptions struct {
	// Revision names the bundle in what Watch.OnDifference is told.
	Revision string
	// Watch says which events are judged too, and who is told of differences.
	Watch engine.LiveConfig
}

// NewEngine compiles the set's rules over data, the object under data.* (nil: none).
func NewEngine(ctx context.Context, s *Set, data map[string]any, opt EngineOptions) (*Engine, error) {
	cfg := engine.Config{Modules: s.sources, Revision: opt.Revision}
	if data != nil {
		text, err := json.Marshal(data)
		if err != nil {
			return nil, fmt.Errorf("match: data: %w", err)
		}
		cfg.Data = text
	}
	for i := range s.Detections {
		cfg.Entrypoints = append(cfg.Entrypoints, s.Detections[i].entrypoint())
	}
	if len(cfg.Entrypoints) == 0 {
		return nil, errors.New("match: no detections")
	}
	prog, err := engine.Load(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	return &Engine{live: engine.NewLive(prog, opt.Watch), rules: s}, nil
}

func (d *Detection) entrypoint() string { return "riposte/detect/" + d.Name + "/match" }

// Stats returns what the matchers did besides matching.
func (e *Engine) Stats() engine.Stats { return e.live.Stats() }

// Report says what was made of the detections.
func (e *Engine) Report() engine.Report { return e.live.Program().Report() }

// Distrusted returns the rules that OPA's interpreter answers because the engine differed
// from it.
func (e *Engine) Distrusted() []string { return e.live.Distrusted() }

// NewMatcher returns a matcher for one goroutine.
func (e *Engine) NewMatcher() *EngineMatcher {
	return &EngineMatcher{rules: e.rules, worker: e.live.NewWorker()}
}

// EngineMatcher is the Matcher on the policy engine.
type EngineMatcher struct {
	rules  *Set
	worker *engine.Worker
	hits   []engine.Hit
}

var _ pipeline.Matcher = (*EngineMatcher)(nil)

// Match implements [pipeline.Matcher]. If the evaluation of all rules together ends early,
// because of its bounds, each rule is asked by itself.
func (m *EngineMatcher) Match(ctx context.Context, event []byte, dst []int) ([]int, error) {
	hits, err := m.worker.Match(ctx, engine.JSON(event), m.hits[:0])
	m.hits = hits
	if err != nil {
		return m.each(ctx, event, dst)
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

// each asks for one rule of the event's class after the other, so that a rule that runs
// into the bounds takes no other with it. Padding must not hide an event: strings of any
// length are let through, and numbers that are too big to compute with are texts.
func (m *EngineMatcher) each(ctx context.Context, event []byte, dst []int) ([]int, error) {
	var doc any
	if err := util.UnmarshalJSON(event, &doc); err != nil {
		return dst, fmt.Errorf("match: event: %w", err)
	}
	v, err := ast.InterfaceToValue(tame(doc))
	if err != nil {
		return dst, fmt.Errorf("match: event: %w", err)
	}
	var errs []error
	for _, i := range m.rules.rulesOf(classOf(v)) {
		r, err := m.worker.Eval(ctx, m.rules.Detections[i].entrypoint(), engine.AST(v))
		if err != nil {
			errs = append(errs, &RuleError{Rule: i, Err: err})
		} else if hit, ok := r.Value().Bool(); hit && ok {
			dst = append(dst, i)
		}
	}
	return dst, errors.Join(errs...)
}

// maxDigits is how many digits a number of an event may have, written out.
const maxDigits = 1000

// tame makes texts of the numbers in v that are too big to compute with.
func tame(v any) any {
	switch v := v.(type) {
	case json.Number:
		if tooBig(string(v)) {
			return string(v)
		}
	case []any:
		for i := range v {
			v[i] = tame(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = tame(v[k])
		}
	}
	return v
}

func tooBig(number string) bool {
	digits, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	exp := 0
	if exponent != "" {
		var err error
		if exp, err = strconv.Atoi(exponent); err != nil {
			return true
		}
	}
	return len(digits)+max(exp, -exp) > maxDigits
}
