package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing/fstest"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/correlate"
)

// groups is how many groups the signals of a uniform load are of.
const groups = 200

// kinds are one correlation of each kind, whose conditions are out of reach, so that windows
// stay full. A uniform load leaves 18 signals in each.
var kinds = []struct{ name, body string }{
	{"event_count", "rules: [a, b]; timespan: 1h; condition: {gte: 4000}"},
	{"value_count", "rules: [a, b]; timespan: 1h; condition: {field: v, gte: 4000}"},
	{"value_sum", "rules: [a, b]; timespan: 1h; condition: {field: n, gte: 1000000000}"},
	{"value_avg", "rules: [a, b]; timespan: 1h; condition: {field: n, gte: 1000000000}"},
	{"value_percentile", "rules: [a, b]; timespan: 1h; condition: {field: n, percentile: 95, gte: 1000000000}"},
	{"temporal", "rules: [a, b, c]; timespan: 1h"},
	{"temporal_ordered", "rules: [a, b, c]; timespan: 1h"},
	{"absence", "rules: [a, b]; timespan: 1h"},
	{"first_seen", "rules: [a, b]; timespan: 1h; field: v; learning: 90d"},
	{"risk", "rules: [a, b]; timespan: 1h; condition: {gte: 1000000}"},
}

func newStage(kind, body string, budget int) (*correlate.Stage, error) {
	doc := fmt.Sprintf("title: t\nid: x\ncorrelation:\n  type: %s\n  group-by: [g]\n  %s\n", kind, strings.ReplaceAll(body, "; ", "\n  "))
	rules, err := correlate.Load(fstest.MapFS{"x.yml": {Data: []byte(doc)}})
	if err != nil {
		return nil, err
	}
	cfg := correlate.Default()
	cfg.Rules, cfg.Budget, cfg.RuleShare, cfg.KeyShare = rules, budget, 1, 1
	return correlate.New(cfg)
}

// shape is how signals come: a second apart, of detections a and b in turn.
type shape struct {
	group  func(i int) string
	values int
}

func uniform(i int) string { return fmt.Sprintf("g%d", i%groups) }

const start pipeline.Millis = 1_700_000_000_000

// records are the signals from number from on.
func (s shape) records(from, n int) []pipeline.Record {
	recs := make([]pipeline.Record, n)
	for k := range recs {
		i := from + k
		at := start.Add(time.Duration(i) * time.Second)
		event := pipeline.HashID("event", strconv.Itoa(i))
		rule := string(rune('a' + i/groups%2))
		g := s.group(i)
		sig := pipeline.Signal{
			ID: pipeline.SignalID(event, rule, "x"), Event: event, Tenant: "acme", Rule: rule, Step: "x", Source: "bench", Severity: 3,
			Title: "A detection", Group: []string{g}, Fields: map[string]string{"v": fmt.Sprint("v", i%s.values), "n": strconv.Itoa(i % 1000)},
			Entities: []pipeline.EntityValue{{Kind: "host", Value: g}}, At: at, Ingested: at,
		}
		recs[k] = pipeline.Record{Offset: int64(i), Time: at, Value: sig.AppendJSON(nil)}
	}
	return recs
}

// timed returns what one record costs, in processor nanoseconds.
func timed(n int, f func() error) (float64, error) {
	runtime.GC()
	began := cpuTime()
	err := f()
	return float64((cpuTime() - began).Nanoseconds()) / float64(n), err
}

// play gives records to the stage in batches of 100, as the runtime does, with the delta of
// each transaction.
func play(ctx context.Context, st *correlate.Stage, recs []pipeline.Record) error {
	b := &pipeline.Batch{Topic: pipeline.TopicSignals, Tenant: "acme"}
	var delta []byte
	for in := range slices.Chunk(recs, 100) {
		b.Reset()
		b.Topic = pipeline.TopicSignals
		b.In = append(b.In, in...)
		if err := st.Process(ctx, b); err != nil {
			return err
		}
		if len(b.Rejects) > 0 {
			return fmt.Errorf("rejected: %s", b.Rejects[0].Detail)
		}
		delta = st.AppendDelta(delta[:0])
		st.Commit()
	}
	return nil
}

// variant is something to be timed.
type variant struct {
	name string
	run  func(round int) (float64, error)
}

// inTurns runs the variants in turns and returns the times of each, by round.
func inTurns(rounds int, vs []variant) ([][]float64, error) {
	times := make([][]float64, len(vs))
	for round := range rounds + 1 { // the first one warms up
		for i, v := range vs {
			ns, err := v.run(round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.name, err)
			}
			if round > 0 {
				times[i] = append(times[i], ns)
			}
		}
	}
	return times, nil
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// ratio is the median of the rounds' quotients: what disturbs a round disturbs both.
func ratio(a, b []float64) float64 {
	q := make([]float64, len(a))
	for i := range a {
		q[i] = a[i] / b[i]
	}
	return median(q)
}

func stageVariant(ctx context.Context, name, kind, body string, s shape, n int) (variant, error) {
	st, err := newStage(kind, body, 1<<30)
	return variant{name, func(round int) (float64, error) {
		recs := s.records(round*n, n)
		return timed(n, func() error { return play(ctx, st, recs) })
	}}, err
}

// updates measures what a signal costs for each kind, its decoding and its part of the
// delta included, against decoding it and counting it in a hash map.
func updates(ctx context.Context, o options, say func(string, ...any)) ([]result, error) {
	s := shape{uniform, 50}
	counts := map[string]int{}
	vs := []variant{{"map increment", func(round int) (float64, error) {
		keys := make([]string, o.signals)
		for i := range keys {
			keys[i] = s.group(round*o.signals + i)
		}
		const times = 20 // one is too short to be timed
		return timed(o.signals*times, func() error {
			for range times {
				for _, k := range keys {
					counts[k]++
				}
			}
			return nil
		})
	}}, {"decode + increment", func(round int) (float64, error) {
		recs := s.records(round*o.signals, o.signals)
		var sig pipeline.Signal
		var arena pipeline.Arena
		return timed(o.signals, func() error {
			for i := range recs {
				if i%100 == 0 {
					arena.Reset()
				}
				if err := pipeline.DecodeSignal(recs[i].Value, &sig, &arena); err != nil {
					return err
				}
				counts[sig.Group[0]]++
			}
			return nil
		})
	}}}
	for _, k := range kinds {
		v, err := stageVariant(ctx, k.name, k.name, k.body, s, o.signals)
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
	times, err := inTurns(o.rounds, vs)
	if err != nil {
		return nil, err
	}
	say("\ncost of one signal, %d groups, 18 signals in each window\n%-20s %10s %12s %20s\n", groups, "", "ns/signal", "increments", "decode+increment")
	var rs []result
	for i, v := range vs {
		say("%-20s %10.0f %12.1f %20.2f\n", v.name, median(times[i]), ratio(times[i], times[0]), ratio(times[i], times[1]))
		if i > 1 {
			rs = append(rs, result{v.name, ratio(times[i], times[1]), "of decode+increment"})
		}
	}
	return rs, nil
}

// distinct compares windows of 240 and of 1,800 different values.
func distinct(ctx context.Context, o options, say func(string, ...any)) ([]result, error) {
	var vs []variant
	for _, n := range []int{240, 1800} {
		body := fmt.Sprintf("rules: [a, b]; timespan: %ds; condition: {field: v, gte: 4000}", n)
		one := shape{func(int) string { return "g" }, n}
		v, err := stageVariant(ctx, fmt.Sprint(n, " values"), "value_count", body, one, o.signals)
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
	times, err := inTurns(o.rounds, vs)
	if err != nil {
		return nil, err
	}
	r := ratio(times[1], times[0])
	say("\ndistinct values in one window\n%-20s %10.0f ns/signal\n%-20s %10.0f ns/signal, %.2f times as much\n",
		vs[0].name, median(times[0]), vs[1].name, median(times[1]), r)
	return []result{{"distinct1800:240", r, "<= 3"}}, nil
}

// hotGroup compares the throughput with nine of ten signals in one group to a uniform load.
func hotGroup(ctx context.Context, o options, say func(string, ...any)) ([]result, error) {
	hot := func(i int) string {
		if i%10 != 0 {
			return "hot"
		}
		return uniform(i / 10)
	}
	worst := 0.0
	say("\nthroughput with 90 %% of the signals in one group : uniform\n")
	for _, k := range kinds {
		var vs []variant
		for _, s := range []shape{{uniform, 50}, {hot, 50}} {
			v, err := stageVariant(ctx, k.name, k.name, k.body, s, o.signals)
			if err != nil {
				return nil, err
			}
			vs = append(vs, v)
		}
		times, err := inTurns(o.rounds, vs)
		if err != nil {
			return nil, err
		}
		r := ratio(times[0], times[1])
		say("%-20s %10.2f\n", k.name, r)
		if worst == 0 || r < worst {
			worst = r
		}
	}
	return []result{{"hot", worst, ">= 0.5"}}, nil
}

// sizes are the bytes of heap and the estimated ones of a group with one signal, and with
// ten.
func sizes(ctx context.Context, _ options, say func(string, ...any)) ([]result, error) {
	const keys = 20_000
	say("\nbytes per group, of %d\n%-20s %10s %10s %10s %10s\n", keys, "", "1 signal", "estimate", "10 signals", "estimate")
	var rs []result
	for _, k := range kinds {
		var cells []any
		for _, per := range []int{1, 10} {
			st, err := newStage(k.name, k.body, 1<<30)
			if err != nil {
				return nil, err
			}
			before := heap()
			for i := range per {
				s := shape{func(n int) string { return fmt.Sprintf("g%d", n%keys) }, 1 << 30}
				recs := s.records(i*keys, keys)
				for j := range recs { // all within the window
					var sig pipeline.Signal
					if err := pipeline.DecodeSignal(recs[j].Value, &sig, &pipeline.Arena{}); err != nil {
						return nil, err
					}
					sig.At = start.Add(time.Duration(i*keys+j) * time.Millisecond)
					sig.Ingested = sig.At
					recs[j].Value, recs[j].Time = sig.AppendJSON(nil), sig.At
				}
				if err := play(ctx, st, recs); err != nil {
					return nil, err
				}
			}
			used := heap() - before
			cells = append(cells, used/keys, int64(st.StateBytes()/keys))
			if k.name == "event_count" && per == 1 {
				rs = append(rs, result{"bytes", float64(used) / keys, "per group with one signal"})
			}
			runtime.KeepAlive(st)
		}
		say("%-20s %10d %10d %10d %10d\n", append([]any{k.name}, cells...)...)
	}
	return rs, nil
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
