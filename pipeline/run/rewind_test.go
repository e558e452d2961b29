package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// maker makes two inputs of each record "key value" of the source, under keys of their own.
type maker struct{ rules []string }

func (m *maker) Process(_ context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		for k := range 2 {
			key := fmt.Sprintf("%s-%d", b.In[i].Key, k)
			b.Emit(pipeline.Message{Topic: "in", Key: []byte(key), Value: fmt.Appendf(nil, "%s %s", strings.Join(m.rules, "+"), b.In[i].Value)})
		}
	}
	return nil
}

// remade runs a first life and a second one that wants its input anew, of 90 records in
// three partitions of a source, 30 of them old.
func remade(t *testing.T, wide bool, harm func(c *LaneConfig)) (*warmLog, *prometheus.Registry) {
	t.Helper()
	r := newRig(t, 3)
	if err := EnsureTopics(t.Context(), r.k, TopicSpec{Name: "source", Partitions: 3}); err != nil {
		t.Fatal(err)
	}
	source := func(from int) {
		for i := from; i < from+30; i++ {
			rec := &kgo.Record{Topic: r.k.Topic("source"), Key: fmt.Appendf(nil, "k%d", i%7), Value: fmt.Appendf(nil, "s%02d", i)}
			if err := r.cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Millisecond) // append times have milliseconds
		}
	}
	first := r.start(r.config("w1"))
	r.produce(lines(0, 30, 9)...)
	r.drained(first)
	first.stop(t)
	source(0)
	since := pipeline.MillisOf(time.Now())
	source(30)
	r.produce(lines(30, 60, 9)...)
	source(60)
	log := &warmLog{values: map[int32][][]string{}}
	c := r.config("w1")
	c.MaxBatch = 7
	reg := prometheus.NewRegistry()
	c.Metrics = NewMetrics(reg)
	c.New = func(_ string, part int32) (pipeline.Stage, error) {
		return &warmTally{tallyStage: newTally(), log: log, part: part, anew: since, wide: wide}, nil
	}
	c.Anew = &Anew{Topic: "source", Past: time.Hour, New: func(rules []string) (pipeline.Stage, error) { return &maker{rules}, nil }}
	harm(&c)
	second := r.start(c)
	r.drained(second)
	second.stop(t)
	equal(t, flat(r.read("out")), wantOut(lines(0, 60, 9)))
	return log, reg
}

func TestInputIsMadeAnewInTheOrderOfTimeOverAllPartitions(t *testing.T) {
	t.Parallel()
	log, reg := remade(t, false, func(*LaneConfig) {})
	var all []string
	for n := range int32(3) {
		got := log.values[n]
		if len(got) == 0 || len(got[len(got)-1]) == 0 || !slices.IsSorted(got[len(got)-1]) {
			t.Errorf("partition %d was warmed with %v, want them in the order of time", n, got)
			continue
		}
		all = append(all, got[len(got)-1]...)
	}
	var want []string
	for i := 30; i < 90; i++ {
		want = append(want, fmt.Sprintf("r s%02d", i), fmt.Sprintf("r s%02d", i))
	}
	slices.Sort(all)
	if !slices.Equal(all, want) {
		t.Errorf("made %v, want %v", all, want)
	}
	if n := len(log.await); n == 0 || n%30 != 0 {
		t.Errorf("told of %d records to come, want 30", len(log.await))
	}
	if got := warmups(t, reg, "warm"); got != 3 {
		t.Errorf("%v rules count as warm, want 3", got)
	}
}

func TestWideWarmUpGetsWhatIsMadeForAllPartitions(t *testing.T) {
	t.Parallel()
	log, _ := remade(t, true, func(*LaneConfig) {})
	for n := range int32(3) {
		if got := log.values[n]; len(got) == 0 || len(got[0]) != 120 {
			t.Errorf("partition %d was warmed with %v, want all 120", n, got)
		}
	}
}

func TestInputThatCannotBeMadeAnewIsSaid(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(*LaneConfig){
		"no maker":     func(c *LaneConfig) { c.Anew = nil },
		"maker panics": func(c *LaneConfig) { c.Anew.New = func([]string) (pipeline.Stage, error) { return nil, nil } },
	} {
		_, reg := remade(t, false, harm)
		if got := warmups(t, reg, "cold"); got != 3 {
			t.Errorf("%s: %v rules count as cold, want 3", name, got)
		}
	}
	_, reg := remade(t, false, func(c *LaneConfig) { c.Anew.Past = time.Millisecond })
	if got := warmups(t, reg, "short"); got != 3 {
		t.Errorf("too far back: %v rules count as short, want 3", got)
	}
}

func TestMuchIsReadSliceBySlice(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	first := r.start(r.config("w1"))
	for i := range 4 {
		r.produce(lines(i*10_000, (i+1)*10_000, 50)...)
		time.Sleep(3 * time.Millisecond)
	}
	r.drained(first)
	first.stop(t)
	log := &warmLog{values: map[int32][][]string{}}
	c := r.config("w1")
	c.New = func(_ string, part int32) (pipeline.Stage, error) {
		return &warmTally{tallyStage: newTally(), since: 1, log: log, part: part}, nil
	}
	second := r.start(c)
	r.produce(lines(40_000, 40_001, 1)...)
	r.drained(second)
	second.stop(t)
	for n, recs := range r.records("in") {
		var want []string
		for _, rec := range recs {
			if v := string(rec.Value); v != "v40000" {
				want = append(want, v)
			}
		}
		if got := log.values[int32(n)]; len(got) != 1 || !slices.Equal(got[0], want) {
			t.Errorf("partition %d was not warmed with its %d records in order", n, len(want))
		}
	}
}
