package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/oracle"
	"github.com/riposte-sec/riposte/pipeline"
)

// fill writes the input: records without copies, so that each of them becomes an event.
func (s *suite) fill(ctx context.Context) error {
	topics := []string{rawTopic, pipeline.TopicEvents, pipeline.TopicSignals, pipeline.TopicRejects, pipeline.TopicLedger, "bare"}
	if err := s.ensure(ctx, topics...); err != nil {
		return err
	}
	g, err := oracle.New(oracle.Plan{Seed: 1, Records: s.o.records, Keys: 5000, Back: 1})
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.addrs...), kgo.DefaultProduceTopic(rawTopic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(20*time.Millisecond), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	began, size := time.Now(), 0
	failed := make(chan error, 1)
	for {
		r, more := g.Next(time.Now())
		if !more {
			break
		}
		size += len(r.Value)
		cl.Produce(ctx, &kgo.Record{Key: []byte(r.Key), Value: r.Value}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
	}
	fmt.Fprintf(s.out, "input: %d records of %d bytes on %d partitions of %s, filled in %.1f s\n",
		s.o.records, size/s.o.records, partitions, s.o.broker, time.Since(began).Seconds())
	return nil
}
