package match

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/sources/all"
	"github.com/riposte-sec/riposte/sources/sample"
)

// sampleEvents are the JSON forms of a few minutes of the sample traffic, stories included.
func sampleEvents(tb testing.TB) [][]byte {
	tb.Helper()
	cfg := sample.Default()
	cfg.Start = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	cfg.Rate, cfg.StoryEvery, cfg.Duration = 10, time.Minute, 6*time.Minute
	g, err := sample.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	formats, err := normalise.New(all.Formats())
	if err != nil {
		tb.Fatal(err)
	}
	var out [][]byte
	for r, ok := g.Next(); ok; r, ok = g.Next() {
		b := &pipeline.Batch{Tenant: "acme", Topic: pipeline.TopicRawPrefix + r.Source}
		b.In = append(b.In, pipeline.Record{Time: pipeline.MillisOf(r.At), Value: r.Value, Headers: r.Headers})
		if err := formats.Stage(r.Source).Process(tb.Context(), b); err != nil {
			tb.Fatal(err)
		}
		for i := range b.Events {
			out = append(out, b.Events[i].AppendJSON(nil))
		}
	}
	return out
}

func TestEngineAndInterpreterAgreeOnTheSampleTraffic(t *testing.T) {
	t.Parallel()
	rules, err := Load(os.DirFS(shipped), Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEngine(t.Context(), rules, shippedData(t), EngineOptions{Watch: unwatched})
	if err != nil {
		t.Fatal(err)
	}
	fast := e.NewMatcher()
	slow, err := NewTopdown(t.Context(), rules, shippedData(t))
	if err != nil {
		t.Fatal(err)
	}
	events := sampleEvents(t)
	seen := map[int]int{}
	for _, event := range events {
		want, err := slow.Match(t.Context(), event, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fast.Match(t.Context(), event, nil)
		if err != nil {
			t.Fatal(err)
		}
		got = slices.DeleteFunc(got, func(i int) bool { return !asked(rules, i, event) })
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v for %s", got, want, event)
		}
		for _, i := range got {
			seen[i]++
		}
	}
	if len(events) < 1000 || len(seen) < 10 {
		t.Errorf("%d events match %d rules: too few to mean anything", len(events), len(seen))
	}
	t.Logf("%d events, %d rules matched", len(events), len(seen))
}

// asked reports whether rule i is for the event's class, as the stage sees to.
func asked(rules *Set, i int, event []byte) bool {
	classes := rules.Detections[i].Classes
	text, _ := jsonText(event, "class_uid")
	return len(classes) == 0 || slices.ContainsFunc(classes, func(c pipeline.Class) bool {
		v, _ := valueText(pipeline.Value{Kind: pipeline.KindInt, Int: int64(c)})
		return v == text
	})
}

func BenchmarkShippedRulesPerEvent(b *testing.B) {
	rules, err := Load(os.DirFS(shipped), Options{})
	if err != nil {
		b.Fatal(err)
	}
	e, err := NewEngine(b.Context(), rules, shippedData(b), EngineOptions{Watch: unwatched})
	if err != nil {
		b.Fatal(err)
	}
	fast := e.NewMatcher()
	slow, err := NewTopdown(b.Context(), rules, shippedData(b))
	if err != nil {
		b.Fatal(err)
	}
	events := sampleEvents(b)
	run := func(b *testing.B, m pipeline.Matcher) {
		b.Helper()
		b.ReportAllocs()
		var dst []int
		n := 0
		for b.Loop() {
			if dst, err = m.Match(b.Context(), events[n%len(events)], dst[:0]); err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.Run("engine", func(b *testing.B) { run(b, fast) })
	b.Run("topdown", func(b *testing.B) { run(b, slow) })
}
