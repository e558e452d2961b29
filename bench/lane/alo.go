package main

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/line"
	"github.com/riposte-sec/riposte/pipeline"
)

// maxBatch is what a lane gives its stage at a time.
const maxBatch = 512

// loop runs the stage at-least-once.
type loop struct {
	o      options
	cl     *kgo.Client
	stage  line.Factory
	parts  map[int32]*part
	bytes  int64
	read   int
	failed atomic.Pointer[error]
}

// part is one partition: its stage, and batches whose records may still be on their way.
type part struct {
	stage pipeline.Stage
	state pipeline.Stateful
	used  []*pipeline.Batch
	free  []*pipeline.Batch
}

func atLeastOnce(ctx context.Context, o options, stage line.Factory) error {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(o.brokers, ",")...), kgo.ConsumerGroup(o.prefix+o.group), kgo.ConsumeTopics(o.prefix+o.topic),
		kgo.DisableAutoCommit(), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(0), kgo.FetchMaxBytes(32<<20),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.MetadataMinAge(10*time.Millisecond), kgo.ProducerBatchMaxBytes(8<<20),
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	l := &loop{o: o, cl: cl, stage: stage, parts: map[int32]*part{}}
	return l.run(ctx)
}

// run reads until all records are committed. As with exactly-once, what the first commit
// covers is not counted.
func (l *loop) run(ctx context.Context) error {
	var clock line.Clock
	before := 0
	committed := time.Now()
	for l.read < l.o.records {
		fetches := l.cl.PollRecords(ctx, 20_000)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		var failed error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if failed == nil {
				failed = l.partition(ctx, p)
			}
		})
		if failed != nil {
			return failed
		}
		if time.Since(committed) < l.o.interval && l.read < l.o.records && before > 0 {
			continue
		}
		if err := l.commit(ctx); err != nil {
			return err
		}
		committed = time.Now()
		if before == 0 && l.read > 0 {
			clock, before = line.Start(), l.read
		}
	}
	return clock.Print(os.Stdout, l.read-before, l.bytes)
}

func (l *loop) partition(ctx context.Context, fetched kgo.FetchTopicPartition) error {
	p := l.parts[fetched.Partition]
	if p == nil {
		s, err := l.stage(l.o.topic, fetched.Partition)
		if err != nil {
			return err
		}
		p = &part{stage: s}
		p.state, _ = s.(pipeline.Stateful)
		l.parts[fetched.Partition] = p
	}
	for records := fetched.Records; len(records) > 0; {
		n := min(len(records), maxBatch)
		if err := l.batch(ctx, p, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	l.read += len(fetched.Records)
	return nil
}

func (l *loop) batch(ctx context.Context, p *part, records []*kgo.Record) error {
	b := p.take()
	b.Topic, b.Partition, b.Tenant = l.o.topic, records[0].Partition, "default"
	for _, r := range records {
		b.In = append(b.In, pipeline.Record{Offset: r.Offset, Time: pipeline.MillisOf(r.Timestamp), Key: r.Key, Value: r.Value})
		l.bytes += int64(len(r.Value))
	}
	if err := p.stage.Process(ctx, b); err != nil {
		return err
	}
	for i := range b.Out {
		m := &b.Out[i]
		r := &kgo.Record{Topic: l.o.prefix + m.Topic, Key: m.Key, Value: m.Value}
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		l.cl.Produce(ctx, r, l.produced)
	}
	return nil
}

func (p *part) take() *pipeline.Batch {
	b := new(pipeline.Batch)
	if n := len(p.free); n > 0 {
		b, p.free = p.free[n-1], p.free[:n-1]
		b.Reset()
	}
	p.used = append(p.used, b)
	return b
}

func (l *loop) produced(_ *kgo.Record, err error) {
	if err != nil {
		l.failed.CompareAndSwap(nil, &err)
	}
}

// commit waits for the acknowledgements, commits the offsets and frees the batches.
func (l *loop) commit(ctx context.Context) error {
	if err := l.cl.Flush(ctx); err != nil {
		return err
	}
	if err := l.failed.Load(); err != nil {
		return *err
	}
	if err := l.cl.CommitUncommittedOffsets(ctx); err != nil {
		return err
	}
	for _, p := range l.parts {
		if p.state != nil {
			p.state.Commit()
		}
		p.free = append(p.free, p.used...)
		p.used = p.used[:0]
	}
	return nil
}
