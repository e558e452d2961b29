package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// stopAll lets all workers drain and end.
func (s *stack) stopAll() {
	s.stopWorkers()
	s.workersDone.Wait()
}

// startAll starts the workers again after stopAll.
func (s *stack) startAll(ctx context.Context) error {
	life, cancel := context.WithCancel(ctx)
	s.stopWorkers = cancel
	for _, w := range s.workers {
		s.workersDone.Go(func() { w.keepRunning(life) })
	}
	return s.workers[0].alive(ctx)
}

// spoil appends a record to a partition that is no frame of any stage.
func (s *stack) spoil(ctx context.Context, topic string, partition int32) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.brokers.addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer cl.Close()
	r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte("RPS1 this is not a frame")}
	if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
		return fmt.Errorf("spoil %s/%d: %w", topic, partition, err)
	}
	return nil
}

// refusedAlone checks that the workers say why they refuse partition 0 of the raw topic,
// that nothing was made of its new records, and that the other partitions went on.
func (g *game) refusedAlone(ctx context.Context, before map[string]map[int32]int64) error {
	said := ""
	var tails strings.Builder
	for _, w := range g.workers {
		tails.WriteString(w.tail.Lines(200))
	}
	said += tails.String()
	if !strings.Contains(said, "partition refused") {
		return fmt.Errorf("no worker says that it refuses the partition; see %s", g.o.dir)
	}
	after, err := g.topics().Ends(ctx)
	if err != nil {
		return err
	}
	read := map[int32]int64{} // raw offset that the accounts reach, by partition
	err = g.topics().Each(ctx, map[string]map[int32]int64{"ledger": after["ledger"]}, func(_ string, r *kgo.Record) error {
		return reached(r, read)
	})
	if err != nil {
		return err
	}
	if read[0] > before[rawTopic][0] {
		return fmt.Errorf("partition 0 has a damaged state and was read on from %d to %d", before[rawTopic][0], read[0])
	}
	for p := range int32(partitions) {
		if p != 0 && after[rawTopic][p] > before[rawTopic][p] && read[p] <= before[rawTopic][p] {
			return fmt.Errorf("partition %d, whose state is whole, did not go on", p)
		}
	}
	say(g.out, "partition 0 is refused, the others go on")
	return nil
}

// alive waits until the worker's process answers, served partitions or not.
func (w *worker) alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("worker %d does not answer; see %s", w.index, w.log.Name()))
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.listen+"/healthz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			return resp.Body.Close()
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
