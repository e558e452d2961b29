package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	"github.com/riposte-sec/riposte/pipeline/inventory/feeds"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/sources/sample"
)

// sampleConfig is the sample traffic from now on. Seed zero means one made of the time: ids
// of two runs must not be equal, or the second would be taken for a repetition of the first.
func sampleConfig(rate float64, seed uint64) sample.Config {
	cfg := sample.Default()
	cfg.Start, cfg.Rate, cfg.Seed = time.Now().UTC(), rate, seed
	if seed == 0 {
		cfg.Seed = uint64(cfg.Start.UnixNano())
	}
	return cfg
}

// loadSample loads what the organisation of the sample traffic knows.
func loadSample(ctx context.Context, k run.Kafka, tenant string, cfg sample.Config) error {
	var loads []*loadOf
	for _, f := range sample.Context(cfg) {
		res, err := feeds.Read(f.Name, strings.NewReader(f.Text), feeds.Options{Confidence: 90})
		if err != nil {
			return fmt.Errorf("BUG: sample context: %w", err)
		}
		loads = append(loads, &loadOf{
			Load: inventory.Load{Tenant: tenant, Source: sourceName(f.Name), Format: res.Format, AsOf: pipeline.MillisOf(cfg.Start)}, items: res.Items,
		})
	}
	told := func(error) {} // the worker that follows the topics says it
	_, err := publishContext(ctx, k, told, func(b *inventory.Builder) (*inventory.Plan, error) { return planAll(b, loads) })
	return err
}

// playSample produces sample traffic at the pace of the clock until ctx is done.
func playSample(ctx context.Context, k run.Kafka, cfg sample.Config) error {
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
