package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/oracle"
	"github.com/riposte-sec/riposte/pipeline"
)

// pipelineTopics are those that stages write to.
var pipelineTopics = []string{
	pipeline.TopicEvents, pipeline.TopicSignals, pipeline.TopicFacts, pipeline.TopicDecisions, pipeline.TopicIntents,
	pipeline.TopicOutcomes, pipeline.TopicRejects, pipeline.TopicLedger,
}

// fill writes the input of the measurements of a single stage.
func (s *suite) fill(ctx context.Context) error {
	if err := s.ensure(ctx, "bare"); err != nil {
		return err
	}
	return s.fillTopic(ctx, "", s.o.records)
}

// fillTopic makes the topics of a pipeline under a prefix and writes records without copies,
// so that each of them becomes an event. One in a thousand leads to a response.
func (s *suite) fillTopic(ctx context.Context, prefix string, records int) error {
	topic := prefix + rawTopic
	names := []string{topic}
	for _, t := range pipelineTopics {
		names = append(names, prefix+t)
	}
	if err := s.ensure(ctx, names...); err != nil {
		return err
	}
	g, err := oracle.New(oracle.Plan{Seed: 1, Records: records, Keys: 5000, Back: 1, Targets: records / 1000, Hits: 1})
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.addrs...), kgo.DefaultProduceTopic(topic),
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
		records, size/records, partitions, s.o.broker, time.Since(began).Seconds())
	return nil
}
