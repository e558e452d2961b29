package main

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/oracle"
)

// rawTopic is where the records go: the pipeline ingests them like those of any sensor.
const rawTopic = "raw.suricata"

// feeder sends the records of a plan at a steady rate and keeps the truth about them.
type feeder struct {
	gen   *oracle.Generator
	truth oracle.Truth
	cl    *kgo.Client
	rate  int
	skew  func(sent int) time.Duration // what the source's clock is off, nil for nothing

	acked  atomic.Int64
	failed atomic.Pointer[error]
}

func newFeeder(p oracle.Plan, addrs []string, rate int) (*feeder, error) {
	g, err := oracle.New(p)
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.DefaultProduceTopic(rawTopic),
		kgo.MetadataMinAge(10*time.Millisecond), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(5000))
	if err != nil {
		return nil, fmt.Errorf("feeder: %w", err)
	}
	return &feeder{gen: g, truth: oracle.Truth{Plan: p}, cl: cl, rate: rate}, nil
}

// run sends records until enough says so or the plan ends, and returns when all that was
// sent is acknowledged. The client's buffer is bounded: with the broker away it waits.
func (f *feeder) run(ctx context.Context, enough func() bool) error {
	defer f.cl.Close()
	const slice = 10 * time.Millisecond
	tick := time.NewTicker(slice)
	defer tick.Stop()
	owed := 0.0
	for !enough() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for owed += float64(f.rate) * slice.Seconds(); owed >= 1; owed-- {
			if !f.send(ctx) {
				return f.flush(ctx)
			}
		}
	}
	return f.flush(ctx)
}

func (f *feeder) send(ctx context.Context) bool {
	if f.skew != nil {
		f.gen.Off = f.skew(len(f.truth.Entries))
	}
	r, more := f.gen.Next(time.Now())
	if !more {
		return false
	}
	f.truth.Add(r)
	rec := &kgo.Record{Key: []byte(r.Key), Value: r.Value, Headers: []kgo.RecordHeader{
		{Key: oracle.HeaderSeq, Value: strconv.AppendUint(nil, r.Seq, 10)},
	}}
	f.cl.Produce(ctx, rec, func(_ *kgo.Record, err error) {
		if err != nil {
			f.failed.CompareAndSwap(nil, &err)
			return
		}
		f.acked.Add(1)
	})
	return true
}

func (f *feeder) flush(ctx context.Context) error {
	if err := f.cl.Flush(ctx); err != nil {
		return fmt.Errorf("feeder: %w", err)
	}
	if err := f.failed.Load(); err != nil {
		return fmt.Errorf("feeder: a record was not taken: %w", *err)
	}
	return nil
}
