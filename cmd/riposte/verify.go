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
		Short: "replay a log and verify that the decisions are the same, byte by byte",
		Long: `replay reads the raw topics as they lie in Kafka and runs them through ingest, the
signals that came of it through correlate, and the alerts through decide, each with other
numbers of lanes, other batch sizes and crashes between, on a broker in memory, with the
context as it is now. The signals and facts that lie recorded, with outcomes, timers and
approvals among them, are run as well. What each stage writes must be equal byte by byte;
exit code 1 says that it is not, and which record differs. Nothing is written to your
Kafka, and no response is carried out.`,
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
	c.Flags().IntVar(&f.limit, "limit", 50_000, "records per topic at most; 0 is no limit, all are held in memory")
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
	cfg := replay.Config{Progress: a.stderr}
	if cfg.Log, cfg.Partitions, err = readLog(ctx, k, f.limit, rawTopics(f.sources)...); err != nil {
		return err
	}
	if len(cfg.Log) == 0 {
		return failWith(exitFailed, fmt.Errorf("no records of %v", f.sources))
	}
	if cfg.Recorded, _, err = readLog(ctx, k, f.limit, pipeline.TopicSignals, pipeline.TopicFacts); err != nil {
		return err
	}
	if cfg.Stages, err = a.verifyStages(ctx, k, cfg.Partitions); err != nil {
		return err
	}
	res, err := replay.Verify(ctx, cfg, replay.Variants(f.seed))
	if d, differs := errors.AsType[*replay.Difference](err); differs {
		return failWith(exitFailed, d)
	}
	if err != nil {
		return err
	}
	return a.tellEqual(f.format, len(cfg.Log), res)
}

// tellEqual writes how much was compared and found equal.
func (a *app) tellEqual(format string, read int, res *replay.Result) error {
	if format == formatJSON {
		return writeJSON(a.stdout, map[string]any{"version": 1, "read": read, "equal": true, "records": res.Records, "recorded": res.Recorded})
	}
	s := sheet{columns: []string{"input", "topic", "records", "equal"}}
	for _, t := range compared {
		s.add("the raw log", t, strconv.Itoa(res.Records[t]), "yes")
	}
	for _, t := range compared {
		if n, ok := res.Recorded[t]; ok {
			s.add("as recorded", t, strconv.Itoa(n), "yes")
		}
	}
	return s.write(a.stdout, formatTable)
}

// compared are the topics that verify tells about.
var compared = []string{
	pipeline.TopicEvents, pipeline.TopicSignals, pipeline.TopicRejects, pipeline.TopicFacts, pipeline.TopicDecisions, pipeline.TopicIntents,
}

func rawTopics(sources []string) []string {
	topics := make([]string, len(sources))
	for i, s := range sources {
		topics[i] = assembly.RawTopic(s)
	}
	return topics
}

// readLog reads topics, limit records of each at most, and says how many partitions they
// have. Topics that do not exist have no records.
func readLog(ctx context.Context, k run.Kafka, limit int, topics ...string) ([]replay.Record, int32, error) {
	var log []replay.Record
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
			if n++; limit > 0 && n >= limit {
				return run.ErrEnough
			}
			return nil
		})
		if err != nil {
			return nil, 0, failWith(exitNotConnected, err)
		}
	}
	return log, partitions, nil
}

// verifyStages makes the stages without effects, anew for each lane.
func (a *app) verifyStages(ctx context.Context, k run.Kafka, partitions int32) (func(context.Context) ([]run.LaneConfig, error), error) {
	known, err := readContext(ctx, k, func(err error) { fmt.Fprintf(a.stderr, "passed over: %v\n", err) })
	if err != nil {
		return nil, err
	}
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
	return func(ctx context.Context) ([]run.LaneConfig, error) { return assembly.Templates(ctx, wc) }, nil
}
