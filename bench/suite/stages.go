package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/riposte-sec/riposte/bench/line"
	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/policies"
	sinks "github.com/riposte-sec/riposte/sinks/all"
)

// serveStages runs ingest, correlate and decide with the shipped policies, a lane each.
func serveStages(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("serve-stages", flag.ContinueOnError)
	brokers := fs.String("brokers", "", "host:port, separated by commas")
	prefix := fs.String("prefix", "", "of topics and groups")
	if err := fs.Parse(args); err != nil {
		return err
	}
	p, err := assembly.LoadPolicies(ctx, policies.FS, assembly.Watch{})
	if err != nil {
		return err
	}
	connectors, err := sinks.New(map[string][]byte{"log": nil}, sinks.Env{Log: slog.DiscardHandler, Now: time.Now, Partitions: partitions})
	if err != nil {
		return err
	}
	actions := map[string][]pipeline.ActionSpec{}
	for name, c := range connectors {
		actions[name] = c.Actions()
	}
	templates, err := line.Stages(p, partitions, actions, rawTopic)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(templates))
	for i, c := range templates {
		c.Kafka = run.Kafka{Brokers: strings.Split(*brokers, ","), Prefix: *prefix}
		c.Worker = "bench"
		c.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
		lane, err := run.NewLane(c)
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer cancel()
			errs[i] = lane.Run(ctx)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
