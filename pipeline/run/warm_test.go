package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/pipeline"
)

// warmTally is a tally that wants its input once more unless its state says that it had it.
type warmTally struct {
	*tallyStage
	since  pipeline.Millis
	log    *warmLog
	part   int32
	values []string
	fails  bool

	anew  pipeline.Millis // also from its source, since then
	wide  bool
	await []string
}

var _ pipeline.Warmer = (*warmTally)(nil)

// warmLog is what the instances of a test were warmed with.
type warmLog struct {
	mu     sync.Mutex
	values map[int32][][]string // by partition, one list for each warm-up
	await  []string
}

func (w *warmTally) Cold(pipeline.Millis, func([]byte) bool) pipeline.Cold {
	if w.seen["warm"] > 0 {
		return pipeline.Cold{}
	}
	if w.anew != 0 {
		return pipeline.Cold{Since: w.since, Rules: []string{"r"}, Anew: []string{"r"}, AnewSince: w.anew, Wide: w.wide}
	}
	return pipeline.Cold{Since: w.since, Rules: []string{"r"}}
}

func (w *warmTally) Await(_ context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		w.await = append(w.await, string(b.In[i].Value))
	}
	return nil
}

func (w *warmTally) Warm(_ context.Context, b *pipeline.Batch) error {
	if w.fails {
		return errors.New("too hot")
	}
	for i := range b.In {
		w.values = append(w.values, string(b.In[i].Value))
	}
	return nil
}

func (w *warmTally) Warmed(context.Context) error {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	w.log.values[w.part] = append(w.log.values[w.part], w.values)
	w.log.await = append(w.log.await, w.await...)
	w.bump("warm")
	return nil
}

// warmed runs a first life without a warm-up and a second one with it, over records that
// lie partly before since.
func warmed(t *testing.T, r *rig, harm func(c *LaneConfig)) (*warmLog, *prometheus.Registry) {
	t.Helper()
	first := r.start(r.config("w1"))
	r.produce(lines(0, 100, 20)...)
	r.drained(first)
	time.Sleep(5 * time.Millisecond) // append times have milliseconds
	since := pipeline.MillisOf(time.Now())
	r.produce(lines(100, 200, 20)...)
	r.drained(first)
	first.stop(t)
	log := &warmLog{values: map[int32][][]string{}}
	c := r.config("w1")
	c.MaxBatch = 7
	reg := prometheus.NewRegistry()
	c.Metrics = NewMetrics(reg)
	c.New = func(_ string, part int32) (pipeline.Stage, error) {
		return &warmTally{tallyStage: newTally(), since: since, log: log, part: part}, nil
	}
	harm(&c)
	r.produce(lines(200, 300, 20)...)
	second := r.start(c)
	r.drained(second)
	second.stop(t)
	equal(t, flat(r.read("out")), wantOut(lines(0, 300, 20)))
	return log, reg
}

// old returns the values of partition n that were appended before the second life, from the
// first of the second hundred on.
func (r *rig) old(n int) []string {
	var vs []string
	for _, rec := range r.records("in")[n] {
		if v := string(rec.Value); v >= "v100" && v < "v200" && len(v) == 4 {
			vs = append(vs, v)
		}
	}
	return vs
}

func warmups(t *testing.T, reg *prometheus.Registry, result string) float64 {
	t.Helper()
	n, _ := measured(t, reg, "riposte_run_warmups_total", result)
	return n
}

func TestColdStageIsWarmedWithTheInputBeforeItsOffsetOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	log, m := warmed(t, r, func(*LaneConfig) {})
	for n := range 3 {
		if got := log.values[int32(n)]; len(got) != 1 || !slices.Equal(got[0], r.old(n)) {
			t.Errorf("partition %d was warmed with %v, want once %v", n, got, r.old(n))
		}
	}
	for result, want := range map[string]float64{"warm": 3, "cold": 0, "short": 0} {
		if got := warmups(t, m, result); got != want {
			t.Errorf("%v rules count as %s, want %v", got, result, want)
		}
	}
	// The next life has it in its state.
	c := r.config("w1")
	c.New = func(_ string, part int32) (pipeline.Stage, error) {
		return &warmTally{tallyStage: newTally(), since: 1, log: log, part: part}, nil
	}
	third := r.start(c)
	r.produce(lines(300, 301, 1)...)
	r.drained(third)
	third.stop(t)
	if got := len(log.values[0]); got != 1 {
		t.Errorf("warmed %d times", got)
	}
}

func TestWarmUpIsDoneAgainIfItsTransactionFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	var h *kfake.FaultHandle
	log, _ := warmed(t, r, func(*LaneConfig) {
		h = r.cluster().Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Topic: r.k.Topic(StateTopic("toy", "in")), Partitions: []int32{0},
			Err: kerr.InvalidRecord, Count: 1,
		})
	})
	if h.Hits() != 1 {
		t.Errorf("the fault was met %d times, want once", h.Hits())
	}
	if got := len(log.values[0]); got != 2 {
		t.Errorf("warmed %d times, want again after the failure", got)
	}
}

func TestLogThatDoesNotReachBackIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	log, m := warmed(t, r, func(*LaneConfig) {
		var to kadm.Offsets
		for n, recs := range r.records("in") {
			to.AddOffset(r.k.Topic("in"), int32(n), recs[len(recs)-1].Offset, -1)
		}
		if _, err := r.adm.DeleteRecords(r.t.Context(), to); err != nil {
			r.t.Fatal(err)
		}
	})
	for n := range int32(3) {
		if got := log.values[n]; len(got) != 1 || len(got[0]) != 1 {
			t.Errorf("partition %d was warmed with %v, want the one record that is left", n, got)
		}
	}
	if got := warmups(t, m, "short"); got != 3 {
		t.Errorf("%v rules count as short, want 3", got)
	}
}

func TestStageThatCannotBeWarmedIsServedCold(t *testing.T) {
	t.Parallel()
	log, m := warmed(t, newRig(t, 3), func(c *LaneConfig) {
		factory := c.New
		c.New = func(topic string, part int32) (pipeline.Stage, error) {
			st, err := factory(topic, part)
			w, _ := st.(*warmTally)
			w.fails = true
			return st, err
		}
	})
	if got := fmt.Sprint(log.values); got != "map[]" {
		t.Errorf("warmed with %s", got)
	}
	if got := warmups(t, m, "cold"); got != 3 {
		t.Errorf("%v rules count as cold", got)
	}
}

func TestPoisonBehindAWarmUpIsRejectedAllTheSame(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	first := r.start(r.config("w1"))
	r.produce(lines(0, 40, 8)...)
	r.drained(first)
	first.stop(t)
	r.produce(append([]string{"k0 poison", "k1 poison"}, lines(40, 80, 8)...)...)
	log := &warmLog{values: map[int32][][]string{}}
	c := r.config("w1")
	c.New = func(_ string, part int32) (pipeline.Stage, error) {
		return &warmTally{tallyStage: newTally(), since: 1, log: log, part: part}, nil
	}
	second := r.start(c)
	r.drained(second)
	if got := second.Stats().RejectReasons[ReasonPoison]; got != 2 {
		t.Errorf("%d records rejected as poison, want 2", got)
	}
	for n := range int32(2) {
		if got := len(log.values[n]); got != 1 {
			t.Errorf("partition %d was warmed %d times, want once", n, got)
		}
	}
	second.stop(t)
	equal(t, flat(r.read("out")), wantOut(lines(0, 80, 8)))
}
