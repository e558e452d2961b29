package run

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestPoisonRecordsAreRejectedAndTheOthersAreProcessed(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	all := lines(0, 300, 7)
	all[0] = "k0 poison-first"
	all[150] = "k3 poison-middle"
	all[151] = "k4 poison-next"
	all[299] = "k5 poison-last"
	r.produce(all...)
	l := r.start(r.config("w1"))
	r.drained(l)
	var good, bad []string
	for _, line := range all {
		if key, value, _ := strings.Cut(line, " "); strings.HasPrefix(value, "poison") {
			bad = append(bad, key+" "+value)
		} else {
			good = append(good, line)
		}
	}
	equal(t, flat(r.read("out")), wantOut(good))
	var rejected []string
	for _, rec := range r.records(pipeline.TopicRejects)[0] {
		rejected = append(rejected, string(rec.Key)+" "+string(rec.Value))
	}
	if !slices.Equal(rejected, bad) {
		t.Errorf("got rejects %q, want %q", rejected, bad)
	}
	if s := l.Stats(); s.RejectReasons[ReasonPoison] != int64(len(bad)) {
		t.Errorf("got %v, want %d poison", s.RejectReasons, len(bad))
	}
	// The state after it is that of the good records alone: the next start accepts it.
	l.stop(t)
	more := lines(300, 320, 7)
	r.produce(more...)
	l = r.start(r.config("w1"))
	r.drained(l)
	equal(t, flat(r.read("out")), wantOut(append(good, more...)))
}

// flaky fails for some time and then never again.
type flaky struct {
	*tallyStage
	failures *atomic.Int64
	err      error
}

func (f flaky) Process(ctx context.Context, b *pipeline.Batch) error {
	if err := f.tallyStage.Process(ctx, b); err != nil {
		return err
	}
	if f.failures.Add(-1) >= 0 {
		return f.err
	}
	return nil
}

func TestAbortedTransactionsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"unmarked": errors.New("out of luck"),
		"retry":    pipeline.AsRetry("later", 0, errors.New("not yet")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 2)
			failures := &atomic.Int64{}
			failures.Store(2)
			c := r.config("w1")
			c.New = func(string, int32) (pipeline.Stage, error) { return flaky{newTally(), failures, err}, nil }
			all := lines(0, 200, 7)
			r.produce(all...)
			l := r.start(c)
			r.drained(l)
			equal(t, flat(r.read("out")), wantOut(all))
			if s := l.Stats(); s.Aborted == 0 || s.Rejected != 0 {
				t.Errorf("got %+v, want aborts and no rejects", s)
			}
		})
	}
}

func TestStageThatSaysStopStopsTheLane(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	failures := &atomic.Int64{}
	failures.Store(1)
	c := r.config("w1")
	stop := pipeline.AsStop("broken", errors.New("the index is broken"))
	c.New = func(string, int32) (pipeline.Stage, error) { return flaky{newTally(), failures, stop}, nil }
	r.produce("a v1")
	l := r.start(c)
	err := l.wait(t)
	if fault, reason := pipeline.FaultOf(err); fault != pipeline.FaultStop || reason != "broken" {
		t.Fatalf("got %v, want it stopped as broken", err)
	}
	if got := flat(r.read("out")); len(got) != 0 {
		t.Errorf("got %v, want nothing committed", got)
	}
}
