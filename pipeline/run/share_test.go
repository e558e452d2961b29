package run

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// board is a connector that keeps keys and values, and forgets nothing of what it was told.
type board struct {
	*fakeResponder
	put pipeline.Put

	mu      sync.Mutex
	values  map[string]string
	learned int // values when everything had been learned, -1 before
}

var _ pipeline.Sharing = (*board)(nil)

func newBoard() *board {
	return &board{fakeResponder: newFakeResponder(), values: map[string]string{}, learned: -1}
}

func (b *board) Share(put pipeline.Put) { b.put = put }

func (b *board) Learn(r *pipeline.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(r.Value) == 0 {
		delete(b.values, string(r.Key))
	} else {
		b.values[string(r.Key)] = string(r.Value)
	}
	return nil
}

func (b *board) Learned() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.learned = len(b.values)
}

func (b *board) seen() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.values)
}

// worker starts one more worker with a board, and waits until it is ready.
func (r *rig) worker() *board {
	r.t.Helper()
	b := newBoard()
	s := NewShare(r.k, "board", b, nil)
	ctx, stop := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	r.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
	select {
	case <-s.Ready():
	case <-time.After(30 * time.Second):
		r.t.Fatal("the share is never ready")
	}
	return b
}

func TestWhatWasPutIsLearnedByAllWorkersAndByThoseThatStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	if err := EnsureTopics(t.Context(), r.k, ShareSpec("board")); err != nil {
		t.Fatal(err)
	}
	put := func(b *board, key string, value []byte) {
		t.Helper()
		if err := b.put(t.Context(), []byte(key), value); err != nil {
			t.Fatal(err)
		}
	}
	one, two := r.worker(), r.worker()
	put(one, "a", []byte("1"))
	put(one, "b", []byte("1"))
	if got := one.seen(); len(got) != 2 {
		t.Errorf("when put returned the worker knew %v", got)
	}
	put(two, "a", []byte("2"))
	put(two, "b", nil)
	want := map[string]string{"a": "2"}
	if got := two.seen(); !maps.Equal(got, want) {
		t.Errorf("when put returned the other worker knew %v, want %v", got, want)
	}
	if three := r.worker(); three.learned != 1 || !maps.Equal(three.seen(), want) {
		t.Errorf("a worker that starts: %d and %v, want 1 and %v", three.learned, three.seen(), want)
	}
	eventually(t, func() string {
		if got := one.seen(); !maps.Equal(got, want) {
			return "the first worker does not learn what the second one put"
		}
		return ""
	})
}

func TestPutThatIsCutOffMayHaveHappened(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	if err := EnsureTopics(t.Context(), r.k, ShareSpec("board")); err != nil {
		t.Fatal(err)
	}
	b := r.worker()
	// Others have a transaction open on the topic, so nothing behind it can be read.
	p, err := NewPublisher(t.Context(), r.k, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := p.cl.ProduceSync(t.Context(), &kgo.Record{Topic: r.k.Topic("sink.board"), Key: []byte("x"), Value: []byte("1")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = b.put(ctx, []byte("a"), []byte("1"))
	if fault, _ := pipeline.FaultOf(err); fault != pipeline.FaultUnknown {
		t.Errorf("put: %v, want an unknown", err)
	}
	if got := b.seen(); len(got) != 0 {
		t.Errorf("learned %v before it is committed", got)
	}
	if err := p.cl.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if got := b.seen(); !maps.Equal(got, map[string]string{"a": "1"}) {
			return "the put that was cut off is not learned"
		}
		return ""
	})
}

func TestPutBeforeTheTopicWasReadIsTriedLater(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	b := newBoard()
	NewShare(r.k, "board", b, nil) // nobody runs it
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := b.put(ctx, []byte("a"), nil)
	if fault, _ := pipeline.FaultOf(err); fault != pipeline.FaultRetry {
		t.Errorf("got %v, want a retry", err)
	}
}
