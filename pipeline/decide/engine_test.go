package decide_test

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/riposte-sec/riposte/pipeline/decide"
	playbooks "github.com/riposte-sec/riposte/policies/decide"
	"github.com/riposte-sec/riposte/policies/engine"
	guardrules "github.com/riposte-sec/riposte/policies/guard"
)

func fast(tb testing.TB, files fs.FS, document string) *decide.Engine {
	tb.Helper()
	modules, data, err := decide.Bundle(files)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := decide.NewEngine(tb.Context(), "test-1", document, modules, data, engine.LiveConfig{OnDifference: func(d engine.Difference) {
		tb.Errorf("the engine differs on %s: %v, topdown %v, err %v", d.Input, d.Machine, d.Topdown, d.Err)
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// TestEngineDecidesAsTopdownDoes lets two stages live through the same history, one with
// each evaluator of policies. What they emit must be the same but for the evaluator's name.
func TestEngineDecidesAsTopdownDoes(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	lives := func(p, g decide.Policy) [][]byte {
		w := newWorld(t, func(_ *decide.Config, parts *decide.Parts) { parts.Decide, parts.Guard = p, g })
		history(w, rand.New(rand.NewPCG(seed, 9)))
		lines := render(w.out)
		for i := range lines {
			lines[i] = bytes.ReplaceAll(lines[i], []byte(`"engine":"riposte"`), []byte(`"engine":"topdown"`))
		}
		return lines
	}
	p, g := fast(t, playbooks.FS, decide.DocumentDecide), fast(t, guardrules.FS, decide.DocumentGuard)
	got, want := lives(p, g), lives(topdown(t, playbooks.FS, decide.DocumentDecide), topdown(t, guardrules.FS, decide.DocumentGuard))
	if i := firstDifference(got, want); i >= 0 {
		t.Fatalf("message %d differs:\n%s\n%s", i, at(got, i), at(want, i))
	}
	if len(p.Distrusted())+len(g.Distrusted()) > 0 {
		t.Error("topdown had to answer")
	}
}

func benchmark(b *testing.B, p, g decide.Policy) {
	b.Helper()
	w := newWorld(b, func(_ *decide.Config, parts *decide.Parts) { parts.Decide, parts.Guard = p, g })
	w.tell(alertFact(t0, badIP, "known_bad_address", 4, []string{"T1071.001"}, ent(badIP), ent("host:pc-1")))
	var input []byte
	spy := fixed(func(in []byte) ([]byte, error) { input = bytes.Clone(in); return p.Eval(b.Context(), in) })
	w.parts.Decide = spy
	w.stage = w.fresh()
	w.tell(alertFact(t0, badIP, "known_bad_address", 4, []string{"T1071.001"}, ent(badIP), ent("host:pc-1")))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Eval(b.Context(), input); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlaybookTopdown(b *testing.B) {
	benchmark(b, topdown(b, playbooks.FS, decide.DocumentDecide), lax)
}

func BenchmarkPlaybookEngine(b *testing.B) {
	benchmark(b, fast(b, playbooks.FS, decide.DocumentDecide), lax)
}
