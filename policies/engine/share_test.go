package engine

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

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
