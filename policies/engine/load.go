package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown/print"
	"github.com/open-policy-agent/opa/v1/util"
)

// Config says what to load. Modules and Entrypoints are required.
type Config struct {
	// Modules maps file names to Rego v1 sources.
	Modules map[string]string
	// Data is the JSON object under data.*; empty means no data.
	Data []byte
	// Entrypoints are the documents to evaluate, as paths below data:
	// "riposte/decide/decision". Their order gives the numbers of the entries.
	Entrypoints []string
	// Revision is what Program.Revision returns; the engine does not read it.
	Revision string
	// Capabilities bound what the policies may use. Nil means Profile().
	Capabilities *ast.Capabilities
	// Schemas, if not nil, make the compiler check references to the input.
	Schemas *ast.SchemaSet
	// StrictBuiltinErrors ends an evaluation with an error when a builtin fails;
	// otherwise the failing expression is undefined.
	StrictBuiltinErrors bool
	// LaxCompile turns off the compiler's strict checks (unused variables and
	// the like), which are errors by default.
	LaxCompile bool
	// Print receives the output of print calls. Nil means that they are erased.
	Print print.Hook
	// Limits bound each evaluation.
	Limits Limits
	// Coverage counts the rules that hold, see Machine.Hits and Result.Fired.
	Coverage bool
	// Without turns parts of the engine off, to measure or to find a fault. The
	// answers do not change.
	Without Feature
}

// Feature is a set of parts of the engine that can be turned off.
type Feature uint8

// The parts that can be turned off.
const (
	FeatureIndex   Feature = 1 << iota // the index over the guards of rules
	FeatureFolding                     // constants computed at load
	FeatureMemo                        // rules evaluated once per input
	FeaturePruning                     // decoding only what is read
	FeatureNatives                     // builtins on the engine's values
)

func (f Feature) off() features {
	return features{
		noIndex: f&FeatureIndex != 0, noFold: f&FeatureFolding != 0, noMemo: f&FeatureMemo != 0,
		noPrune: f&FeaturePruning != 0, noNative: f&FeatureNatives != 0, noDead: f&FeatureFolding != 0,
	}
}

// Load compiles cfg into a Program. It fails when the policies do not compile or
// an entry point does not exist; what only the machine cannot run is left to
// topdown and named in the Report.
func Load(ctx context.Context, cfg Config) (*Program, error) {
	if len(cfg.Entrypoints) == 0 {
		return nil, errors.New("engine: no entry points")
	}
	if cfg.Capabilities == nil {
		cfg.Capabilities = Profile()
	}
	p := &Program{limits: cfg.Limits.withDefaults(), revision: cfg.Revision, strict: cfg.StrictBuiltinErrors, hook: cfg.Print, coverage: cfg.Coverage}
	doc, err := parseData(cfg.Data)
	if err != nil {
		return nil, err
	}
	if p.judge, err = newJudge(ctx, cfg, doc); err != nil {
		return nil, err
	}
	root := &arena{}
	v, err := ast.InterfaceToValue(doc)
	if err != nil {
		return nil, fmt.Errorf("engine: data: %w", err)
	}
	data, err := root.fromAST(v)
	if err != nil {
		return nil, fmt.Errorf("engine: data: %w", err)
	}
	seal(&data)
	p.rules = p.judge.listRules()
	var heads map[head]int32
	if cfg.Coverage {
		heads = headsOf(p.rules)
	}
	b := build{cfg: cfg, data: &data, heads: heads, bad: map[string]error{}}
	if p.code, err = b.all(ctx); err != nil {
		return nil, err
	}
	p.addEntries(cfg.Entrypoints, b.bad)
	return p, nil
}

func parseData(text []byte) (map[string]any, error) {
	doc := map[string]any{}
	if len(text) == 0 {
		return doc, nil
	}
	if err := util.UnmarshalJSON(text, &doc); err != nil {
		return nil, fmt.Errorf("engine: data: %w", err)
	}
	return doc, nil
}
