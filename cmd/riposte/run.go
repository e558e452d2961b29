package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/cmd/assembly"
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

func (a *app) run(ctx context.Context, stages []string, leave bool) (err error) {
	for _, s := range stages {
		if !slices.Contains(assembly.Stages(), s) {
			return usagef("--stages: there is no stage %q: want some of %s", s, strings.Join(assembly.Stages(), ", "))
		}
	}
	defer func() {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil // told to end before it ran
		}
	}()
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
		if parts.rows, err = openRows(ctx, cfg, log); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, parts.rows.close()) }()
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
