package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// modes are the ways to run the engine that must not differ.
var modes = map[string]Feature{
	"all on": 0, "no index": FeatureIndex, "no folding": FeatureFolding, "no memo": FeatureMemo,
	"no pruning": FeaturePruning, "no natives": FeatureNatives, "all off": allOff,
}

// maxLevel is the level of the generator that writes all it can.
const maxLevel = 2

// regressions are seeds that once showed a difference, by level of the generator.
var regressions = [maxLevel + 1][]uint64{
	{
		17518679147758, // 1e2 was not found in the index under 100
		5907293324389,  // of two rules that gave 1 and 1.0, the last counted
		5099016117557,  // of equal values under one key of a comprehension, the first counted
		16335786648741, // a call under with wrote over the input that with had saved
	},
}

func FuzzRandomPoliciesDecideAsTopdown(f *testing.F) {
	for seed := range uint64(25) {
		f.Add(seed, uint8(1))
		f.Add(seed, uint8(maxLevel))
	}
	for level, seeds := range regressions {
		for _, seed := range seeds {
			f.Add(seed, uint8(level))
		}
	}
	f.Fuzz(func(t *testing.T, seed uint64, level uint8) { checkSeed(t, seed, int(level)%(maxLevel+1)) })
}

// TestRandomPoliciesForAWhile runs new seeds for the duration in
// RIPOSTE_ENGINE_FUZZ, for example 30m.
func TestRandomPoliciesForAWhile(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("RIPOSTE_ENGINE_FUZZ"))
	if err != nil {
		t.Skip("set RIPOSTE_ENGINE_FUZZ to a duration to run this")
	}
	first := rand.Uint64() >> 20
	n := uint64(0)
	for start := time.Now(); time.Since(start) < d && !t.Failed(); n++ {
		checkSeed(t, first+n, 1+int(n%maxLevel))
	}
	t.Logf("%d policies from seed %d on, %v", n, first, d)
}

// checkSeed compares one random policy with topdown on random events.
func checkSeed(t *testing.T, seed uint64, level int) {
	t.Helper()
	g := newGenerator(seed)
	g.level = level
	source, entries := g.policy(2 + g.r.IntN(7))
	if len(entries) == 0 {
		return
	}
	strict := g.chance(30)
	cfg := Config{
		Modules: map[string]string{"f.rego": source}, Data: []byte(genData), Entrypoints: entries,
		LaxCompile: true, StrictBuiltinErrors: strict,
	}
	progs := map[string]*Program{}
	for name, off := range modes {
		if name != "all on" && name != "all off" && !g.chance(25) {
			continue
		}
		cfg.Without = off
		p, err := Load(context.Background(), cfg)
		if err != nil {
			t.Fatalf("seed %d: %s: %v\n%s", seed, name, err, source)
		}
		progs[name] = p
	}
	c := comparison{seed: seed, level: level, source: source, strict: strict}
	for range 8 {
		c.event = g.event()
		if level > 1 {
			c.event = g.mutate(t, c.event, progs["all on"].Fields())
		}
		c.run(t, progs)
		if t.Failed() {
			return
		}
	}
}

// comparison is one policy and event at work.
type comparison struct {
	seed   uint64
	level  int
	source string
	strict bool
	event  string
}

func (c *comparison) fail(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Errorf("seed %d, level %d, strict=%v, event %s:\n%s\n%s", c.seed, c.level, c.strict, c.event, fmt.Sprintf(format, args...), c.source)
}

func (c *comparison) run(t *testing.T, progs map[string]*Program) {
	t.Helper()
	var doc any
	if err := util.UnmarshalJSON([]byte(c.event), &doc); err != nil {
		t.Fatal(err)
	}
	in := ast.MustInterfaceToValue(doc)
	ref := progs["all on"]
	if ref == nil {
		return
	}
	for e := range Entry(ref.Entrypoints()) {
		wants := verdicts(t, ref, e, in)
		for name, p := range progs {
			m := p.NewMachine()
			for kind, input := range map[string]Input{"json": JSON([]byte(c.event)), "ast": AST(in), "source": From(pathSource{p, in})} {
				r, err := m.Eval(context.Background(), e, input)
				if why := r.ByTopdown(); why != nil && strings.Contains(why.Error(), "panic") {
					c.fail(t, "%s, %s, %s: %v", p.Name(e), name, kind, why)
				}
				if got := verdict(r.AST(), err); !wants[got] {
					c.fail(t, "%s, %s, %s: got %s, topdown says %v", p.Name(e), name, kind, got, wants)
				}
			}
		}
	}
	c.match(t, progs)
}

// match checks that Match finds what Eval finds.
func (c *comparison) match(t *testing.T, progs map[string]*Program) {
	t.Helper()
	for name, p := range progs {
		m, single := p.NewMachine(), p.NewMachine()
		hits, err := m.Match(context.Background(), JSON([]byte(c.event)), nil)
		if err != nil {
			c.fail(t, "%s: match: %v", name, err)
			return
		}
		got := map[Entry]string{}
		for _, h := range hits {
			got[h.Entry] = verdict(h.Value.AST(), h.Err)
		}
		for e := range Entry(p.Entrypoints()) {
			r, err := single.Eval(context.Background(), e, JSON([]byte(c.event)))
			want := verdict(r.AST(), err)
			if want == "undefined" || want == "false" {
				want = ""
			}
			if got[e] != want && !strings.HasPrefix(got[e]+want, "error") {
				c.fail(t, "%s: match of %s: got %q, eval says %q", name, p.Name(e), got[e], want)
			}
		}
	}
}

// verdicts are the answers of topdown with and without its rule index, which
// differ where a rule that it skips would have raised an error.
func verdicts(t *testing.T, p *Program, e Entry, in ast.Value) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	unindexed := *p.judge
	unindexed.indexing = false
	for _, j := range []*judge{p.judge, &unindexed} {
		v, err := j.eval(context.Background(), p.entries[e].name, in)
		out[verdict(v, err)] = true
	}
	return out
}

func verdict(v ast.Value, err error) string {
	switch {
	case err != nil:
		return "error " + codeOf(err)
	case v == nil:
		return "undefined"
	}
	return v.String()
}
