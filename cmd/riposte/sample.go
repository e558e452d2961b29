package main

import (
	"context"
	"time"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/sources/sample"
)

// playSample produces sample traffic at the pace of the clock until ctx is done. Seed zero
// means one made of the start time: ids of two runs must not be equal, or the second would
// be taken for a repetition of the first.
func playSample(ctx context.Context, k run.Kafka, rate float64, seed uint64) error {
	cfg := sample.Default()
	cfg.Start, cfg.Rate, cfg.Seed = time.Now().UTC(), rate, seed
	if seed == 0 {
		cfg.Seed = uint64(cfg.Start.UnixNano())
	}
	gen, err := sample.New(cfg)
	if err != nil {
		return usagef("sample traffic: %w", err)
	}
	feeder, err := run.NewFeeder(k)
	if err != nil {
		return err
	}
	defer feeder.Close()
	for {
		rec, ok := gen.Next()
		if !ok {
			return feeder.Flush(ctx)
		}
		if wait := time.Until(rec.At); wait > time.Millisecond {
			if err := sleepFor(ctx, wait); err != nil {
				return nil // the end of ctx is the end of the traffic
			}
		}
		m := pipeline.Message{Topic: assembly.RawTopic(rec.Source), Key: rec.Key, Value: rec.Value, Headers: rec.Headers}
		if err := feeder.Send(ctx, m); err != nil {
			return err
		}
	}
}
