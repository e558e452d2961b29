package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// Record is one record of a raw topic.
type Record struct {
	Topic     string // without prefix
	Partition int32
	Time      pipeline.Millis // broker append time
	Key       []byte
	Value     []byte
	Headers   []pipeline.Header
}

// Config says what is replayed.
type Config struct {
	// Log is the input, for each partition in offset order.
	Log []Record
	// Partitions of every topic; at least one more than the highest of Log.
	Partitions int32
	// Stages are templates of the lanes, in the order of the flow. What concerns the cluster,
	// the number of lanes, batch sizes and clocks is overwritten. Responders must be nil.
	Stages []run.LaneConfig
	// Compare are the topics whose records must be equal. Default: signals, facts,
	// decisions, intents.
	Compare []string
	// Progress gets a line for each run. Nil drops it.
	Progress io.Writer
}

// Variant is one way to run the log.
type Variant struct {
	Lanes   int    // of each stage
	Batch   int    // records that a stage gets at a time, at most
	Crashes int    // lanes that lose their connections in the middle and start anew
	Seed    uint64 // decides about when, and which lane
}

// Variants are the ways that Verify compares by default: the first one, undisturbed with
// one lane, is what the others are held against.
func Variants(seed uint64) []Variant {
	return []Variant{
		{Lanes: 1, Batch: 512},
		{Lanes: 1, Batch: 1},
		{Lanes: 1, Batch: 7},
		{Lanes: 3, Batch: 512},
		{Lanes: 3, Batch: 7},
		{Lanes: 1, Batch: 512, Crashes: 4, Seed: seed},
		{Lanes: 3, Batch: 7, Crashes: 6, Seed: seed + 1},
	}
}

// String says what the variant is.
func (v Variant) String() string {
	return fmt.Sprintf("lanes=%d batch=%d crashes=%d seed=%d", v.Lanes, v.Batch, v.Crashes, v.Seed)
}

// Difference is a topic on which a variant made other records than the first one.
type Difference struct {
	Variant Variant
	Topic   string
	Missing []Output // the first variant has them, this one does not; at most 5
	Extra   []Output // the reverse
}

// Error describes the difference with one record of each side.
func (d *Difference) Error() string {
	s := fmt.Sprintf("%v: %s: %d records are missing, %d are not in the first run", d.Variant, d.Topic, len(d.Missing), len(d.Extra))
	var examples strings.Builder
	for _, side := range []struct {
		name    string
		outputs []Output
	}{{"missing", d.Missing}, {"extra", d.Extra}} {
		if len(side.outputs) > 0 {
			fmt.Fprintf(&examples, "\n  %s: key %q value %.2000q", side.name, side.outputs[0].Key, side.outputs[0].Value)
		}
	}
	s += examples.String()
	return s
}

// Verify runs the log in every variant and returns how many records each topic of Compare
// got, or a *Difference for the first topic that is not equal. A run that does not end
// before ctx is an error too.
func Verify(ctx context.Context, cfg Config, variants []Variant) (counts map[string]int, err error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	var first outputs
	for i, v := range variants {
		began := time.Now()
		got, err := cfg.play(ctx, v)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", v, err)
		}
		if cfg.Progress != nil {
			fmt.Fprintf(cfg.Progress, "replay: %v: %s in %.1f s\n", v, got.counts(cfg.Compare), time.Since(began).Seconds())
		}
		if i == 0 {
			first = got
			continue
		}
		if d := first.compare(got, cfg.Compare); d != nil {
			d.Variant = v
			return nil, d
		}
	}
	counts = map[string]int{}
	for _, t := range cfg.Compare {
		counts[t] = len(first[t])
	}
	return counts, nil
}

func (c *Config) validate() error {
	if len(c.Compare) == 0 {
		c.Compare = []string{pipeline.TopicSignals, pipeline.TopicFacts, pipeline.TopicDecisions, pipeline.TopicIntents}
	}
	if len(c.Log) == 0 || len(c.Stages) == 0 {
		return errors.New("replay: no records or no stages")
	}
	for i := range c.Log {
		if r := &c.Log[i]; r.Partition < 0 || r.Partition >= c.Partitions {
			return fmt.Errorf("replay: record %d lies on partition %d of %d", i, r.Partition, c.Partitions)
		}
	}
	for i := range c.Stages {
		if c.Stages[i].Responders != nil {
			return fmt.Errorf("replay: stage %s has responders", c.Stages[i].Stage)
		}
	}
	return nil
}

// end is the append time of the newest record.
func (c *Config) end() pipeline.Millis {
	return slices.MaxFunc(c.Log, func(a, b Record) int { return int(a.Time - b.Time) }).Time
}
