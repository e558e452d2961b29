package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/bench/replay"
	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// replayFlags are what `riposte replay` was asked.
type replayFlags struct {
	verify  bool
	sources []string
	limit   int
	seed    uint64
	format  string
}

func (a *app) replayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay --verify",
		Short: "replay a raw log and verify that the decisions are the same, byte by byte",
		Long: `replay reads the raw topics as they lie in Kafka and runs them through ingest,
correlate and decide with other numbers of lanes, other batch sizes and crashes
between, each time on a broker in memory, with the context as it is now. Signals, facts, decisions and intents must
be equal byte by byte; exit code 1 says that they are not, and which record differs.
Nothing is written to your Kafka, and no response is carried out.`,
		Example: `  riposte replay --verify --brokers 127.0.0.1:9092
  riposte replay --verify --source zeek --limit 20000 --seed 7`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !f.verify {
				return usagef("replay needs --verify (to bring files in, see `riposte up --replay` and `riposte feed`)")
			}
			return a.verify(c.Context(), f)
		},
	}
	c.Flags().BoolVar(&f.verify, "verify", false, "compare the runs")
	c.Flags().StringSliceVar(&f.sources, "source", nil, "sources to replay (default: all that have records)")
	c.Flags().IntVar(&f.limit, "limit", 50_000, "records per source at most; 0 is no limit, all are held in memory")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the crashes")
	c.Flags().StringArrayVar(&a.brokers, "brokers", nil, "Kafka brokers (default: from the configuration)")
	formatFlag(c, &f.format, formatTable, formatJSON)
	return c
}

func (a *app) verify(ctx context.Context, f replayFlags) error {
	for _, s := range f.sources {
		if !slices.Contains(sourceNames(), s) {
			return usagef("--source: there is no source %q", s)
		}
	}
	if len(f.sources) == 0 {
		f.sources = sourceNames()
	}
	k, err := a.kafkaOf()
	if err != nil {
		return err
	}
	log, partitions, err := readLog(ctx, k, f)
	if err != nil {
		return err
	}
	known, err := readContext(ctx, k, func(err error) { fmt.Fprintf(a.stderr, "passed over: %v\n", err) })
	if err != nil {
		return err
	}
	stages, err := a.verifyStages(ctx, partitions, known)
	if err != nil {
		return err
	}
	cfg := replay.Config{Log: log, Partitions: partitions, Stages: stages, Progress: a.stderr}
	counts, err := replay.Verify(ctx, cfg, replay.Variants(f.seed))
	if d, differs := errors.AsType[*replay.Difference](err); differs {
		return failWith(exitFailed, d)
	}
	if err != nil {
		return err
	}
	if f.format == formatJSON {
		return writeJSON(a.stdout, map[string]any{"version": 1, "read": len(log), "equal": true, "records": counts})
	}
	s := sheet{columns: []string{"topic", "records", "equal"}}
	for _, t := range []string{pipeline.TopicSignals, pipeline.TopicFacts, pipeline.TopicDecisions, pipeline.TopicIntents} {
		s.add(t, strconv.Itoa(counts[t]), "yes")
	}
	return s.write(a.stdout, formatTable)
}

// readLog reads the raw topics, and how many partitions they have.
func readLog(ctx context.Context, k run.Kafka, f replayFlags) ([]replay.Record, int32, error) {
	var log []replay.Record
	topics := make([]string, len(f.sources))
	for i, s := range f.sources {
		topics[i] = assembly.RawTopic(s)
	}
	there, err := run.Partitions(ctx, k, topics...)
	if err != nil {
		return nil, 0, failWith(exitNotConnected, err)
	}
	partitions := int32(0)
	for _, t := range topics {
		if there[t] == 0 {
			continue
		}
		partitions = max(partitions, there[t])
		n := 0
		err := run.Browse(ctx, k, t, func(p int32, r *pipeline.Record) error {
			log = append(log, replay.Record{Topic: t, Partition: p, Time: r.Time, Key: r.Key, Value: r.Value, Headers: r.Headers})
			if n++; f.limit > 0 && n >= f.limit {
				return run.ErrEnough
			}
			return nil
		})
		if err != nil {
			return nil, 0, failWith(exitNotConnected, err)
		}
	}
	if len(log) == 0 {
		return nil, 0, failWith(exitFailed, fmt.Errorf("no records on %v", topics))
	}
	return log, partitions, nil
}

// verifyStages are the stages without effects.
func (a *app) verifyStages(ctx context.Context, partitions int32, known *inventory.Builder) ([]run.LaneConfig, error) {
	cfg, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	cfg.Topics.Partitions = partitions
	parts := pipelineParts{cfg: cfg, log: discardLogger(), stages: []string{assembly.StageIngest, assembly.StageCorrelate, assembly.StageDecide}}
	r := &running{ops: &ops{registry: prometheus.NewRegistry()}}
	if r.policies, err = loadPolicies(ctx, cfg.Policies, assembly.Watch{}); err != nil {
		return nil, failWith(exitConfig, err)
	}
	if r.connectors, err = makeConnectors(parts); err != nil {
		return nil, failWith(exitConfig, err)
	}
	wc := workerConfig(parts, r)
	wc.Context = known.Context
	return assembly.Templates(ctx, wc)
}
