package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// store is what a test hunts in: it can be away, and it can be cut off in the middle.
type store struct {
	mu     sync.Mutex
	away   int      // how many hunts find it away
	cutOff func()   // called once, in the middle of a hunt
	asked  []string // values of the records of each hunt
}

func (s *store) hunt(ctx context.Context, records []pipeline.Record) ([]pipeline.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away > 0 {
		s.away--
		return nil, pipeline.AsRetry("away", 0, errors.New("the store is away"))
	}
	if cut := s.cutOff; cut != nil {
		s.cutOff = nil
		cut()
		return nil, context.Cause(ctx)
	}
	var found []pipeline.Message
	for i := range records {
		s.asked = append(s.asked, string(records[i].Value))
		found = append(found, pipeline.Message{Topic: "out", Value: append([]byte("found "), records[i].Value...)})
	}
	return found, nil
}

func (r *rig) hunter(s *store) HunterConfig {
	c := DefaultHunter(r.k, "in")
	c.Worker, c.Hunt, c.Settle, c.SessionTimeout = "w", s.hunt, 0, 6*time.Second
	return c
}

// huntUntil hunts until ctx is done.
func (r *rig) huntUntil(ctx context.Context, s *store) error {
	h, err := NewHunter(r.hunter(s))
	if err != nil {
		return err
	}
	return h.Run(ctx)
}

// await waits until the topic out holds n records.
func (r *rig) await(n int) []string {
	r.t.Helper()
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got := r.values("out")
		if len(got) >= n {
			slices.Sort(got)
			return got
		}
		if time.Now().After(until) {
			r.t.Fatalf("%d records, want %d", len(got), n)
		}
	}
}

// TestEachRecordIsHuntedForOnce over a store that is away, an end in the middle of a hunt,
// and a restart.
func TestEachRecordIsHuntedForOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	for i := range 5 {
		r.produce(fmt.Sprintf("k%d %d", i, i))
	}
	ctx, cut := context.WithCancel(t.Context())
	if err := r.huntUntil(ctx, &store{cutOff: cut}); err != nil {
		t.Error(err)
	}
	if got := r.values("out"); len(got) != 0 {
		t.Errorf("a hunt that was cut off told %v", got)
	}
	hunt := func(s *store, want int) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.huntUntil(ctx, s) }()
		r.await(want)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	hunt(&store{away: 2}, 5)
	r.produce("k9 9")
	second := &store{}
	hunt(second, 6)
	got := r.await(6)
	equal(t, got, []string{"found 0", "found 1", "found 2", "found 3", "found 4", "found 9"})
	equal(t, second.asked, []string{"9"})
}

// TestHuntWaitsForWhatIsOnItsWayToTheStore: a record that was committed before the hunt and
// is not recorded yet keeps it waiting; one that comes later does not.
func TestHuntWaitsForWhatIsOnItsWayToTheStore(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	if err := EnsureTopics(t.Context(), r.k, TopicSpec{Name: "events", Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	publish(t, r.k, set("events", "a", "1"), set("events", "b", "2"))
	r.produce("k 0")
	s := &store{}
	c := r.hunter(s)
	c.Recorded = Input{Group: Group(r.k, "record"), Topics: []string{"events"}}
	h, err := NewHunter(c)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = h.Run(t.Context()) }()
	time.Sleep(300 * time.Millisecond) // long enough for a hunt that does not wait
	if got := r.values("out"); len(got) != 0 {
		t.Fatalf("hunted before the store had everything: %v", got)
	}
	offsets, err := r.adm.ListCommittedOffsets(t.Context(), r.k.Topic("events"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.adm.CommitOffsets(t.Context(), Group(r.k, "record"), offsets.Offsets()); err != nil {
		t.Fatal(err)
	}
	publish(t, r.k, set("events", "c", "3"))
	r.await(1)
}
