package correlate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// document is a correlation over detection a, grouped by g.
func documentOf(tb testing.TB, id, body string) *Correlation {
	tb.Helper()
	c, err := parse(id+".yml", []byte("title: t\nid: "+id+"\ncorrelation:\n  group-by: [g]\n  "+strings.ReplaceAll(body, "; ", "\n  ")+"\n"))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func stageOf(tb testing.TB, change func(*Config), list ...*Correlation) *Stage {
	tb.Helper()
	set, err := NewSet(list)
	if err != nil {
		tb.Fatal(err)
	}
	cfg := Default()
	cfg.Rules = set
	if change != nil {
		change(&cfg)
	}
	st, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return st
}

// sig is the n-th signal of detection a for correlation step.
func sig(step, group string, n int, at time.Duration) pipeline.Signal {
	event := pipeline.HashID("event", step, group, fmt.Sprint(n))
	return pipeline.Signal{
		ID: pipeline.SignalID(event, "a", step), Event: event, Tenant: "acme", Rule: "a", Step: step, Source: "src",
		Severity: 3, Title: "A", Group: []string{group}, At: epoch.Add(at), Ingested: epoch.Add(at),
		Entities: []pipeline.EntityValue{{Kind: "host", Value: group}},
	}
}

func process(tb testing.TB, st *Stage, sigs ...pipeline.Signal) []pipeline.Fact {
	tb.Helper()
	b := &pipeline.Batch{Topic: pipeline.TopicSignals, Tenant: "acme", In: records(sigs)}
	if err := st.Process(tb.Context(), b); err != nil {
		tb.Fatal(err)
	}
	if len(b.Rejects) > 0 {
		tb.Fatalf("rejects: %+v", b.Rejects)
	}
	return factsOf(tb, b)
}

func factsOf(tb testing.TB, b *pipeline.Batch) []pipeline.Fact {
	tb.Helper()
	var out []pipeline.Fact
	for _, m := range b.Out {
		if m.Topic != pipeline.TopicFacts {
			continue
		}
		f, err := pipeline.DecodeFact(m.Value)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, *f)
	}
	return out
}

func snapshot(tb testing.TB, st *Stage) [][]byte {
	tb.Helper()
	var out [][]byte
	if err := st.Snapshot(func(p []byte) error {
		out = append(out, slices.Clone(p))
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	return out
}

const countOf3 = "type: event_count; rules: [a]; timespan: 10m; condition: {gte: 3}"

func TestRestoredStateGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	c := documentOf(t, "n", countOf3)
	old := stageOf(t, nil, c)
	process(t, old, sig("n", "g", 1, 0), sig("n", "g", 2, time.Minute))
	old.Commit()
	st := stageOf(t, nil, c)
	for _, p := range snapshot(t, old) {
		if err := st.Restore(p); err != nil {
			t.Fatal(err)
		}
	}
	if st.StateBytes() != old.StateBytes() || st.Watermark() != old.Watermark() {
		t.Errorf("%d bytes at %d, want %d at %d", st.StateBytes(), st.Watermark(), old.StateBytes(), old.Watermark())
	}
	facts := process(t, st, sig("n", "g", 3, 2*time.Minute))
	if len(facts) != 1 || facts[0].Alert.Signals != 3 || facts[0].Alert.Occurred != epoch {
		t.Errorf("got %+v, want one alert of three signals", facts)
	}
}

func TestEditOfThresholdKeepsStateAndEditOfWindowDoesNot(t *testing.T) {
	t.Parallel()
	old := stageOf(t, nil, documentOf(t, "n", countOf3))
	process(t, old, sig("n", "g", 1, 0), sig("n", "g", 2, time.Minute))
	old.Commit()
	f := func(name, body string, alerts int, dropped uint64) {
		t.Helper()
		st := stageOf(t, nil, documentOf(t, "n", body))
		for _, p := range snapshot(t, old) {
			if err := st.Restore(p); err != nil {
				t.Fatal(err)
			}
		}
		facts := process(t, st, sig("n", "g", 3, 2*time.Minute))
		if len(facts) != alerts || st.Stats().Dropped != dropped {
			t.Errorf("%s: %d alerts and %d keys dropped, want %d and %d", name, len(facts), st.Stats().Dropped, alerts, dropped)
		}
	}
	f("same", countOf3, 1, 0)
	f("threshold", strings.Replace(countOf3, "gte: 3", "gte: 2", 1), 1, 0)
	f("window", strings.Replace(countOf3, "10m", "11m", 1), 0, 1)
}

func TestBrokenStateIsRefused(t *testing.T) {
	t.Parallel()
	c := documentOf(t, "n", countOf3)
	st := stageOf(t, nil, c)
	process(t, st, sig("n", "g", 1, 0))
	delta := st.AppendDelta(nil)
	f := func(name string, change func(p []byte) []byte) {
		t.Helper()
		err := stageOf(t, nil, c).Restore(change(slices.Clone(delta)))
		if !errors.Is(err, errState) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	f("one bit", func(p []byte) []byte { p[len(p)-1] ^= 1; return p })
	f("cut off", func(p []byte) []byte { return p[:len(p)-3] })
	f("empty", func([]byte) []byte { return nil })
	f("newer version", func(p []byte) []byte { p[2]++; return p })
	f("cut off, with a good checksum", func(p []byte) []byte { return reseal(p[:len(p)-3]) })
}

func reseal(p []byte) []byte {
	binary.LittleEndian.PutUint32(p[4:], crc32.Checksum(p[headSize:], castagnoli))
	return p
}

func FuzzRestore(f *testing.F) {
	c := documentOf(f, "n", countOf3)
	st := stageOf(f, nil, c)
	process(f, st, sig("n", "g", 1, 0), sig("n", "g", 2, 0), sig("n", "g", 3, 0))
	f.Add(st.AppendDelta(nil))
	st.Commit()
	for _, p := range snapshot(f, st) {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, piece []byte) {
		st := stageOf(t, nil, c)
		if len(piece) >= headSize {
			piece = reseal(slices.Clone(piece))
			piece[0], piece[1], piece[2] = magic0, magic1, stateVersion
		}
		if st.Restore(piece) == nil {
			process(t, st, sig("n", "g", 4, time.Minute), sig("n", "g", 5, 48*time.Hour))
		}
	})
}

func TestLargeKeyIsSplitOverPieces(t *testing.T) {
	t.Parallel()
	c := documentOf(t, "n", "type: event_count; rules: [a]; timespan: 10h; condition: {gte: 4000}")
	st := stageOf(t, nil, c)
	var sigs []pipeline.Signal
	for i := range 3990 {
		s := sig("n", "g", i, time.Duration(i)*time.Second)
		s.Entities = []pipeline.EntityValue{{Kind: "host", Value: fmt.Sprint(strings.Repeat("h", 300), i)}}
		sigs = append(sigs, s)
	}
	process(t, st, sigs...)
	st.Commit()
	pieces := snapshot(t, st)
	if len(pieces) < 3 {
		t.Errorf("%d pieces, want several", len(pieces))
	}
	again := stageOf(t, nil, c)
	for _, p := range pieces {
		if len(p) > pieceSize+pieceSize/2 {
			t.Errorf("a piece of %d bytes", len(p))
		}
		if err := again.Restore(p); err != nil {
			t.Fatal(err)
		}
	}
	var rest []pipeline.Signal
	for i := range 10 {
		rest = append(rest, sig("n", "g", 4000+i, time.Duration(4000+i)*time.Second))
	}
	if facts := process(t, again, rest...); len(facts) != 1 || facts[0].Alert.Signals != 4000 {
		t.Errorf("%d facts, want one alert of 4000 signals", len(facts))
	}
}

func TestDeltaOfAHotKeyIsSmall(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil, documentOf(t, "n", "type: event_count; rules: [a]; timespan: 10h; condition: {gte: 4000}"))
	for i := range 3000 {
		process(t, st, sig("n", "g", i, time.Duration(i)*time.Second))
		if i == 2998 {
			st.Commit()
		}
	}
	if n := len(st.AppendDelta(nil)); n > 400 {
		t.Errorf("a delta of %d bytes for one signal", n)
	}
}

func TestMemoryOfAKeyWithOneSignalIsSmall(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil, documentOf(t, "n", countOf3))
	const keys = 1000
	for i := range keys {
		process(t, st, sig("n", fmt.Sprint("group", i), i, time.Second))
	}
	if per := st.StateBytes() / keys; per > 1024 {
		t.Errorf("%d bytes per key, want at most 1024", per)
	}
}
