package correlate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

func fates(facts []pipeline.Fact) []string {
	var out []string
	for _, f := range facts {
		out = append(out, fmt.Sprintf("%s/%s/%d", f.Alert.Group[0], f.Alert.Fate, f.Alert.Revision))
	}
	return out
}

func expectFates(t *testing.T, facts []pipeline.Fact, want ...string) {
	t.Helper()
	if got := fates(facts); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFirstMatchOfADetectionPassesAtOnceAndRepeatsFold(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil)
	var all []pipeline.Fact
	for i := range 100 {
		all = append(all, process(t, st, sig("", "g", i, time.Duration(i)*time.Second))...)
	}
	expectFates(t, all, "g/incident/1", "g/incident/2", "g/incident/3", "g/incident/4", "g/incident/5", "g/incident/6", "g/incident/7")
	b := &pipeline.Batch{}
	if err := st.Tick(t.Context(), st.newestAt.Add(3*time.Hour), b); err != nil {
		t.Fatal(err)
	}
	last := factsOf(t, b)
	if len(last) != 1 || last[0].Alert.Signals != 100 || last[0].Alert.Revision != 8 || len(last[0].Alert.Evidence) != maxEvidence {
		t.Errorf("on closing: %+v", last)
	}
	if st.StateBytes() != 0 {
		t.Errorf("%d bytes of state after everything is closed", st.StateBytes())
	}
}

func TestFactCarriesTheAppendTimeOfItsTriggerInAHeaderOnly(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil)
	b := &pipeline.Batch{In: records([]pipeline.Signal{sig("", "g", 1, 0)})}
	b.In[0].Time = 1_800_000_000_123
	if err := st.Process(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	rec := pipeline.Record{Headers: b.Out[0].Headers}
	if got := string(rec.Header(pipeline.HeaderTimes)); got != `{"normalised":1800000000123}` {
		t.Errorf("times %s", got)
	}
	if string(b.Out[0].Key) != "acme\x1fhost:g" || slices.Contains(b.Out[0].Value, 0) {
		t.Errorf("key %q", b.Out[0].Key)
	}
	if c := b.Counts; c.FirstAt != epoch || c.LastAt != epoch || c.Bytes != len(b.In[0].Value) || c.Live != 1 {
		t.Errorf("counts %+v", c)
	}
	f := factsOf(t, b)[0]
	if f.Time != epoch || f.Group != "host:g" || f.Alert.Kind != pipeline.AlertSingle || f.Actor != "engine" {
		t.Errorf("fact %+v", f)
	}
}

func TestInformationalDetectionsAndThoseThatOnlyFeedCorrelationsAreQuiet(t *testing.T) {
	t.Parallel()
	quiet := stageOf(t, nil, documentOf(t, "n", countOf3))
	expectFates(t, process(t, quiet, sig("", "g", 1, 0)))
	loud := stageOf(t, nil, documentOf(t, "n", countOf3+"; generate: true"))
	expectFates(t, process(t, loud, sig("", "g", 1, 0)), "g/incident/1")
	info := sig("", "g", 2, 0)
	info.Severity = 1
	expectFates(t, process(t, stageOf(t, nil), info))
}

func TestSignalBetweenTwoEpisodesMakesThemOne(t *testing.T) {
	t.Parallel()
	st := stageOf(t, func(c *Config) { c.Fold = 4 * time.Minute })
	facts := process(t, st, sig("", "g", 1, 0), sig("", "g", 2, 5*time.Minute-time.Second))
	expectFates(t, facts, "g/incident/1", "g/incident/1")
	more := process(t, st, sig("", "g", 3, 2*time.Minute))
	if len(more) != 2 || more[0].Alert.Fate != FateFolded || more[0].Alert.ID != facts[1].Alert.ID ||
		more[1].Alert.ID != facts[0].Alert.ID || more[1].Alert.Signals != 3 {
		t.Errorf("got %+v, want the second alert folded and the first one of three signals", more)
	}
}

func TestLateSignalsOfADetectionAreOneAlertMarkedLate(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil)
	process(t, st, sig("", "other", 1, 10*time.Hour))
	facts := process(t, st, sig("", "g", 1, 0), sig("", "g", 2, time.Minute), sig("", "g", 3, 2*time.Minute))
	expectFates(t, facts, "g/incident/1", "g/incident/2")
	if !slices.Contains(facts[0].Alert.Flags, "late") {
		t.Errorf("flags %v", facts[0].Alert.Flags)
	}
	if st.Stats().Late != 3 {
		t.Errorf("%d late, want 3", st.Stats().Late)
	}
}

func TestSourceWithAFastClockMakesNobodyLate(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil)
	ahead := sig("", "fast", 1, 5*time.Minute)
	ahead.Ingested = epoch
	process(t, st, ahead)
	process(t, st, sig("", "g", 1, -4*time.Minute))
	if st.Stats().Late != 0 {
		t.Error("a signal four minutes old is late because of another source's clock")
	}
}

func TestBrokenSignalIsRejected(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil)
	b := &pipeline.Batch{In: []pipeline.Record{{Value: []byte("{")}, {Value: []byte("{}")}}}
	if err := st.Process(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.Rejects) != 2 || b.Counts.In != 2 || b.Counts.Rejected != 2 || b.Rejects[1].Reason != "incomplete" {
		t.Errorf("rejects %+v, counts %+v", b.Rejects, b.Counts)
	}
}

func TestFloodOfKeysDoesNotPushOutAHalfCompleteAttack(t *testing.T) {
	t.Parallel()
	c := documentOf(t, "n", "type: temporal_ordered; rules: [a, b, c]; timespan: 10h")
	st := stageOf(t, func(c *Config) { c.Budget = 1 << 20 }, c)
	attack := func(rule string, at time.Duration) pipeline.Signal {
		s := sig("n", "victim", len(rule), at)
		s.Rule, s.ID = rule, pipeline.HashID("signal", rule)
		s.Event = pipeline.HashID("event", rule)
		return s
	}
	process(t, st, attack("a", 0), attack("b", time.Second))
	var rows int
	for i := range 5000 {
		for _, f := range process(t, st, sig("n", fmt.Sprint("flood", i), i, time.Duration(i)*time.Second)) {
			if f.Alert.Fate != FateBudget {
				t.Fatalf("fate %s", f.Alert.Fate)
			}
			rows++
		}
		if st.StateBytes() > 1<<20 {
			t.Fatalf("%d bytes of state", st.StateBytes())
		}
	}
	if rows == 0 || uint64(rows) != st.Stats().Evicted {
		t.Errorf("%d rows tell of %d evictions", rows, st.Stats().Evicted)
	}
	expectFates(t, process(t, st, attack("c", 2*time.Hour)), "victim/incident/1")
}

func TestSessionThatGrowsTooLargeForgetsItsOldestAndSaysSo(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil, documentOf(t, "n", "type: value_sum; rules: [a]; timespan: 10h; condition: {field: v, gte: 2000000}"))
	for i := range maxMarks + 10 {
		s := sig("n", "g", i, time.Duration(i)*time.Second)
		s.Fields = map[string]string{"v": "1"}
		process(t, st, s)
	}
	var facts []pipeline.Fact
	for i := range 2 {
		s := sig("n", "g", 10_000+i, 2*time.Hour)
		s.Fields = map[string]string{"v": fmt.Sprint(i * 3000000)}
		facts = append(facts, process(t, st, s)...)
	}
	if len(facts) != 1 || !slices.Contains(facts[0].Alert.Flags, "approximate") || st.Stats().Forgotten == 0 {
		t.Errorf("got %+v, stats %+v", facts, st.Stats())
	}
}
