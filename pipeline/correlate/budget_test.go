package correlate

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// TestStateTakesNoMoreMemoryThanItSays compares StateBytes with the heap. It does not run in
// parallel with others, which would use the heap too.
func TestStateTakesNoMoreMemoryThanItSays(t *testing.T) { //nolint:paralleltest // see above
	const keys = 3000
	f := func(name, body string, perKey, most int) {
		t.Helper()
		st := stageOf(t, nil, documentOf(t, "n", body))
		before := heapBytes()
		batch := &pipeline.Batch{}
		for i := range keys * perKey {
			s := sig("n", fmt.Sprint("group", i%keys), i, time.Duration(i)*time.Millisecond)
			s.Fields = map[string]string{"v": fmt.Sprint(i)}
			batch.In = append(batch.In[:0], pipeline.Record{Time: s.At, Value: s.AppendJSON(nil)})
			batch.Out = batch.Out[:0]
			if err := st.Process(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			st.Commit()
			batch.Reset()
		}
		st.notes = notes{} // a cache, shared by all keys
		used := int(heapBytes() - before)
		t.Logf("%s: %d bytes per key, %d estimated", name, used/keys, st.StateBytes()/keys)
		if used > st.StateBytes()*11/10 {
			t.Errorf("%s: %d bytes of heap for %d of state: want at most 1.1 times as many", name, used, st.StateBytes())
		}
		if st.StateBytes()/keys > most {
			t.Errorf("%s: %d bytes per key, want at most %d", name, st.StateBytes()/keys, most)
		}
		runtime.KeepAlive(st)
	}
	f("event_count, one signal", countOf3, 1, 1024)
	f("event_count, ten signals", strings.Replace(countOf3, "3", "30", 1), 10, 2600)
	f("value_count, ten values", "type: value_count; rules: [a]; timespan: 10m; condition: {field: v, gte: 30}", 10, 3500)
	f("temporal_ordered, one signal", "type: temporal_ordered; rules: [a, b, c]; timespan: 10m", 1, 1400)
	f("risk, ten signals", "type: risk; rules: [a, b, c]; timespan: 1h; condition: {gte: 5000}", 10, 3700)
	f("value_avg, ten values", "type: value_avg; rules: [a]; timespan: 10m; condition: {field: v, gte: 30}", 10, 2600)
	f("first_seen, one value", "type: first_seen; rules: [a]; timespan: 10h; field: v", 1, 2600)
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// flood sends signals of ever new groups until the stage has evicted some.
func flood(t *testing.T, st *Stage, step, tenant string) {
	t.Helper()
	for i := 0; st.Stats().Evicted == 0; i++ {
		s := sig(step, fmt.Sprint("flood", i), i, time.Duration(i)*time.Millisecond)
		s.Tenant = tenant
		process(t, st, s)
		st.Commit()
		if i > 20_000 {
			t.Fatal("nothing is evicted")
		}
	}
}

func TestFloodOfOneRuleOrTenantLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	f := func(name, step, tenant string, change func(*Config)) {
		t.Helper()
		st := stageOf(t, func(c *Config) { c.Budget = 1 << 20; change(c) }, documentOf(t, "n", countOf3), documentOf(t, "m", countOf3))
		process(t, st, sig("n", "victim", 1, 0))
		flood(t, st, step, tenant)
		facts := process(t, st, sig("n", "victim", 2, time.Second), sig("n", "victim", 3, 2*time.Second))
		if got := fates(facts); !slices.Equal(got, []string{"victim/incident/1"}) {
			t.Errorf("flood of %s: got %q", name, got)
		}
	}
	f("another rule", "m", "acme", func(c *Config) { c.RuleShare = 0.3 })
	f("another tenant", "n", "other", func(c *Config) { c.RuleShare, c.TenantShare = 1, 0.3 })
}

func TestExpiredGoFirstThenSinglesThenLeastProgress(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil, documentOf(t, "n", "type: temporal_ordered; rules: [a, b, c]; timespan: 1h"),
		documentOf(t, "m", "type: event_count; rules: [a]; timespan: 1h; condition: {gte: 50}"))
	at := func(step, rule, group string, n int) pipeline.Signal {
		s := sig(step, group, n, 2*time.Hour+time.Duration(n)*time.Second)
		s.Rule = rule
		s.ID = pipeline.HashID(step, rule, group, fmt.Sprint(n))
		s.Event = s.ID
		return s
	}
	process(t, st, sig("m", "old", 1, 0)) // expires
	process(t, st, at("m", "a", "single", 1), at("m", "a", "two", 1), at("m", "a", "two", 2),
		at("n", "a", "steps", 1), at("n", "b", "steps", 2))
	if len(st.rules["m"].keys) != 2 {
		t.Fatalf("%d keys: what is expired is still there", len(st.rules["m"].keys))
	}
	var order []string
	for range 3 {
		before := st.Stats().Evicted
		b := &pipeline.Batch{}
		st.evict(&outputs{b: b}, nil, "", func() bool { return st.Stats().Evicted > before })
		facts := factsOf(t, b)
		if len(facts) != 1 || facts[0].Alert.Fate != FateBudget {
			t.Fatalf("an eviction is told as %q", fates(facts))
		}
		order = append(order, facts[0].Alert.Group[0])
	}
	if want := []string{"single", "two", "steps"}; !slices.Equal(order, want) {
		t.Errorf("evicted %q, want %q", order, want)
	}
}

func TestGroupThatTakesMoreThanItsShareForgetsItsOldestAndSaysSo(t *testing.T) {
	t.Parallel()
	f := func(name, body string) {
		t.Helper()
		st := stageOf(t, func(c *Config) { c.Budget = 4 << 20 }, documentOf(t, "n", body))
		limit := share(4<<20, st.cfg.KeyShare)
		rows := 0
		for i := range 2000 {
			s := sig("n", "g", i, time.Duration(i)*time.Second)
			s.Fields = map[string]string{"v": fmt.Sprint(i)}
			for _, fact := range process(t, st, s) {
				if fact.Alert.Fate != FateBudget {
					t.Fatalf("%s: %q", name, fates([]pipeline.Fact{fact}))
				}
				rows++
			}
			if st.StateBytes() > limit*11/10 {
				t.Fatalf("%s: %d bytes, the share of a group is %d", name, st.StateBytes(), limit)
			}
			st.Commit()
		}
		if rows != 1 || st.Stats().Forgotten != 1 {
			t.Errorf("%s: %d rows, %d counted", name, rows, st.Stats().Forgotten)
		}
		again := stageOf(t, nil, documentOf(t, "n", body))
		for _, p := range snapshot(t, st) {
			if err := again.Restore(p); err != nil {
				t.Fatal(err)
			}
		}
		s := sig("n", "g", 5000, 2001*time.Second)
		s.Fields = map[string]string{"v": "100000000"}
		facts := process(t, again, s)
		b := &pipeline.Batch{}
		if err := again.Tick(t.Context(), epoch.Add(100*time.Hour), b); err != nil {
			t.Fatal(err)
		}
		facts = append(facts, factsOf(t, b)...)
		if len(facts) == 0 || !slices.Contains(facts[0].Alert.Flags, "approximate") {
			t.Errorf("%s: got %+v, want an alert marked approximate", name, facts)
		}
	}
	f("value_sum", "type: value_sum; rules: [a]; timespan: 10h; condition: {field: v, gte: 100000000}")
	f("value_avg", "type: value_avg; rules: [a]; timespan: 10h; condition: {field: v, gte: 10000}")
}

func TestLongValuesAreShortenedAndStayDifferent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	a, b := shorten(long+"a"), shorten(long+"b")
	if len(a) > maxValue || a == b || shorten(long+"a") != a || shorten("short") != "short" {
		t.Errorf("%q and %q", a, b)
	}
}

func TestEveryStatIsACounter(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil)
	v := reflect.ValueOf(&st.stats).Elem()
	for i := range v.NumField() {
		v.Field(i).SetUint(uint64(i + 1))
	}
	var got []string
	st.Counters(func(name string, n uint64) { got = append(got, fmt.Sprint(strings.ReplaceAll(name, "_", ""), n)) })
	var want []string
	for i := range v.NumField() {
		want = append(want, fmt.Sprint(strings.ToLower(v.Type().Field(i).Name), i+1))
	}
	if !slices.Equal(got, want) {
		t.Errorf("counters %q, want %q", got, want)
	}
}
