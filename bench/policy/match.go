package main

import (
	"context"
	"fmt"
	"time"

	"github.com/riposte-sec/riposte/policies/engine"
)

// measureMatch measures one call that evaluates n detections, a package each, for
// one event.
func measureMatch(ctx context.Context, w *report, n, rounds int, slice time.Duration) error {
	cfg := engine.Config{Modules: map[string]string{}, Data: data()}
	for i := range n {
		name := fmt.Sprintf("d%04d", i)
		cfg.Modules[name+".rego"] = fmt.Sprintf("package detect.%s\n\nmatch if {\n\tinput.class_uid == %d\n\t%s\n}\n", name, classes[i%len(classes)], condition(i))
		cfg.Entrypoints = append(cfg.Entrypoints, "detect/"+name+"/match")
	}
	start := cpuTime()
	prog, err := engine.Load(ctx, cfg)
	if err != nil {
		return err
	}
	loaded := cpuTime() - start
	s := &subject{events: events(512, 42), prog: prog}
	m := prog.NewMachine()
	var hits []engine.Hit
	found := 0
	op := func(i int) {
		if hits, err = m.Match(ctx, engine.JSON(s.events[i]), hits[:0]); err != nil {
			panic(err)
		}
		found += len(hits)
	}
	var times []float64
	for range rounds {
		times = append(times, s.timed(op, slice))
	}
	found = 0
	allocs := s.allocs(op)
	perEvent := float64(found) / float64(len(s.events))
	_, p99 := quantiles(s.latency(op, slice))
	fmt.Fprintf(&w.text, "\nmatch: %d detections, loaded in %v of processor time: %.0f ns/event, p99 %v, %.1f allocs, %.2f hits/event\n",
		n, loaded.Round(time.Millisecond), median(times), p99, allocs, perEvent)
	return nil
}
