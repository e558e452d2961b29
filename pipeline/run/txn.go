package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/internal/crash"
	"github.com/riposte-sec/riposte/pipeline"
)

// txn is what one transaction holds so far.
type txn struct {
	s       *session
	begun   bool
	started time.Time
	records int
	bytes   int64
	behind  lagging
	full    bool // end now, whatever the interval says
	alone   bool // no other lane of the process processes anything, see probe
	touched []*touch
	// firstFrame is the first state frame that was produced.
	firstFrame *kgo.Record

	pending atomic.Int64 // records that the client has not finished with

	mu     sync.Mutex
	failed error // first record that could not be produced; set by the client's goroutines
}

// touch is what a transaction does to one partition.
type touch struct {
	part      *part
	next      int64 // input offset after the transaction
	skipped   bool  // the client does not know that reading goes on at next
	watermark pipeline.Millis
	seq       uint64
	frames    int64 // bytes of state written
	returns   int   // results of calls that the batches took
	works     []*work
}

// stageError says that the stage failed on a partition.
type stageError struct {
	part    *part
	records int // in the batch at hand; 0 for time or results of calls
	err     error
}

func (e *stageError) Error() string {
	return fmt.Sprintf("stage on %s[%d]: %v", e.part.topic, e.part.id.partition, e.err)
}
func (e *stageError) Unwrap() error { return e.err }

// newTxn returns an empty transaction, which sees the context as it is now to its end.
func (s *session) newTxn() *txn {
	s.context = nil
	if s.l.cfg.Context != nil {
		s.context = s.l.cfg.Context()
	}
	return &txn{s: s}
}

// cycle serves one transaction, or one wait without any.
func (s *session) cycle(ctx, work context.Context) error {
	t := s.newTxn()
	defer s.recycle(t)
	err := t.gather(ctx, work)
	if err == nil {
		return t.commit(work)
	}
	if aborted := t.abort(work); aborted != nil {
		return errors.Join(err, aborted)
	}
	failed, ok := errors.AsType[*stageError](err)
	if !ok {
		return err
	}
	return s.stageFailed(ctx, failed)
}

// gather fills the transaction until its time is over or it is full.
func (t *txn) gather(ctx, work context.Context) error {
	s := t.s
	until := s.nextTick
	for {
		if err := t.poll(ctx, work, until); err != nil {
			return err
		}
		if err := t.deliver(work); err != nil {
			return err
		}
		now := time.Now()
		if !now.Before(s.nextTick) {
			s.nextTick = now.Add(s.l.cfg.TickEvery)
			s.measure()
			if err := s.settled(now); err != nil {
				return err
			}
			if err := t.idleTicks(work, now); err != nil {
				return err
			}
		}
		if !t.begun {
			return nil
		}
		until = s.pace.due(t.started)
		if t.full || ctx.Err() != nil || !now.Before(until) {
			return nil //nolint:nilerr // what was gathered is committed when ctx ends
		}
	}
}

// poll processes what the client has, or waits for it until a point in time.
func (t *txn) poll(ctx, work context.Context, until time.Time) error {
	s := t.s
	wait, cancel := s.l.waker.until(ctx, until)
	fetches := s.gts.PollRecords(wait, t.room())
	cancel()
	if err := t.fetchErrors(work, fetches); err != nil {
		return err
	}
	crash.Point(crash.AfterPoll)
	take := t.take
	if s.warmed(fetches) {
		take = t.putBack
	} else {
		defer t.probe(work, fetches)()
	}
	var err error
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if err == nil && len(f.Records) > 0 {
			err = take(work, f)
		}
	})
	return err
}

// carefulRecords is how many records are polled while a partition is searched for the one
// that makes its stage fail: the search repeats them often.
const carefulRecords = 256

// room is how many records the transaction may still take.
func (t *txn) room() int {
	n := max(1, t.s.l.fill.most-t.records)
	t.s.eachPart(func(p *part) {
		if p.careful {
			n = min(n, carefulRecords)
		}
		if p.suspect && !p.paused {
			n = min(n, int(p.probe.size))
		}
	})
	return n
}

// take processes the records of one partition.
func (t *txn) take(work context.Context, f kgo.FetchTopicPartition) error {
	s := t.s
	p := s.find(tp{f.Topic, f.Partition})
	if p == nil {
		// It was taken away between the poll and here: the transaction cannot commit.
		return fmt.Errorf("records of %s[%d], which was taken away meanwhile", f.Topic, f.Partition)
	}
	if err := t.begin(work); err != nil {
		return err
	}
	p.owned, p.seenAt, p.highest = true, time.Now(), f.HighWatermark
	u := t.touch(p)
	last := f.Records[len(f.Records)-1]
	if f.Records[0].Offset < u.next {
		return fmt.Errorf("BUG: %s[%d]: read offset %d again, %d is next", f.Topic, f.Partition, f.Records[0].Offset, u.next)
	}
	// A few records may always have arrived since the fetch: behind means more than a batch.
	t.behind = t.behind || lagging(f.HighWatermark-last.Offset > int64(s.l.cfg.MaxBatch))
	s.l.m.lag.WithLabelValues(s.l.cfg.Stage, s.l.label).Set(float64(max(0, f.HighWatermark-last.Offset-1)))
	if p.suspect && p.probe.guilty() && len(f.Records) == 1 {
		t.condemn(u, f.Records[0])
		return nil
	}
	if p.careful {
		t.full = true
		return t.processCarefully(work, u, f.Records)
	}
	for rs := f.Records; len(rs) > 0; {
		n := min(len(rs), s.l.cfg.MaxBatch)
		if err := t.process(work, u, rs[:n]); err != nil {
			return err
		}
		if err := t.failure(); err != nil {
			return err // what cannot be committed need not be finished
		}
		rs = rs[n:]
	}
	return nil
}

// begin begins the transaction if it has not begun.
func (t *txn) begin(ctx context.Context) error {
	s := t.s
	if t.begun {
		return nil
	}
	if s.broken.Swap(false) { // the next transaction makes the coordinator forget the last one
		if _, err := s.ender.mend(ctx, s.adm, lastTxn{}); err != nil {
			s.broken.Store(true)
			return err
		}
	}
	if err := s.gts.Begin(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	t.begun, t.started = true, time.Now()
	return nil
}

// touch returns what the transaction does to p.
func (t *txn) touch(p *part) *touch {
	for _, u := range t.touched {
		if u.part == p {
			return u
		}
	}
	u := &touch{part: p, next: p.next, watermark: p.watermark, seq: p.seq}
	t.touched = append(t.touched, u)
	return u
}

// taken returns how many results of calls the transaction took for p.
func (t *txn) taken(p *part) int {
	for _, u := range t.touched {
		if u.part == p {
			return u.returns
		}
	}
	return 0
}

// process lets the stage work on records, lets time pass to the newest of them, and
// produces what came of it.
func (t *txn) process(ctx context.Context, u *touch, rs []*kgo.Record) error {
	w, err := t.compute(ctx, u, rs)
	if err != nil {
		return err
	}
	t.accept(u, w, rs)
	return nil
}

// compute runs the stage. On an error the stage holds a half-done change: the caller must
// roll it back.
func (t *txn) compute(ctx context.Context, u *touch, rs []*kgo.Record) (*work, error) {
	s, p := t.s, u.part
	w := s.work(p)
	w.read(rs)
	w.batch.Returns = p.inbox.peek(w.batch.Returns)
	// Results that an earlier batch of the transaction took are not taken twice.
	w.batch.Returns = w.batch.Returns[min(u.returns, len(w.batch.Returns)):]
	start := time.Now()
	err := t.beside(func() error {
		if err := p.stage.Process(ctx, &w.batch); err != nil {
			return err
		}
		if p.state == nil {
			return nil
		}
		now := max(u.watermark, w.newest)
		return p.state.Tick(ctx, now, &w.batch)
	})
	s.l.m.processSeconds.WithLabelValues(s.l.cfg.Stage).Observe(time.Since(start).Seconds())
	if err == nil {
		err = w.fits()
	}
	if err != nil {
		s.put(w)
		return nil, &stageError{part: p, records: len(rs), err: err}
	}
	return w, nil
}

// accept takes over a computed batch: it is produced, and counts when the transaction
// commits.
func (t *txn) accept(u *touch, w *work, rs []*kgo.Record) {
	u.works = append(u.works, w)
	u.watermark = max(u.watermark, w.newest)
	u.returns += len(w.batch.Returns)
	if len(rs) > 0 {
		u.next = rs[len(rs)-1].Offset + 1
	}
	t.records += len(rs)
	t.bytes += w.bytes
	cfg := &t.s.l.cfg
	t.full = t.full || t.records >= t.s.l.fill.most || t.bytes >= cfg.MaxBytes
	t.produce(w)
	crash.Point(crash.AfterProduce)
}

// deliver gives the results of calls to partitions that had no records meanwhile.
func (t *txn) deliver(ctx context.Context) error {
	var waiting []*part
	t.s.eachPart(func(p *part) {
		if n, _ := p.inbox.counts(); n > t.taken(p) {
			waiting = append(waiting, p)
		}
	})
	return t.without(ctx, waiting, func(u *touch) error {
		if err := t.begin(ctx); err != nil {
			return err
		}
		return t.process(ctx, u, nil)
	})
}

// idleTicks lets time pass on partitions that had no records for a while and have none to
// read. Their clock is the runtime's.
func (t *txn) idleTicks(ctx context.Context, now time.Time) error {
	s := t.s
	var idle []*part
	s.eachPart(func(p *part) {
		if p.state != nil && now.Sub(p.seenAt) >= s.l.cfg.TickEvery {
			idle = append(idle, p)
		}
	})
	// A partition that is paused for its memory gets room by time alone.
	idle = slices.DeleteFunc(idle, func(p *part) bool { return !p.paused && !s.readToItsEnd(ctx, p) })
	return t.without(ctx, idle, func(u *touch) error { return t.tick(ctx, u) })
}

// endPatience bounds the question whether a partition is read to its end.
const endPatience = 2 * time.Second

// readToItsEnd reports whether nothing waits to be read of a partition. That none came for a
// while does not say so: a fetch may be slow, and after an assignment none has been answered
// yet. Were time to pass on such a partition by the runtime's clock, then what waits would be
// late for its stage, all that came while nobody served it. It is asked once for each
// position: what is appended afterwards is new.
func (s *session) readToItsEnd(ctx context.Context, p *part) bool {
	if p.atEnd && p.endAt == p.next {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	more, err := waiting(ctx, s.side, p.id, p.next)
	if err != nil {
		s.l.log.Debug("not known whether the partition is read to its end", "topic", p.topic, "partition", p.id.partition, "err", err)
	}
	p.atEnd, p.endAt = err == nil && !more, p.next
	return p.atEnd
}

// without runs f for those of the parts that are ours, without records.
func (t *txn) without(ctx context.Context, parts []*part, f func(*touch) error) error {
	if len(parts) == 0 {
		return nil
	}
	held := make(map[*part]bool, len(parts))
	for _, p := range t.s.ours() {
		held[p] = true
	}
	for _, p := range parts {
		if !held[p] || ctx.Err() != nil {
			continue
		}
		if err := f(t.touch(p)); err != nil {
			return err
		}
	}
	return nil
}

// tick lets time pass on one idle partition. If nothing comes of it there is nothing to
// commit either.
func (t *txn) tick(ctx context.Context, u *touch) error {
	s, p := t.s, u.part
	w, err := t.let(ctx, p, max(u.watermark, s.l.now()))
	if err != nil {
		return err
	}
	s.scratch = p.state.AppendDelta(s.scratch[:0])
	if len(s.scratch)+len(w.batch.Out)+len(w.batch.Calls)+len(w.batch.Rejects) == 0 {
		s.put(w)
		return nil
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	t.accept(u, w, nil)
	return nil
}

// fetchErrors handles what came instead of records.
func (t *txn) fetchErrors(ctx context.Context, fetches kgo.Fetches) error {
	var out error
	fetches.EachError(func(topic string, n int32, err error) {
		session, isSession := errors.AsType[*kgo.ErrGroupSession](err)
		large, isLarge := errors.AsType[*kgo.ErrDecompressTooLarge](err)
		switch {
		case out != nil:
		case isLarge:
			out = t.skip(ctx, large)
		case isSession:
			out = t.s.groupTrouble(session.Err)
		case n < 0 && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
			// The wait is over.
		default:
			out = fmt.Errorf("fetch %s[%d]: %w", topic, n, err)
		}
	})
	return out
}

// groupTrouble handles an error of the group's own loop, which goes on by itself unless it
// cannot.
func (s *session) groupTrouble(err error) error {
	err = classify(err)
	fault, reason := pipeline.FaultOf(err)
	if fault == pipeline.FaultStop {
		return err
	}
	s.l.m.retries.WithLabelValues(s.l.cfg.Stage, "group_"+reason).Inc()
	s.l.log.Warn("consumer group in trouble, it tries again", "err", err)
	return nil
}
