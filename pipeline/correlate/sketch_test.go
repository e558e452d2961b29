package correlate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// valueSignal is a signal whose field v has that value.
func valueSignal(n, value int, at time.Duration) pipeline.Signal {
	s := sig("n", "g", n, at)
	s.Fields = map[string]string{"v": fmt.Sprint("value", value)}
	return s
}

func TestDistinctValuesAreCountedExactlyHoweverOftenEachComes(t *testing.T) {
	t.Parallel()
	st := stageOf(t, nil, documentOf(t, "n", "type: value_count; rules: [a]; timespan: 20h; condition: {field: v, gte: 3000}"))
	n := 0
	send := func(value int) []pipeline.Fact {
		n++
		return process(t, st, valueSignal(n, value, time.Duration(n)*time.Second))
	}
	for range 8 { // 24,000 signals of 2,999 values
		for v := range 2999 {
			if facts := send(v); len(facts) > 0 {
				t.Fatalf("fired at signal %d", n)
			}
		}
	}
	facts := send(2999)
	if len(facts) != 1 || !slices.Contains(facts[0].Alert.Flags, "approximate") {
		t.Errorf("got %+v, want one alert whose evidence is approximate", facts)
	}
}

func TestMoreValuesThanAreKeptAreCountedWithASketch(t *testing.T) {
	t.Parallel()
	c := documentOf(t, "n", "type: value_count; rules: [a]; timespan: 20h; condition: {field: v, gte: 10000}")
	st := stageOf(t, nil, c)
	var fired int
	for i := 0; i < 12_000 && fired == 0; i++ {
		if i == 5000 { // the sketch is part of the state
			st.Commit()
			again := stageOf(t, nil, c)
			for _, p := range snapshot(t, st) {
				if err := again.Restore(p); err != nil {
					t.Fatal(err)
				}
			}
			st = again
		}
		if i == 6000 { // and is rolled back with it
			st.Commit()
			size := st.StateBytes()
			for j := range 3000 {
				process(t, st, valueSignal(100_000+j, 100_000+j, time.Duration(i)*time.Second))
			}
			st.Rollback()
			if st.StateBytes() != size {
				t.Errorf("%d bytes after a rollback, %d before", st.StateBytes(), size)
			}
		}
		for _, f := range process(t, st, valueSignal(i, i, time.Duration(i)*time.Second)) {
			fired = i + 1
			if !slices.Contains(f.Alert.Flags, "approximate") || int(f.Alert.Signals) != fired {
				t.Errorf("alert %+v", f.Alert)
			}
		}
	}
	if fired < 9000 || fired > 11_000 {
		t.Errorf("fired at %d different values, want about 10,000", fired)
	}
	if st.StateBytes() > 64<<10 {
		t.Errorf("%d bytes of state", st.StateBytes())
	}
}
