package run

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/internal/crash"
	"github.com/riposte-sec/riposte/pipeline"
)

// plan is a block that was planned: the committed records in [from, to). Without a plan to
// is zero and from is where to go on.
type plan struct{ from, to int64 }

const planPrefix = "riposte-block "

// String returns the form that is stored with the committed offset, which is from.
func (p plan) String() string {
	if p.to == 0 {
		return ""
	}
	return planPrefix + strconv.FormatInt(p.from, 10) + "-" + strconv.FormatInt(p.to, 10)
}

// parsePlan reads what was stored with a committed offset. Metadata of others is no plan.
func parsePlan(committed int64, metadata string) (plan, error) {
	p := plan{from: committed}
	rest, ours := strings.CutPrefix(metadata, planPrefix)
	if !ours {
		return p, nil
	}
	a, b, _ := strings.Cut(rest, "-")
	from, err1 := strconv.ParseInt(a, 10, 64)
	to, err2 := strconv.ParseInt(b, 10, 64)
	if err1 != nil || err2 != nil || from != committed || to <= from {
		return plan{}, fmt.Errorf("planned block %.60q does not fit the committed offset %d", metadata, committed)
	}
	p.to = to
	return p, nil
}

// blocks makes blocks of one partition and inserts them, one after another, on a goroutine
// of its own.
type blocks struct {
	rc     *recording
	id     tp
	topic  string // without prefix
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
	more   chan struct{} // has a token when records came
	drain  chan struct{} // closed when no new block shall be planned
	once   sync.Once

	mu     sync.Mutex
	queue  []*kgo.Record
	bytes  int64
	expect int64 // offset of the next record to be queued, at least
	paused bool

	// Of the goroutine alone.
	plan   plan
	block  pipeline.Block
	header []pipeline.Header
	linger time.Duration
	most   int  // records per block, at present
	behind bool // the committed offset does not tell yet that the last block is in
	took   time.Duration
}

func (b *blocks) stopSoon() { b.once.Do(func() { close(b.drain) }) }

// offer queues records. It does not block: over its budget the partition is paused.
func (b *blocks) offer(rs []*kgo.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range rs {
		if r.Offset < b.expect {
			continue
		}
		b.expect = r.Offset + 1
		b.queue = append(b.queue, r)
		b.bytes += size(r)
	}
	if b.bytes >= b.rc.r.cfg.QueueBytes && !b.paused {
		b.paused = true
		b.rc.cl.PauseFetchPartitions(map[string][]int32{b.id.topic: {b.id.partition}})
	}
	select {
	case b.more <- struct{}{}:
	default:
	}
}

func size(r *kgo.Record) int64 {
	n := len(r.Key) + len(r.Value) + 128
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return int64(n)
}

// run makes blocks until it is stopped or fails.
func (b *blocks) run(ctx context.Context) {
	defer close(b.done)
	err := guard(func() error {
		for {
			more, err := b.next(ctx)
			if err != nil || !more {
				return err
			}
		}
	})
	if err == nil || ctx.Err() != nil {
		return
	}
	if _, panicked := errors.AsType[*panicError](err); panicked {
		err = pipeline.AsStop("panic", err)
	}
	b.rc.r.failing(fmt.Errorf("record %s[%d]: %w", b.topic, b.id.partition, err))
}

// next makes and inserts one block. It reports false when it was told to stop.
func (b *blocks) next(ctx context.Context) (bool, error) {
	ok, err := b.collect(ctx)
	if err != nil || !ok {
		return false, err
	}
	if b.plan.to == 0 {
		b.plan.to = b.block.To
		if err := b.commit(ctx); err != nil {
			return false, err
		}
	}
	crash.Point(crash.AfterPlan)
	if err := b.insert(ctx); err != nil {
		return false, err
	}
	crash.Point(crash.AfterInsert)
	b.rc.r.inserted(b.topic, len(b.block.Records))
	b.plan, b.behind = plan{from: b.plan.to}, true
	return true, nil
}

// collect fills the block: with exactly what was planned, or with what comes until it is
// large or old enough.
func (b *blocks) collect(ctx context.Context) (bool, error) {
	clear(b.block.Records)
	clear(b.header)
	b.header = b.header[:0]
	b.block = pipeline.Block{Topic: b.topic, Partition: b.id.partition, From: b.plan.from, Records: b.block.Records[:0]}
	var full <-chan time.Time
	left := b.rc.r.cfg.MaxBytes
	for {
		whole, err := b.draw(&left)
		if err != nil || whole {
			return whole, err
		}
		if len(b.block.Records) == 0 && b.behind {
			if err := b.commit(ctx); err != nil { // nothing more to plan for now: say that the last block is in
				return false, err
			}
		}
		if full == nil && len(b.block.Records) > 0 {
			timer := time.NewTimer(b.linger)
			defer timer.Stop()
			full = timer.C
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-b.drain:
			// What is not planned yet, or not read yet, is left for the next time.
			if b.behind {
				return false, b.commit(ctx)
			}
			return false, nil
		case <-b.more:
		case <-full:
			if b.plan.to == 0 {
				return true, nil
			}
			full = nil
		}
	}
}

// draw moves queued records into the block and reports whether it is whole.
func (b *blocks) draw(left *int64) (whole bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, r := range b.queue {
		if b.plan.to > 0 && r.Offset >= b.plan.to {
			return false, pipeline.AsStop("plan", fmt.Errorf(
				"the planned block %d-%d cannot be built again: its last record is gone", b.plan.from, b.plan.to))
		}
		b.add(r)
		n++
		*left -= size(r)
		b.bytes -= size(r)
		if b.plan.to > 0 {
			whole = r.Offset == b.plan.to-1
		} else {
			whole = *left <= 0 || len(b.block.Records) >= b.most
		}
		if whole {
			break
		}
	}
	rest := copy(b.queue, b.queue[n:])
	clear(b.queue[rest:])
	b.queue = b.queue[:rest]
	if b.paused && b.bytes < b.rc.r.cfg.QueueBytes/2 {
		b.paused = false
		b.rc.cl.ResumeFetchPartitions(map[string][]int32{b.id.topic: {b.id.partition}})
	}
	return whole, nil
}

func (b *blocks) add(r *kgo.Record) {
	from := len(b.header)
	for _, h := range r.Headers {
		b.header = append(b.header, pipeline.Header{Key: h.Key, Value: h.Value})
	}
	b.block.Records = append(b.block.Records, pipeline.Record{
		Offset: r.Offset, Time: pipeline.MillisOf(r.Timestamp), Key: r.Key, Value: r.Value,
		Headers: b.header[from:len(b.header):len(b.header)],
	})
	b.block.To = r.Offset + 1
}

// insert stores the block, however long it takes.
func (b *blocks) insert(ctx context.Context) error {
	r := b.rc.r
	wait := backoff{first: 100 * time.Millisecond, most: 10 * time.Second}
	for {
		took, err := b.try(ctx)
		fault, reason := pipeline.FaultOf(err)
		switch {
		case err == nil:
			r.m.inserts.WithLabelValues(b.topic, "ok").Inc()
			r.m.insertSeconds.WithLabelValues(b.topic).Observe(took.Seconds())
			b.adapt(took)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case fault == pipeline.FaultRetry || fault == pipeline.FaultUnknown || fault == pipeline.FaultNone:
			// Inserting the same block again changes nothing if it is in already.
			r.m.inserts.WithLabelValues(b.topic, fault.String()).Inc()
			pause := max(wait.step(), pipeline.RetryAfter(err))
			r.log.Warn("insert fails, the partition waits", "topic", b.topic, "partition", b.id.partition,
				"reason", reason, "again_in", pause, "err", err)
			if !sleep(ctx, pause) {
				return ctx.Err()
			}
		default:
			r.m.inserts.WithLabelValues(b.topic, "stop").Inc()
			return pipeline.AsStop(reason, fmt.Errorf("insert %d-%d: %w", b.block.From, b.block.To, err))
		}
	}
}

// try inserts once, when one of the slots is free.
func (b *blocks) try(ctx context.Context) (time.Duration, error) {
	select {
	case b.rc.r.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-b.rc.r.slots }()
	start := time.Now()
	err := b.rc.r.cfg.Sink.Insert(ctx, &b.block)
	return time.Since(start), err
}

// adapt fits linger and size to what inserts take: the store shall be busy about a fifth of
// the time while there is little to do, and no insert shall take long.
func (b *blocks) adapt(took time.Duration) {
	c := &b.rc.r.cfg
	b.took += (took - b.took) / 4
	b.linger = min(max(4*b.took, c.MinLinger), c.MaxLinger)
	switch {
	case took > 5*time.Second:
		b.most = max(b.most/2, min(1000, c.MaxRecords))
	case took < time.Second:
		b.most = min(b.most*2, c.MaxRecords)
	}
}

// commit stores where the partition is and what is planned.
func (b *blocks) commit(ctx context.Context) error {
	mark := b.plan.String()
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				req.Topics[i].Partitions[j].Metadata = &mark
			}
		}
		return nil
	})
	at := map[string]map[int32]kgo.EpochOffset{b.id.topic: {b.id.partition: {Epoch: -1, Offset: b.plan.from}}}
	var failed error
	b.rc.cl.CommitOffsetsSync(ctx, at, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		failed = err
		if err != nil || resp == nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				failed = errors.Join(failed, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	})
	if failed != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("commit %s[%d] at %d: %w", b.topic, b.id.partition, b.plan.from, failed)
	}
	if b.plan.to == 0 {
		crash.Point(crash.AfterNote)
	}
	b.behind = false
	return nil
}
