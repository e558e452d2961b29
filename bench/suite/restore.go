package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/line"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// emptyTopic is an input without records, whose lane has no state.
const emptyTopic = pipeline.TopicRawPrefix + "okta"

// restoreTries is how often each part of n9 is measured in a round.
const restoreTries = 7

// restoreRatio is n9: from the start of a lane until it serves all partitions, with the
// state of the round's exactly-once run, against reading that state topic bare. Joining a
// group costs the lane the same time whatever the state is; it is measured on a lane
// without state and taken off. Each takes some tens of milliseconds, so each is done several
// times and the median counts.
func restoreRatio(ctx context.Context, s *suite) (float64, error) {
	if _, err := s.once(ctx); err != nil {
		return 0, err
	}
	topic := run.StateTopic(s.state, rawTopic)
	if err := s.ensure(ctx, emptyTopic); err != nil {
		return 0, err
	}
	var bares, fulls, empties []float64 // seconds
	frames := 0
	for range restoreTries {
		bare, n, err := s.readBare(ctx, topic)
		if err != nil {
			return 0, err
		}
		full, err := s.untilServing(ctx, s.state, rawTopic)
		if err != nil {
			return 0, err
		}
		empty, err := s.untilServing(ctx, fmt.Sprintf("empty%d", s.round), emptyTopic)
		if err != nil {
			return 0, err
		}
		bares, fulls, empties, frames = append(bares, bare.Seconds()), append(fulls, full.Seconds()), append(empties, empty.Seconds()), n
	}
	bare, full, empty := median(bares), median(fulls), median(empties)
	restore := max(full-empty, 0.001)
	fmt.Fprintf(s.out, "  restore: %.1f ms of %.1f ms (%.1f ms without state) for %d keys in %d frames; bare reading %.1f ms; medians of %d\n",
		1e3*restore, 1e3*full, 1e3*empty, s.o.records, frames, 1e3*bare, restoreTries)
	return bare / restore, nil
}

// readBare reads a topic to its end and does nothing with it.
func (s *suite) readBare(ctx context.Context, topic string) (time.Duration, int, error) {
	began := time.Now()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.addrs...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxBytes(32<<20))
	if err != nil {
		return 0, 0, err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListCommittedOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	open, frames := 0, 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			open++
		}
	})
	for open > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return 0, 0, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			frames++
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset == end.Offset-1 {
				open--
			}
		})
	}
	return time.Since(began), frames, nil
}

// untilServing starts a lane of the stage and returns how long it took to serve all
// partitions.
func (s *suite) untilServing(ctx context.Context, stage, topic string) (time.Duration, error) {
	cfg := dedupe.Default()
	cfg.Budget = 1 << 30
	factory, err := line.Ingest(cfg)
	if err != nil {
		return 0, err
	}
	c := run.DefaultLane(s.kafka(), stage, topic)
	c.New, c.Worker, c.Leave = factory, "bench", true
	lane, err := run.NewLane(c)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- lane.Run(ctx) }()
	defer cancel()
	for lane.Serves() < partitions {
		if refused := lane.Refused(); len(refused) > 0 {
			return 0, fmt.Errorf("partition %d of %s is refused: %w", refused[0].Partition, refused[0].Topic, refused[0].Err)
		}
		select {
		case <-time.After(time.Millisecond):
		case err := <-done:
			return 0, fmt.Errorf("the lane ended early: %w", err)
		}
	}
	took := time.Since(began)
	cancel()
	return took, <-done
}
