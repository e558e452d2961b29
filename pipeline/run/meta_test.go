package run

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

var metaSeed = flag.Uint64("meta.seed", 0, "seed of the replay tests; 0 chooses one")

// TestReplayGivesTheSameBytes runs the same log with other numbers of lanes, sizes of
// batches and crashes in between, and wants the same outputs in the same order per key.
func TestReplayGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	seed := *metaSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (-meta.seed)", seed)
	log := randomLog(rand.New(rand.NewPCG(seed, 1)), 600)
	run := func(lanes, batch, records, crashes int) []string {
		r := newRig(t, 3)
		r.produce(log...)
		rnd := rand.New(rand.NewPCG(seed, 2))
		for crash := range crashes + 1 {
			ctx, kill := context.WithCancel(t.Context())
			var all []*running
			for n := range lanes {
				c := r.config("w1")
				c.Lane, c.MaxBatch, c.MaxRecords = n, batch, records
				c.SnapshotBytes = 1 << 10
				c.DrainTimeout = time.Millisecond // an end like a crash: what is open is lost
				if crash == crashes {
					c.DrainTimeout = 5 * time.Second
				}
				all = append(all, r.start(c))
			}
			if crash < crashes {
				sleep(ctx, time.Duration(5+rnd.IntN(60))*time.Millisecond)
			} else {
				r.drained(all...)
			}
			kill()
			for _, l := range all {
				l.cancel()
				if err := l.wait(t); err != nil {
					t.Error(err)
				}
			}
		}
		return byKey(r)
	}
	want := run(1, 512, 20_000, 0)
	if len(want) == 0 {
		t.Fatal("no outputs")
	}
	f := func(lanes, batch, records, crashes int) {
		t.Helper()
		if got := run(lanes, batch, records, crashes); !slices.Equal(got, want) {
			t.Errorf("%d lanes, batches of %d, transactions of %d, %d crashes:", lanes, batch, records, crashes)
			equal(t, got, want)
		}
	}
	f(1, 1, 50, 0)
	f(3, 7, 20_000, 0)
	f(2, 512, 97, 4)
	f(1, 7, 31, 6)
}

// randomLog makes lines with repetitions, rejects and poison.
func randomLog(rnd *rand.Rand, n int) []string {
	var log []string
	for i := range n {
		key := rnd.IntN(20)
		switch rnd.IntN(60) {
		case 0:
			log = append(log, fmt.Sprintf("k%d bad%d", key, i))
		case 1, 2, 3, 4, 5:
			log = append(log, fmt.Sprintf("k%d v%d.%d", key, key, rnd.IntN(i+1)))
		default:
			log = append(log, fmt.Sprintf("k%d v%d.%d", key, key, i))
		}
	}
	return append(log, "k1 poison")
}

// byKey returns what is on out and rejects: values in order within each key.
func byKey(r *rig) []string {
	r.t.Helper()
	var all []string
	for _, topic := range []string{"out", pipeline.TopicRejects} {
		perKey := map[string][]string{}
		for _, rs := range r.records(topic) {
			for _, rec := range rs {
				perKey[string(rec.Key)] = append(perKey[string(rec.Key)], topic+" "+string(rec.Key)+" "+string(rec.Value))
			}
		}
		for key := range 20 {
			all = append(all, perKey[fmt.Sprintf("k%d", key)]...)
		}
	}
	return all
}

// TestRollbackEqualsReload compares a stage that was rolled back with one that is restored
// from the state topic, over random transactions of which some are aborted.
func TestRollbackEqualsReload(t *testing.T) {
	t.Parallel()
	seed := *metaSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (-meta.seed)", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	live := newTally()
	frames := newScript()
	next := int64(0)
	for i := range 300 {
		b := &pipeline.Batch{Topic: "in"}
		for range 1 + rnd.IntN(20) {
			b.In = append(b.In, pipeline.Record{
				Offset: next + int64(len(b.In)),
				Key:    fmt.Appendf(nil, "k%d", rnd.IntN(30)), Value: fmt.Appendf(nil, "v%d", rnd.IntN(400)),
			})
		}
		if err := live.Process(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if rnd.IntN(3) == 0 {
			live.Rollback()
		} else {
			next += int64(len(b.In))
			frames.add(frameDelta, next, string(live.AppendDelta(nil)))
			live.Commit()
		}
		if next == 0 || i%10 != 0 {
			continue
		}
		again, err := restoreFrames(frames.frames, next)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fullState(t, live), fullState(t, again); got != want {
			t.Fatalf("after %d transactions: rolled back %.300q, restored %.300q", i+1, got, want)
		}
	}
}

func fullState(t *testing.T, s pipeline.Stateful) string {
	t.Helper()
	var all []byte
	if err := s.Snapshot(func(piece []byte) error { all = append(all, piece...); return nil }); err != nil {
		t.Fatal(err)
	}
	return string(all)
}
