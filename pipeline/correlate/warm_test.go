package correlate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// here says that everything lies in the partition.
func here([]byte) bool { return true }

// edited is the stage of list with the state of old, warmed with the records of the log, as
// the runtime does it; what is to be made anew is taken from there too.
func edited(t *testing.T, old *Stage, log []pipeline.Signal, list ...*Correlation) (*Stage, pipeline.Cold) {
	t.Helper()
	old.Commit()
	st := stageOf(t, nil, list...)
	for _, p := range snapshot(t, old) {
		if err := st.Restore(p); err != nil {
			t.Fatal(err)
		}
	}
	cold := st.Cold(1, here)
	since := cold.Since
	if a := cold.AnewSince; a != 0 && (since == 0 || a < since) {
		since = a
	}
	if since == 0 {
		return st, cold
	}
	var recs []pipeline.Record
	for _, r := range records(log) {
		if r.Time >= since {
			recs = append(recs, r)
		}
	}
	for recs := range slices.Chunk(recs, 7) {
		if err := st.Warm(t.Context(), &pipeline.Batch{Topic: pipeline.TopicSignals, Tenant: "acme", In: recs}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Warmed(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st, cold
}

func TestEditedWindowGoesOnWithWhatTheLogHolds(t *testing.T) {
	t.Parallel()
	narrow := documentOf(t, "n", countOf3)
	wide := documentOf(t, "n", strings.Replace(countOf3, "10m", "1h", 1))
	log := []pipeline.Signal{sig("n", "g", 1, 0), sig("n", "g", 2, 20*time.Minute), sig("n", "h", 3, 21*time.Minute)}
	old := stageOf(t, nil, narrow)
	process(t, old, log...)
	st, cold := edited(t, old, log, wide)
	if !slices.Equal(cold.Rules, []string{"n"}) || cold.Since > epoch {
		t.Errorf("cold %+v", cold)
	}
	facts := process(t, st, sig("n", "g", 4, 40*time.Minute))
	expectFates(t, facts, "g/incident/1")
	if a := facts[0].Alert; a.Signals != 3 || a.Occurred != epoch {
		t.Errorf("%d signals from %s: want those of before the edit too", a.Signals, a.Occurred.Sub(epoch))
	}
	// What the warm-up made is in the delta: a restart has it.
	again := stageOf(t, nil, wide)
	for _, p := range append(snapshot(t, old), st.AppendDelta(nil)) {
		if err := again.Restore(p); err != nil {
			t.Fatal(err)
		}
	}
	if c := again.Cold(1, here); len(c.Rules) > 0 || again.StateBytes() != st.StateBytes() {
		t.Errorf("after the next restart %+v is cold, %d bytes of state, want %d", c, again.StateBytes(), st.StateBytes())
	}
}

func TestEpisodeThatWasOverBeforeTheEditIsNotTold(t *testing.T) {
	t.Parallel()
	var log []pipeline.Signal
	for i := range 5 {
		log = append(log, sig("n", "g", i, time.Duration(i)*time.Minute))
	}
	log = append(log, sig("n", "h", 0, 20*time.Minute))
	old := stageOf(t, nil, documentOf(t, "n", countOf3))
	first := process(t, old, log...)
	st, _ := edited(t, old, log, documentOf(t, "n", strings.Replace(countOf3, "10m", "12m", 1)))
	b := &pipeline.Batch{}
	if err := st.Tick(t.Context(), st.newestAt.Add(48*time.Hour), b); err != nil {
		t.Fatal(err)
	}
	expectFates(t, factsOf(t, b))
	// One that goes on is told with its next signal, under the id that it had.
	st, _ = edited(t, old, log, documentOf(t, "n", strings.Replace(countOf3, "10m", "25m", 1)))
	facts := process(t, st, sig("n", "g", 9, 21*time.Minute))
	if len(facts) != 1 || facts[0].Alert.ID != first[0].Alert.ID || facts[0].Alert.Signals != 6 {
		t.Errorf("got %+v, want alert %s with 6 signals", facts, first[0].Alert.ID)
	}
}

func TestEditSaysWhatOfTheLogIsOfUse(t *testing.T) {
	t.Parallel()
	old := stageOf(t, nil, documentOf(t, "n", countOf3))
	process(t, old, sig("n", "g", 1, 0))
	f := func(name string, want string, list ...*Correlation) {
		t.Helper()
		_, cold := edited(t, old, nil, list...)
		if got := fmt.Sprint(cold.Rules, cold.Since != 0, cold.Anew, cold.AnewSince != 0, cold.Wide); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	by := func(c *Correlation, path string) *Correlation {
		c.GroupBy = []string{path}
		return c
	}
	n, counts := documentOf(t, "n", countOf3), "type: event_count; rules: [n]; timespan: 1h; condition: {gte: 2}"
	f("nothing", "[] false [] false false", n)
	f("threshold", "[] false [] false false", documentOf(t, "n", strings.Replace(countOf3, "gte: 3", "gte: 9", 1)))
	f("window", "[n] true [] false false", documentOf(t, "n", strings.Replace(countOf3, "10m", "20m", 1)))
	f("new", "[m] false [m] true false", n, documentOf(t, "m", countOf3))
	f("grouping", "[n] true [n] true false", by(documentOf(t, "n", countOf3), "other"))
	f("field", "[n] true [n] true false", documentOf(t, "n", "type: value_count; rules: [a]; timespan: 10m; condition: {field: v, gte: 3}"))
	f("one more rule", "[n] true [n] true false", documentOf(t, "n", strings.Replace(countOf3, "[a]", "[a, b]", 1)))
	f("rule gone", "[] false [] false false")
	f("correlation of a correlation", "[m] false [n] true false", n, documentOf(t, "m", counts))
	wide := documentOf(t, "n", countOf3)
	wide.GroupBy = []string{"g", "o"}
	old = stageOf(t, nil, wide)
	process(t, old, sig("n", "g", 1, 0))
	f("in other groups", "[m] false [n] true true", wide, documentOf(t, "m", counts))
}

func TestNewCorrelationOfACorrelationKnowsWhatThatOneFoundBefore(t *testing.T) {
	t.Parallel()
	inner := documentOf(t, "n", countOf3)
	old := stageOf(t, nil, inner)
	log := []pipeline.Signal{sig("n", "g", 1, 0), sig("n", "g", 2, time.Minute), sig("n", "g", 3, 2*time.Minute)}
	process(t, old, log...)
	outer := documentOf(t, "m", "type: temporal; rules: [n, b]; timespan: 1h")
	st, _ := edited(t, old, log, inner, outer)
	b := sig("m", "g", 9, 5*time.Minute)
	b.Rule = "b"
	facts := process(t, st, b)
	expectFates(t, facts, "g/incident/1")
	if len(facts) == 1 && facts[0].Alert.Signals != 2 {
		t.Errorf("%d signals, want that of n and that of b", facts[0].Alert.Signals)
	}
}

func TestSignalsOfAnEarlierFormAreNotWhatTheRuleMeans(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil, documentOf(t, "n", "type: event_count; rules: [a]; timespan: 10m; condition: {gte: 1}"))
	s := sig("n", "g", 1, 0)
	s.Form = "another"
	expectFates(t, process(t, st, s))
	if n := st.Stats().OldForm; n != 1 {
		t.Errorf("%d signals of an old form, want 1", n)
	}
	s.Form = st.cfg.Rules.Consumers()[0].Form
	expectFates(t, process(t, st, s), "g/incident/1")
}

func TestWarmUpCountsASignalOnceThatIsAlsoYetToCome(t *testing.T) {
	t.Parallel()
	old := stageOf(t, nil)
	st := stageOf(t, nil, documentOf(t, "n", "type: event_count; rules: [a]; timespan: 10m; condition: {gte: 2}"))
	process(t, old, sig("", "x", 0, 0))
	old.Commit()
	for _, p := range snapshot(t, old) {
		if err := st.Restore(p); err != nil {
			t.Fatal(err)
		}
	}
	st.Cold(1, here)
	var sigs []pipeline.Signal
	for i := range 100 {
		sigs = append(sigs, sig("n", "g", i, time.Duration(i)*time.Second))
	}
	batch := func(sigs []pipeline.Signal) *pipeline.Batch {
		return &pipeline.Batch{Topic: pipeline.TopicSignals, Tenant: "acme", In: records(sigs)}
	}
	if err := errors.Join(st.Await(t.Context(), batch(sigs[90:])), st.Warm(t.Context(), batch(sigs)), st.Warmed(t.Context())); err != nil {
		t.Fatal(err)
	}
	process(t, st, sigs[90:]...)
	if x := st.rules["n"].keys["acme\x1fg"].sessions[0]; x.signals() != 100 {
		t.Errorf("%d signals, want 100", x.signals())
	}
}

func TestValueThatWasSeenBeforeAnEditIsNotNewAfterIt(t *testing.T) {
	t.Parallel()
	seen := func(group, value string, n int, at time.Duration) pipeline.Signal {
		s := sig("n", group, n, at)
		s.Fields = map[string]string{"v": value}
		return s
	}
	body := "type: first_seen; rules: [a]; timespan: 10h; field: v"
	log := []pipeline.Signal{seen("g", "x", 1, 0), seen("g", "x", 2, time.Minute)}
	old := stageOf(t, nil, documentOf(t, "n", body))
	process(t, old, log...)
	st, _ := edited(t, old, log, documentOf(t, "n", strings.Replace(body, "10h", "20h", 1)))
	for i := range 10 {
		for _, f := range process(t, st, seen("g", "x", 10+i, 2*time.Hour+time.Duration(i)*time.Minute)) {
			if f.Alert.Fate == FateIncident {
				t.Errorf("x is new: %+v", f)
			}
		}
	}
	expectFates(t, process(t, st, seen("g", "y", 30, 3*time.Hour)), "g/incident/1")
}

func TestWarmUpTellsOnlyWhatCameAfterTheTimeThatTheStateHadComeTo(t *testing.T) {
	t.Parallel()
	one := documentOf(t, "m", "type: event_count; rules: [a]; timespan: 10h; condition: {gte: 1}")
	f := func(name string, now time.Duration, want string, before func(*Stage)) {
		t.Helper()
		old := stageOf(t, nil)
		before(old)
		old.Commit()
		st := stageOf(t, nil, one)
		for _, p := range snapshot(t, old) {
			if err := st.Restore(p); err != nil {
				t.Fatal(err)
			}
		}
		st.Cold(epoch.Add(now), here)
		made := []pipeline.Signal{sig("m", "early", 1, time.Hour), sig("m", "late", 2, 3*time.Hour)}
		b := &pipeline.Batch{Topic: pipeline.TopicSignals, Tenant: "acme", In: arrived(made)}
		if err := errors.Join(st.Warm(t.Context(), b), st.Warmed(t.Context())); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(fates(tick(t, st, 0)), " "); got != want {
			t.Errorf("%s: told %q, want %q", name, got, want)
		}
	}
	f("after its newest record", 4*time.Hour, "early/incident/1 late/incident/1", func(st *Stage) { process(t, st, sig("", "x", 0, 0)) })
	f("after it idled", 4*time.Hour, "late/incident/1", func(st *Stage) {
		process(t, st, sig("", "x", 0, 0))
		tick(t, st, 2*time.Hour)
	})
	f("without any record, while it warms up", 2*time.Hour, "late/incident/1", func(*Stage) {})
	f("without any record", 4*time.Hour, "", func(*Stage) {})
}

func TestNewCorrelationOfOneInOtherPartitionsKnowsWhatThatOneFoundBefore(t *testing.T) {
	t.Parallel()
	inner := documentOf(t, "n", countOf3)
	inner.GroupBy = []string{"g", "o"}
	outer := documentOf(t, "m", "type: temporal; rules: [n, b]; timespan: 1h")
	old := stageOf(t, nil, inner)
	process(t, old, sig("", "x", 0, 10*time.Minute))
	old.Commit()
	st := stageOf(t, nil, inner, outer)
	for _, p := range snapshot(t, old) {
		if err := st.Restore(p); err != nil {
			t.Fatal(err)
		}
	}
	cold := st.Cold(epoch.Add(time.Hour), func(key []byte) bool { return string(key) == "acme\x1fg1" })
	if !cold.Wide || !slices.Equal(cold.Anew, []string{"m", "n"}) {
		t.Errorf("%+v: want signals of all partitions for m and n", cold)
	}
	var log []pipeline.Signal
	for i, group := range []string{"g1", "g2", "g1", "g2", "g1", "g2"} {
		s := sig("n", group, i, time.Duration(i)*time.Minute)
		s.Group = append(s.Group, "o")
		log = append(log, s)
	}
	b := &pipeline.Batch{Topic: pipeline.TopicSignals, Tenant: "acme", In: records(log)}
	if err := errors.Join(st.Warm(t.Context(), b), st.Warmed(t.Context())); err != nil {
		t.Fatal(err)
	}
	if n, m := len(st.rules["n"].keys), len(st.rules["m"].keys); n != 0 || m != 1 {
		t.Errorf("%d groups of n and %d of m, want those of this partition alone: 0 and 1", n, m)
	}
	s := sig("m", "g1", 9, 20*time.Minute)
	s.Rule = "b"
	expectFates(t, process(t, st, s), "g1/incident/1")
}

func TestEditOfADetectionMakesTheCorrelationsThatNameItAnew(t *testing.T) {
	t.Parallel()
	stage := func(predicates map[string]string) *Stage {
		t.Helper()
		set, err := NewSet([]*Correlation{documentOf(t, "n", countOf3), documentOf(t, "m", strings.Replace(countOf3, "[a]", "[b]", 1))})
		if err != nil {
			t.Fatal(err)
		}
		cfg := Default()
		if cfg.Rules, err = set.For(predicates); err != nil {
			t.Fatal(err)
		}
		st, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	old := stage(map[string]string{"a": "1", "b": "1"})
	process(t, old, sig("n", "g", 1, 0))
	old.Commit()
	st := stage(map[string]string{"a": "2", "b": "1"})
	for _, p := range snapshot(t, old) {
		if err := st.Restore(p); err != nil {
			t.Fatal(err)
		}
	}
	if cold := st.Cold(1, here); !slices.Equal(cold.Rules, []string{"n"}) || !slices.Equal(cold.Anew, []string{"n"}) || st.Groups() != 0 {
		t.Errorf("%+v with %d groups: want n to be made anew", cold, st.Groups())
	}
	late := sig("n", "g", 2, time.Minute)
	late.Form = old.cfg.Rules.Consumers()[1].Form
	if process(t, st, late); st.Stats().OldForm != 1 {
		t.Error("a signal of the old predicate counts")
	}
}
