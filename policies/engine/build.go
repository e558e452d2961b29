package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
	"github.com/open-policy-agent/opa/v1/ir"
)

// build plans and lowers entry points.
type build struct {
	cfg   Config
	data  *Value         // sealed
	heads map[head]int32 // rules to count
	bad   map[string]error
}

// all returns the code of the entry points. Those that OPA's planner cannot plan, or
// whose plan cannot be lowered, are left out and noted in bad, with the reason.
func (b *build) all(ctx context.Context) (*code, error) {
	c, err := b.code(ctx, b.cfg.Entrypoints)
	if err == nil {
		return c, nil
	}
	if err := b.findBad(ctx, b.cfg.Entrypoints, err); err != nil {
		return nil, err
	}
	good := slices.DeleteFunc(slices.Clone(b.cfg.Entrypoints), func(e string) bool { return b.bad[e] != nil })
	return b.code(ctx, good)
}

// findBad halves entries, which fail together because of err, until it knows which
// ones fail alone.
func (b *build) findBad(ctx context.Context, entries []string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(entries) == 1 {
		if strings.Contains(err.Error(), "does not refer to a rule") {
			return fmt.Errorf("%w: %s", ErrEntry, entries[0])
		}
		b.bad[entries[0]] = err
		return nil
	}
	half := len(entries) / 2
	for _, part := range [][]string{entries[:half], entries[half:]} {
		if _, err := b.code(ctx, part); err != nil {
			if err := b.findBad(ctx, part, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *build) code(ctx context.Context, entries []string) (*code, error) {
	pol := &ir.Policy{Plans: &ir.Plans{}}
	if len(entries) > 0 {
		var err error
		if pol, err = plan(ctx, b.cfg, entries); err != nil {
			return nil, err
		}
	}
	c, err := lower(pol, b.data, nil, b.cfg.StrictBuiltinErrors, b.heads, b.cfg.Without.off())
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return c, nil
}

// parse parses the modules of cfg.
func parse(cfg *Config) (map[string]*ast.Module, error) {
	out := map[string]*ast.Module{}
	for _, name := range slices.Sorted(maps.Keys(cfg.Modules)) {
		m, err := ast.ParseModuleWithOpts(name, cfg.Modules[name], ast.ParserOptions{
			RegoVersion: ast.RegoV1, ProcessAnnotation: true, Capabilities: cfg.Capabilities,
		})
		if err != nil {
			return nil, fmt.Errorf("engine: %w", err)
		}
		out[name] = m
	}
	return out, nil
}

// plan has OPA plan the entry points.
func plan(ctx context.Context, cfg Config, entries []string) (*ir.Policy, error) {
	mods, err := parse(&cfg)
	if err != nil {
		return nil, err
	}
	b := &bundle.Bundle{Data: map[string]any{}}
	b.SetRegoVersion(ast.RegoV1)
	b.Manifest.Init()
	for _, name := range slices.Sorted(maps.Keys(mods)) {
		b.Modules = append(b.Modules, bundle.ModuleFile{URL: name, Path: name, Raw: []byte(cfg.Modules[name]), Parsed: mods[name]})
	}
	c := compile.New().WithCapabilities(cfg.Capabilities).WithTarget(compile.TargetPlan).WithRegoVersion(ast.RegoV1).
		WithEntrypoints(entries...).WithPruneUnused(true).WithEnablePrintStatements(cfg.Print != nil).WithBundle(b)
	if err := c.Build(ctx); err != nil {
		return nil, err
	}
	var pol ir.Policy
	if err := json.Unmarshal(c.Bundle().PlanModules[0].Raw, &pol); err != nil {
		return nil, fmt.Errorf("engine: plan: %w", err)
	}
	return &pol, nil
}
