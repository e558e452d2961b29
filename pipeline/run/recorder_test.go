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

// memorySink stores blocks as a table with deduplication by token would.
type memorySink struct {
	mu     sync.Mutex
	blocks map[string][]string // by token
	order  []string            // tokens as they came, repeated ones too
	fault  func(blk *pipeline.Block, try int) (applied bool, err error)
	tries  map[string]int
	bad    []string
}

func newMemorySink() *memorySink {
	return &memorySink{blocks: map[string][]string{}, tries: map[string]int{}}
}

func (s *memorySink) Insert(_ context.Context, blk *pipeline.Block) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := fmt.Sprintf("%s[%d]:%d-%d", blk.Topic, blk.Partition, blk.From, blk.To)
	var rows []string
	for i := range blk.Records {
		r := &blk.Records[i]
		if r.Offset < blk.From || r.Offset >= blk.To {
			s.bad = append(s.bad, fmt.Sprintf("%s holds offset %d", token, r.Offset))
		}
		rows = append(rows, fmt.Sprintf("%d:%d:%s", blk.Partition, r.Offset, r.Value))
	}
	s.order = append(s.order, token)
	s.tries[token]++
	applied, err := true, error(nil)
	if s.fault != nil {
		applied, err = s.fault(blk, s.tries[token])
	}
	if before, again := s.blocks[token]; again && applied && !slices.Equal(before, rows) {
		s.bad = append(s.bad, token+" came again with other rows")
	}
	if applied {
		s.blocks[token] = rows
	}
	return err
}

func (s *memorySink) rows() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, b := range s.blocks {
		all = append(all, b...)
	}
	slices.Sort(all)
	return all
}

func (s *memorySink) check(t *testing.T, want []string) {
	t.Helper()
	equal(t, s.rows(), want)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bad {
		t.Error(b)
	}
}

func (r *rig) recorder(sink pipeline.RowSink) RecorderConfig {
	c := DefaultRecorder(r.k, sink, "in")
	c.Worker = "w1"
	c.MinLinger, c.MaxLinger = 5*time.Millisecond, 20*time.Millisecond
	c.MaxRecords = 50
	c.SessionTimeout = 6 * time.Second
	return c
}

func (r *rig) record(c RecorderConfig) (stop func()) {
	r.t.Helper()
	rec, err := NewRecorder(c)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- rec.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				r.t.Errorf("recorder ended with %v", err)
			}
		})
	}
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) recorded() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	if err := Drained(ctx, r.k, nil, Input{Group: Group(r.k, "record"), Topics: []string{"in"}}); err != nil {
		r.t.Fatal(err)
	}
}

// wantRows is what the table must hold.
func (r *rig) wantRows() []string {
	r.t.Helper()
	var want []string
	for n, rs := range r.records("in") {
		for _, rec := range rs {
			want = append(want, fmt.Sprintf("%d:%d:%s", n, rec.Offset, rec.Value))
		}
	}
	slices.Sort(want)
	return want
}

func TestRecorderStoresEveryRecordOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	r.produce(lines(0, 500, 23)...)
	sink := newMemorySink()
	stop := r.record(r.recorder(sink))
	r.recorded()
	r.produce(lines(500, 700, 23)...)
	r.recorded()
	stop()
	sink.check(t, r.wantRows())
}

func TestBlockIsBuiltAgainAfterACrash(t *testing.T) {
	t.Parallel()
	for name, applied := range map[string]bool{"before the rows are in": false, "after the rows are in": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.produce(lines(0, 120, 5)...)
			sink := newMemorySink()
			ctx, crash := context.WithCancel(t.Context())
			sink.fault = func(blk *pipeline.Block, _ int) (bool, error) {
				if blk.From < 50 {
					return true, nil
				}
				crash()
				return applied, errors.New("the connection broke") // unmarked: the recorder may not go on
			}
			c := r.recorder(sink)
			c.DrainTimeout = time.Millisecond
			rec, err := NewRecorder(c)
			if err != nil {
				t.Fatal(err)
			}
			_ = rec.Run(ctx) // how it ends depends on who is first, the error or the end

			sink.mu.Lock()
			cut := sink.order[len(sink.order)-1]
			sink.fault = nil
			sink.mu.Unlock()
			r.produce(lines(120, 300, 5)...) // a new block could be larger now
			c.MaxRecords = 1000
			stop := r.record(c)
			r.recorded()
			stop()
			if sink.tries[cut] < 2 {
				t.Errorf("block %s was tried %d times, want it again after the crash: %v", cut, sink.tries[cut], sink.order)
			}
			sink.check(t, r.wantRows())
		})
	}
}

func TestPartitionThatCannotBeInsertedWaitsAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.produce(lines(0, 300, 40)...)
	sink := newMemorySink()
	var open sync.Once
	release := make(chan struct{})
	sink.fault = func(blk *pipeline.Block, _ int) (bool, error) {
		select {
		case <-release:
			return true, nil
		default:
		}
		if blk.Partition == 0 {
			return false, pipeline.AsRetry("away", 0, errors.New("the store is away"))
		}
		return true, nil
	}
	defer open.Do(func() { close(release) })
	r.record(r.recorder(sink))
	other := 0
	for _, rec := range r.records("in")[1] {
		_ = rec
		other++
	}
	eventually(t, func() string {
		if n := len(sink.rows()); n != other {
			return fmt.Sprintf("got %d rows of the other partition, want %d", n, other)
		}
		return ""
	})
	open.Do(func() { close(release) })
	r.recorded()
	sink.check(t, r.wantRows())
}

func TestAnswerThatWasLostIsAskedForAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.produce(lines(0, 200, 40)...)
	sink := newMemorySink()
	sink.fault = func(_ *pipeline.Block, try int) (bool, error) {
		if try == 1 {
			return true, pipeline.AsUnknown("timeout", errors.New("no answer"))
		}
		return true, nil
	}
	r.record(r.recorder(sink))
	r.recorded()
	sink.check(t, r.wantRows())
}

func TestPlanOfAnotherOffsetIsRefused(t *testing.T) {
	t.Parallel()
	f := func(committed int64, metadata string, want plan, ok bool) {
		t.Helper()
		got, err := parsePlan(committed, metadata)
		if (err == nil) != ok || got != want {
			t.Errorf("%d %q: got %+v, %v; want %+v, ok %v", committed, metadata, got, err, want, ok)
		}
	}
	f(7, "", plan{from: 7}, true)
	f(7, "kgo-member-1", plan{from: 7}, true)
	f(7, plan{7, 9}.String(), plan{7, 9}, true)
	f(8, plan{7, 9}.String(), plan{}, false)
	f(7, planPrefix+"7-7", plan{}, false)
	f(7, planPrefix+"7", plan{}, false)
}
