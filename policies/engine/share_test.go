package engine

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Run with -race: a Source may hand the same Value to several machines.
func TestAValueOfASourceIsSharedByManyGoroutines(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, Config{Modules: map[string]string{"p.rego": `package p

x := {k | some k in input.set} | {input.set, input.obj} if input.set == {1, 2, 3, 4, 5, 6, 7, 8, "c", [1]}
`}, Entrypoints: []string{"p/x"}})
	v := ast.MustParseTerm(`{"set": {1, 2, 3, 4, 5, 6, 7, 8, "c", [1]}, "obj": {"b": {"d", "e"}, "a": 1}}`).Value
	shared := map[int]Value{}
	for _, f := range p.Fields() {
		shared[f.ID] = pathSource{p, v}.Lookup(f.ID)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r, err := p.NewMachine().Eval(context.Background(), 0, From(fixedSource(shared)))
			if err != nil || r.Value().Len() != 12 {
				t.Errorf("got %v, %v", r.AST(), err)
			}
		})
	}
	wg.Wait()
}

type fixedSource map[int]Value

func (s fixedSource) Lookup(id int) Value { return s[id] }

// Run with -race: machines of several goroutines read the same constants and data.
func TestMachinesOfManyGoroutinesShareAProgram(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		g := newGenerator(1000 + seed)
		source, entries := g.policy(6)
		if len(entries) == 0 {
			continue
		}
		p := mustLoad(t, Config{Modules: map[string]string{"f.rego": source}, Data: []byte(genData), Entrypoints: entries, LaxCompile: true})
		var events [][]byte
		for range 10 {
			events = append(events, []byte(g.event()))
		}
		results := make([]string, 4)
		var wg sync.WaitGroup
		for w := range results {
			wg.Go(func() {
				m := p.NewMachine()
				for _, event := range events {
					for e := range Entry(p.Entrypoints()) {
						r, err := m.Eval(context.Background(), e, JSON(event))
						results[w] += fmt.Sprintln(string(r.Value().AppendJSON(nil)), codeOf(err))
					}
				}
			})
		}
		wg.Wait()
		for w, got := range results {
			if got != results[0] {
				t.Errorf("seed %d: goroutine %d decided\n%s\nnot\n%s", seed, w, got, results[0])
			}
		}
	}
}
