package run

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestEveryRecordIsProcessedExactlyOnceOverRestarts(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	var all []string
	for round := range 3 {
		batch := append(lines(round*200, round*200+200, 17), lines(0, 40, 17)...) // and some again
		r.produce(batch...)
		all = append(all, batch...)
		l := r.start(r.config("w1"))
		r.drained(l)
		l.stop(t)
	}
	equal(t, flat(r.read("out")), wantOut(all))
}

func TestStatelessStageKeepsOrderAndHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	c := r.config("w1")
	c.New = func(string, int32) (pipeline.Stage, error) { return passStage{}, nil }
	r.produce(lines(0, 100, 1)...)
	l := r.start(c)
	r.drained(l)
	got := r.read("out")[0]
	for i, v := range got {
		if want := lines(i, i+1, 1)[0][3:]; v != want {
			t.Fatalf("record %d: got %q, want %q", i, v, want)
		}
	}
	if len(got) != 100 {
		t.Errorf("got %d records, want 100", len(got))
	}
}

func TestRejectsCarryTheRecordAndWhereItCameFrom(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.produce("a v1", "a bad2", "a v3")
	l := r.start(r.config("w1"))
	r.drained(l)
	rejects := r.records(pipeline.TopicRejects)[0]
	if len(rejects) != 1 {
		t.Fatalf("got %d rejects, want 1", len(rejects))
	}
	got := map[string]string{"key": string(rejects[0].Key), "value": string(rejects[0].Value)}
	for _, h := range rejects[0].Headers {
		got[h.Key] = string(h.Value)
	}
	for key, want := range map[string]string{
		"key": "a", "value": "bad2", "reject-topic": "in", "reject-partition": "0",
		"reject-offset": "1", "reject-stage": "toy", "reject-reason": "bad", "reject-detail": "bad2",
	} {
		if got[key] != want {
			t.Errorf("%s: got %q, want %q", key, got[key], want)
		}
	}
	s := l.Stats()
	if s.Read != 3 || s.Live != 2 || s.Rejected != 1 || s.Outputs["out"] != 2 {
		t.Errorf("got %+v, want 3 read = 2 live + 1 rejected, 2 outputs", s)
	}
}

// TestRestartedWorkerDoesNotWaitForItsOwnTransaction dies in the middle of a transaction
// that would stay open for 14 s.
func TestRestartedWorkerDoesNotWaitForItsOwnTransaction(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	c := r.config("w1")
	c.SessionTimeout, c.TransactionTimeout = 15*time.Second, 14*time.Second
	r.produce(lines(0, 100, 5)...)
	l := r.start(c)
	r.drained(l)
	l.stop(t)

	dying := c
	dying.MaxBatch, dying.DrainTimeout = 10, time.Millisecond
	var kill atomic.Pointer[running]
	dying.New = func(string, int32) (pipeline.Stage, error) {
		s := newTally()
		s.fail = func(value string) error {
			if value == "v180" {
				sleep(context.Background(), 50*time.Millisecond) // what is produced reaches the broker
				kill.Load().cancel()
				sleep(context.Background(), 50*time.Millisecond)
				return context.Canceled
			}
			return nil
		}
		return s, nil
	}
	run := r.prepare(dying)
	kill.Store(run)
	run.launch()
	r.produce(lines(100, 200, 5)...)
	_ = run.wait(t)

	start := time.Now()
	l = r.start(c)
	r.drained(l)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the restart took %v", took)
	}
	equal(t, flat(r.read("out")), wantOut(lines(0, 200, 5)))
}

// A lane that joins its group waits for a member that is gone until its session is over.
// Whoever ends the lane does not.
func TestLaneThatJoinsItsGroupEndsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	c := func(worker string) LaneConfig {
		c := r.config(worker)
		c.SessionTimeout, c.TransactionTimeout = 20*time.Second, 10*time.Second
		return c
	}
	one, gone := r.start(c("one")), r.start(c("gone"))
	r.produce(lines(0, 100, 20)...)
	eventually(t, func() string {
		if one.Serves() != 2 || gone.Serves() != 2 {
			return "the lanes do not share"
		}
		return ""
	})
	gone.stop(t)                             // and stays a member, for a restart
	third := r.start(c("third"))             // makes the group join anew
	sleep(t.Context(), 500*time.Millisecond) // the coordinator has asked both to join
	for _, l := range []*running{third, one} {
		start := time.Now()
		l.stop(t)
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("the end took %v", took)
		}
	}
}
