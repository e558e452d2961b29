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

// stages are lanes of ingest, correlate and decide with the shipped policies.
type stages struct {
	kafka  run.Kafka
	lanes  [][]*run.Lane // by stage, in the order of the flow
	inputs []run.Input
}

// stageFlags are what the processes of the stages are told.
type stageFlags struct {
	brokers, prefix string
	lanes           int
}

func (f *stageFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.brokers, "brokers", "", "host:port, separated by commas")
	fs.StringVar(&f.prefix, "prefix", "", "of topics and groups")
	fs.IntVar(&f.lanes, "lanes", 1, "of each stage")
}

func newStages(ctx context.Context, f stageFlags) (*stages, error) {
	p, err := assembly.LoadPolicies(ctx, policies.FS, assembly.Watch{})
	if err != nil {
		return nil, err
	}
	connectors, err := sinks.New(sinks.Sections{"log": {}}, sinks.Env{Log: slog.DiscardHandler, Now: time.Now, Partitions: partitions})
	if err != nil {
		return nil, err
	}
	actions := map[string][]pipeline.ActionSpec{}
	for name, c := range connectors {
		actions[name] = c.Actions()
	}
	s := &stages{kafka: run.Kafka{Brokers: strings.Split(f.brokers, ","), Prefix: f.prefix}}
	for n := range f.lanes {
		templates, err := line.Stages(p, partitions, actions, rawTopic)
		if err != nil {
			return nil, err
		}
		for i, c := range templates {
			if n == 0 {
				s.lanes = append(s.lanes, nil)
				s.inputs = append(s.inputs, run.Input{Group: run.Group(s.kafka, c.Stage), Topics: c.Topics})
			}
			c.Kafka, c.Worker, c.Lane = s.kafka, "bench", n
			c.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
			lane, err := run.NewLane(c)
			if err != nil {
				return nil, err
			}
			s.lanes[i] = append(s.lanes[i], lane)
		}
	}
	return s, nil
}

// run runs the lanes until ctx ends or one of them does.
func (s *stages) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, lanes := range s.lanes {
		for _, l := range lanes {
			wg.Go(func() {
				defer cancel()
				err := l.Run(ctx)
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			})
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// read is how many raw records are committed.
func (s *stages) read() int {
	var sum run.Stats
	for _, l := range s.lanes[0] {
		sum.Add(l.Stats())
	}
	return int(sum.Read)
}

// serveStages runs the stages until it is ended.
func serveStages(ctx context.Context, args []string) error {
	var f stageFlags
	fs := flag.NewFlagSet("serve-stages", flag.ContinueOnError)
	f.register(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	s, err := newStages(ctx, f)
	if err != nil {
		return err
	}
	return s.run(ctx)
}
