package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// sheet is a Table of keys and values that is asked by tests.
type sheet struct {
	mu     sync.Mutex
	values map[string]string
	caught int // values when it had caught up
}

func (s *sheet) Apply(topic string, r *pipeline.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(r.Value) == "foreign" {
		return errors.New("none of ours")
	}
	if len(r.Value) == 0 {
		delete(s.values, topic+"/"+string(r.Key))
		return nil
	}
	s.values[topic+"/"+string(r.Key)] = string(r.Value)
	return nil
}

func (s *sheet) CaughtUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caught = len(s.values)
}

func (s *sheet) await(tb testing.TB, want map[string]string) {
	tb.Helper()
	for until := time.Now().Add(20 * time.Second); ; {
		s.mu.Lock()
		got := maps.Clone(s.values)
		s.mu.Unlock()
		if maps.Equal(got, want) {
			return
		}
		if time.Now().After(until) {
			tb.Fatalf("got %v, want %v", got, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func set(topic, key, value string) pipeline.Message {
	return pipeline.Message{Topic: topic, Key: []byte(key), Value: []byte(value)}
}

func publish(tb testing.TB, k Kafka, messages ...pipeline.Message) {
	tb.Helper()
	p, err := NewPublisher(tb.Context(), k, "test")
	if err != nil {
		tb.Fatal(err)
	}
	defer p.Close()
	if err := p.Publish(tb.Context(), messages); err != nil {
		tb.Fatal(err)
	}
}

func TestFollowerHasWhatIsCommittedBeforeItIsReady(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	if err := EnsureTopics(t.Context(), r.k, TopicSpec{Name: "c1", Partitions: 1, Compact: true}, TopicSpec{Name: "c2", Partitions: 1, Compact: true}); err != nil {
		t.Fatal(err)
	}
	publish(t, r.k, set("c1", "a", "1"), set("c1", "b", "1"), set("c1", "x", "foreign"))
	publish(t, r.k, set("c1", "a", "2"), set("c1", "b", ""), set("c2", "a", "3"))
	// A loader that dies in the middle leaves its transaction open: nothing of it is seen, and
	// the next one ends it.
	dead, err := NewPublisher(t.Context(), r.k, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := dead.cl.ProduceSync(t.Context(), &kgo.Record{Topic: r.k.Topic("c1"), Key: []byte("a"), Value: []byte("half")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s := &sheet{values: map[string]string{}}
	f := NewFollower(r.k, s, nil, "c1", "c2")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	<-f.Ready()
	if s.caught != 2 {
		t.Errorf("%d values when it was ready, want 2", s.caught)
	}
	s.await(t, map[string]string{"c1/a": "2", "c2/a": "3"})
	publish(t, r.k, set("c1", "a", "4"), set("c2", "a", ""))
	s.await(t, map[string]string{"c1/a": "4"})
	if err := dead.Publish(t.Context(), []pipeline.Message{set("c1", "a", "zombie")}); err == nil {
		t.Error("a publisher that was fenced could still publish")
	}
	dead.Close()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPublisherWritesAllOrNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	p, err := NewPublisher(t.Context(), r.k, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var all []pipeline.Message
	for i := range 3000 {
		all = append(all, set("in", fmt.Sprint(i), "v"))
	}
	big := set("in", "big", string(make([]byte, MaxRecordBytes+1)))
	if err := p.Publish(t.Context(), append(slices.Clone(all), big)); err == nil {
		t.Fatal("a record that is too large was published")
	}
	if got := r.values("in"); len(got) != 0 {
		t.Errorf("%d records of a set that failed are visible", len(got))
	}
	publish(t, r.k, all...)
	if got := r.values("in"); len(got) != len(all) {
		t.Errorf("%d records are visible, want %d", len(got), len(all))
	}
}
