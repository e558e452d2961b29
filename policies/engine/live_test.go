package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

func revision(tb testing.TB, n int) *Program {
	tb.Helper()
	return mustLoad(tb, Config{
		Modules:     map[string]string{"r.rego": fmt.Sprintf("package r\n\nanswer := {\"revision\": %d, \"twice\": input.x * %d}\n\nmatch if input.x > 1\n", n, n)},
		Entrypoints: []string{"r/answer", "r/match"}, Revision: fmt.Sprint(n),
	})
}

func TestEachLiveDecisionHasOneRevisionWhileProgramsAreSwapped(t *testing.T) {
	t.Parallel()
	progs := make([]*Program, 5)
	for i := range progs {
		progs[i] = revision(t, i)
	}
	var differences atomic.Int64
	live := NewLive(progs[0], LiveConfig{Every: 7, Probation: -1, OnDifference: func(Difference) { differences.Add(1) }})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			w := live.NewWorker()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				r, err := w.Eval(context.Background(), "r/answer", JSON(fmt.Appendf(nil, `{"x": %d}`, i%100)))
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := r.Value().Get("revision").Int()
				twice, _ := r.Value().Get("twice").Int()
				if fmt.Sprint(n) != r.Revision() || w.Program().Revision() != r.Revision() || twice != n*int64(i%100) {
					t.Errorf("decision %v of revision %s is mixed", r.AST(), r.Revision())
					return
				}
				hits, err := w.Match(context.Background(), JSON([]byte(`{"x": 2}`)), nil)
				if n, _ := hits[0].Value.Get("revision").Int(); err != nil || len(hits) != 2 || fmt.Sprint(n) != w.Program().Revision() {
					t.Errorf("hits %v of revision %s, %v", hits, w.Program().Revision(), err)
					return
				}
			}
		})
	}
	for i := range 200 {
		live.Swap(progs[i%len(progs)])
	}
	close(stop)
	wg.Wait()
	if differences.Load() != 0 {
		t.Errorf("%d differences", differences.Load())
	}
}

// corrupt returns p with the constant number from replaced by to: a program whose
// machine is wrong.
func corrupt(t *testing.T, p *Program, from, to int64) *Program {
	t.Helper()
	for i, k := range p.code.consts {
		if n, ok := k.Int(); ok && n == from {
			p.code.consts[i] = Int(to)
			return p
		}
	}
	t.Fatalf("no constant %d", from)
	return nil
}

func TestADifferenceIsReportedAndTopdownAnswersFromThenOn(t *testing.T) {
	t.Parallel()
	var seen []Difference
	p := corrupt(t, revision(t, 21), 21, 22)
	live := NewLive(p, LiveConfig{Every: 3, Probation: -1, OnDifference: func(d Difference) { seen = append(seen, d) }})
	w := live.NewWorker()
	var got []string
	for range 5 {
		r, err := w.Eval(t.Context(), "r/answer", JSON([]byte(`{"x": 2}`)))
		if err != nil {
			t.Fatal(err)
		}
		by := r.ByTopdown() != nil
		got = append(got, fmt.Sprint(string(r.Value().Get("twice").AppendJSON(nil)), by))
	}
	if want := []string{"44false", "44false", "42true", "42true", "42true"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(seen) != 1 || seen[0].Entry != "r/answer" || seen[0].Revision != "21" || seen[0].Input.String() != `{"x": 2}` ||
		seen[0].Machine.String() != `{"revision": 21, "twice": 44}` || seen[0].Topdown.String() != `{"revision": 21, "twice": 42}` || seen[0].Err != nil {
		t.Errorf("differences: %+v", seen)
	}
	if d := live.Distrusted(); len(d) != 1 || d[0] != "r/answer" {
		t.Errorf("distrusted: %v", d)
	}
	if s := live.Stats(); s != (Stats{Topdown: 2, Judged: 1, Differences: 1}) {
		t.Errorf("stats: %+v", s)
	}
}

func TestAMissedMatchIsFoundAndCorrected(t *testing.T) {
	t.Parallel()
	p := corrupt(t, revision(t, 21), 1, 1000) // the bound of r.match
	live := NewLive(p, LiveConfig{Every: 1, Probation: -1})
	w := live.NewWorker()
	for range 3 {
		hits, err := w.Match(t.Context(), JSON([]byte(`{"x": 5}`)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(hits) != 2 || hits[1].Value.AST().Compare(ast.Boolean(true)) != 0 {
			t.Errorf("hits: %+v", hits)
		}
	}
	if s := live.Stats(); s.Differences != 1 {
		t.Errorf("stats: %+v", s)
	}
}

func TestAllDecisionsAreJudgedDuringProbation(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	live := NewLive(revision(t, 1), LiveConfig{Every: -1, Now: func() time.Time { return now }})
	w := live.NewWorker()
	for i := range 10 {
		if i == 4 {
			now = now.Add(2 * time.Minute)
		}
		if _, err := w.Eval(t.Context(), "r/answer", JSON([]byte(`{"x": 1}`))); err != nil {
			t.Fatal(err)
		}
	}
	if s := live.Stats(); s.Judged != 4 {
		t.Errorf("stats: %+v", s)
	}
}
