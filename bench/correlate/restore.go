package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/correlate"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/pipeline/run/broker"
)

// restoreTopic holds the pieces of a state, one partition after the other.
const (
	restoreTopic      = "state"
	restorePartitions = 4
	restoreKind       = "event_count"
	restoreBody       = "rules: [a, b]; timespan: 90d; condition: {gte: 4000}"
	restoreBudget     = 2 << 30
)

// restore compares reading a state topic and restoring from it with reading it bare. The
// broker runs in this process; its work counts on both sides.
func restore(ctx context.Context, o options, say func(string, ...any)) (rs []result, err error) {
	b, err := broker.Start(broker.Config{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := run.EnsureTopics(ctx, run.Kafka{Brokers: []string{b.Addr()}}, run.TopicSpec{Name: restoreTopic, Partitions: restorePartitions}); err != nil {
		return nil, err
	}
	size := 0
	per := o.keys / restorePartitions
	for p := range restorePartitions {
		n, err := fill(ctx, b.Addr(), int32(p), p*per, per)
		if err != nil {
			return nil, err
		}
		size += n
	}
	var keys int
	vs := []variant{{"bare", func(int) (float64, error) {
		return timed(o.keys, func() error {
			return read(ctx, b.Addr(), func(int32, []byte) error { return nil })
		})
	}}, {"restore", func(int) (float64, error) {
		keys = 0
		return timed(o.keys, func() error {
			stages := make([]*correlate.Stage, restorePartitions)
			for i := range stages {
				var err error
				if stages[i], err = newStage(restoreKind, restoreBody, restoreBudget); err != nil {
					return err
				}
			}
			if err := read(ctx, b.Addr(), func(p int32, piece []byte) error { return stages[p].Restore(piece) }); err != nil {
				return err
			}
			for _, st := range stages {
				if err := st.Tick(ctx, st.Watermark().Add(time.Hour), &pipeline.Batch{}); err != nil { // what the first one costs belongs to it
					return err
				}
				keys += st.Groups()
			}
			return nil
		})
	}}}
	times, err := inTurns(min(o.rounds, 3), vs)
	if err != nil {
		return nil, err
	}
	if keys != per*restorePartitions {
		return nil, fmt.Errorf("%d groups restored, want %d", keys, per*restorePartitions)
	}
	r := ratio(times[0], times[1])
	say("\nrestore of %d groups, %.0f MB of state, by processor time\n%-20s %10.0f ns/group\n%-20s %10.0f ns/group\nbare : restore = %.2f\n",
		keys, float64(size)/1e6, "bare reading", median(times[0]), "with restoring", median(times[1]), r)
	return []result{{"restore", r, ">= 0.5 of bare reading"}}, nil
}

// fill writes the snapshot of a stage with n groups to a partition and returns its size.
func fill(ctx context.Context, addr string, partition int32, from, n int) (size int, err error) {
	st, err := newStage(restoreKind, restoreBody, restoreBudget)
	if err != nil {
		return 0, err
	}
	s := shape{func(i int) string { return fmt.Sprintf("group-%d", i) }, 1}
	for at := 0; at < n; at += 10_000 {
		if err := play(ctx, st, s.records(from+at, min(10_000, n-at))); err != nil {
			return 0, err
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(run.MaxRecordBytes))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	err = st.Snapshot(func(piece []byte) error {
		size += len(piece)
		r := &kgo.Record{Topic: restoreTopic, Partition: partition, Value: slices.Clone(piece)}
		return cl.ProduceSync(ctx, r).FirstErr()
	})
	return size, err
}

// read gives all records of the topic to f.
func read(ctx context.Context, addr string, f func(partition int32, piece []byte) error) error {
	at := map[int32]kgo.Offset{}
	for p := range int32(restorePartitions) {
		at[p] = kgo.NewOffset().AtStart()
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{restoreTopic: at}),
		kgo.FetchMaxBytes(32<<20), kgo.FetchMaxPartitionBytes(16<<20), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	open := map[int32]bool{}
	for p := range at {
		open[p] = true
	}
	for len(open) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		var failed error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				if failed == nil {
					failed = f(p.Partition, r.Value)
				}
			}
			if n := len(p.Records); n > 0 && p.Records[n-1].Offset == p.HighWatermark-1 {
				delete(open, p.Partition)
			}
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}
