package replay

import (
	"cmp"
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

// Record is one record of a topic.
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
	// Log is what lies on the raw topics, for each partition in offset order.
	Log []Record
	// Recorded is what lies on the topics signals and facts, for each partition in offset
	// order: with alerts, outcomes, timers and what people said between each other as they
	// came. May be empty.
	Recorded []Record
	// Partitions of every topic; at least one more than the highest of Log and Recorded.
	Partitions int32
	// Stages makes a template of a lane for each stage, in the order of the flow. It is called
	// for each lane, which shares nothing with others. What concerns the cluster, the number
	// of lanes, batch sizes and clocks is overwritten. Responders must be nil.
	Stages func(ctx context.Context) ([]run.LaneConfig, error)
	// Progress gets a line for each run. Nil drops it.
	Progress io.Writer
}

// Result is how many records were equal in all variants, by topic.
type Result struct {
	Records  map[string]int // of the runs over Log and what came of it
	Recorded map[string]int // of the runs over Recorded
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
		{Lanes: 3, Batch: 1},
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
	Stage   string // and whether over its input as recorded
	Topic   string
	Missing []Output // the first variant has them, this one does not; at most 5
	Extra   []Output // the reverse
}

// Error describes the difference with one record of each side.
func (d *Difference) Error() string {
	s := fmt.Sprintf("%s, %v: %s: %d records are missing, %d are not in the first run", d.Stage, d.Variant, d.Topic, len(d.Missing), len(d.Extra))
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

// Verify runs each stage in every variant, see the package comment, and returns how many
// records were equal, or a *Difference for the first topic that is not. A run that does not
// end before ctx is an error too.
func Verify(ctx context.Context, cfg Config, variants []Variant) (*Result, error) {
	stages, err := cfg.Stages(ctx)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if err := cfg.validate(stages); err != nil {
		return nil, err
	}
	res := &Result{Records: map[string]int{}, Recorded: map[string]int{}}
	log := cfg.Log
	for n := range stages {
		in := stages[n].Topics
		g := &leg{Config: cfg, stage: n, group: stages[n].Stage, name: stages[n].Stage, topics: in, log: log, compare: written(in)}
		first, err := g.equal(ctx, variants, res.Records)
		if err != nil {
			return nil, err
		}
		g.name += " as recorded"
		g.log = slices.DeleteFunc(slices.Clone(cfg.Recorded), func(r Record) bool { return !slices.Contains(in, r.Topic) })
		if _, err := g.equal(ctx, variants, res.Recorded); err != nil {
			return nil, err
		}
		if n+1 < len(stages) {
			if log, err = order(first, stages[n+1].Topics); err != nil {
				return nil, err
			}
		}
	}
	return res, nil
}

// written are the topics whose records a stage over the given topics must write equally.
// Which timers were told on facts before they fired is a matter of the clock that ticked;
// which fired stands in the decisions.
func written(in []string) []string {
	switch {
	case slices.Contains(in, pipeline.TopicSignals):
		return []string{pipeline.TopicSignals, pipeline.TopicFacts}
	case slices.Contains(in, pipeline.TopicFacts):
		return []string{pipeline.TopicDecisions, pipeline.TopicIntents}
	}
	return []string{pipeline.TopicEvents, pipeline.TopicSignals, pipeline.TopicRejects}
}

func (c *Config) validate(stages []run.LaneConfig) error {
	if len(c.Log) == 0 || len(stages) == 0 {
		return errors.New("replay: no records or no stages")
	}
	for _, log := range [][]Record{c.Log, c.Recorded} {
		for i := range log {
			if r := &log[i]; r.Partition < 0 || r.Partition >= c.Partitions {
				return fmt.Errorf("replay: record %d of %s lies on partition %d of %d", i, r.Topic, r.Partition, c.Partitions)
			}
		}
	}
	for i := range stages {
		if stages[i].Responders != nil {
			return fmt.Errorf("replay: stage %s has responders", stages[i].Stage)
		}
	}
	return nil
}

// leg is one stage over one log.
type leg struct {
	Config
	stage   int // of Config.Stages
	group   string
	name    string
	topics  []string // of the stage
	log     []Record
	compare []string
}

// equal runs the leg in every variant. It returns what the first one made, and adds to
// counts how many records of each topic were equal.
func (g *leg) equal(ctx context.Context, variants []Variant, counts map[string]int) (first outputs, err error) {
	if len(g.log) == 0 {
		return nil, nil
	}
	for i, v := range variants {
		began := time.Now()
		got, err := g.play(ctx, v)
		if err != nil {
			return nil, fmt.Errorf("%s, %v: %w", g.name, v, err)
		}
		if g.Progress != nil {
			fmt.Fprintf(g.Progress, "replay: %s, %v: %s in %.1f s\n", g.name, v, got.counts(g.compare), time.Since(began).Seconds())
		}
		if i == 0 {
			first = got
			continue
		}
		if d := first.compare(got, g.compare); d != nil {
			d.Variant, d.Stage = v, g.name
			return nil, d
		}
	}
	for _, t := range g.compare {
		counts[t] = len(first[t])
	}
	return first, nil
}

// end is the append time of the newest record.
func (g *leg) end() pipeline.Millis {
	return slices.MaxFunc(g.log, func(a, b Record) int { return cmp.Compare(a.Time, b.Time) }).Time
}
