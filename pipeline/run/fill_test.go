package run

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestTransactionsHoldWhatTheyCanDoInTime(t *testing.T) {
	t.Parallel()
	f := func(name string, perRecord time.Duration, least, most int) {
		t.Helper()
		fill := newFill(512, 20_000, 16*time.Second)
		for range 30 {
			open := time.Duration(fill.most) * perRecord
			if open > 16*time.Second {
				fill.lost()
				continue
			}
			fill.committed(fill.most, open)
		}
		if fill.most < least || fill.most > most {
			t.Errorf("%s: %d records, want %d to %d", name, fill.most, least, most)
		}
	}
	f("fast", 10*time.Microsecond, 20_000, 20_000)
	f("slow", time.Millisecond, 500, 2000)
	f("very slow", 100*time.Millisecond, 5, 20)
	f("a record takes seconds", 5*time.Second, 1, 1)
}

// TestSlowStageCatchesUp is behind by more records than its stage can do within the timeout
// of a transaction.
func TestSlowStageCatchesUp(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 8 seconds")
	}
	r := newRig(t, 1)
	all := lines(0, 1200, 7)
	r.produce(all...)
	c := r.config("w1")
	c.TransactionTimeout = 2 * time.Second
	var worked atomic.Int64
	c.New = func(string, int32) (pipeline.Stage, error) {
		s := newTally()
		s.fail = func(string) error {
			worked.Add(1)
			time.Sleep(3 * time.Millisecond)
			return nil
		}
		return s, nil
	}
	l := r.start(c)
	r.drained(l)
	if n := worked.Load(); n != int64(len(all)) {
		t.Errorf("the stage worked on %d records, want each of %d once: no transaction in vain", n, len(all))
	}
	equal(t, flat(r.read("out")), wantOut(all))
}
