package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
)

func (a *app) runCommand() *cobra.Command {
	var stages []string
	var leave bool
	c := &cobra.Command{
		Use:   "run",
		Short: "run the pipeline, or some of its stages, on your Kafka and ClickHouse",
		Long: `run runs stages until SIGTERM or Ctrl-C, then finishes the transaction at hand and
ends. Any number of workers share the partitions; each needs a name of its own
(worker.name). It creates the topics that are missing and migrates the database.

Stages: ` + strings.Join(assembly.Stages(), ", "),
		Example: `  riposte run --config riposte.yaml
  riposte run --config riposte.yaml --stages ingest,correlate
  RIPOSTE_KAFKA_BROKERS=k1:9092,k2:9092 riposte run --stages record`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.run(c.Context(), stages, leave) },
	}
	c.Flags().StringSliceVar(&stages, "stages", assembly.Stages(), "stages to run in this process")
	c.Flags().BoolVar(&leave, "leave", false, "give the partitions to other workers at the end instead of keeping them for a restart")
	return c
}

func (a *app) run(ctx context.Context, stages []string, leave bool) error {
	for _, s := range stages {
		if !slices.Contains(assembly.Stages(), s) {
			return usagef("--stages: there is no stage %q: want some of %s", s, strings.Join(assembly.Stages(), ", "))
		}
	}
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	k, err := cfg.kafka()
	if err != nil {
		return err
	}
	log := a.logger()
	parts := pipelineParts{cfg: cfg, kafka: k, stages: stages, leave: leave, log: log}
	if slices.Contains(stages, assembly.StageRecord) {
		if parts.store, err = migrated(ctx, cfg, log); err != nil {
			return err
		}
		defer parts.store.Close()
	}
	p, err := a.build(ctx, parts)
	if err != nil {
		return err
	}
	defer p.close()
	log.Info("running", "version", version, "stages", strings.Join(stages, ","), "worker", cfg.Worker.Name,
		"lanes", cfg.Worker.Lanes, "policies", p.policies.Revision, "http", p.ops.addr(), "edl", p.edlAddr)
	err = p.worker.Run(ctx)
	log.Info("stopped", "err", err)
	return err
}

// migrated opens ClickHouse and brings the database up to this program's schema. A server
// that is away is waited for: the other stages do not need it, and record only lags.
func migrated(ctx context.Context, cfg Config, log *slog.Logger) (*clickhouse.Store, error) {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		store, err := clickhouse.Open(ctx, cfg.ClickHouse)
		if err == nil {
			applied, err := store.Migrate(ctx)
			for _, name := range applied {
				log.Info("migration applied", "name", name)
			}
			if err != nil {
				_ = store.Close() // the migration's error says more
				return nil, failWith(exitConfig, err)
			}
			return store, nil
		}
		if !mayComeBack(err) {
			return nil, failWith(exitConfig, err)
		}
		log.Warn("waiting for ClickHouse", "err", err, "next_try_in", wait.String())
		if err := sleepFor(ctx, wait); err != nil {
			return nil, fmt.Errorf("waiting for ClickHouse: %w", err)
		}
	}
}
