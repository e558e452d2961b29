package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/policies"
	sinks "github.com/riposte-sec/riposte/sinks/all"
	sources "github.com/riposte-sec/riposte/sources/all"
)

// SinksConfig has a section for each connector that shall exist.
type SinksConfig map[string]config.Section

// defaultSinks are the connectors that need no configuration.
func defaultSinks() SinksConfig { return SinksConfig{"log": {}} }

// pipelineParts is what a pipeline is built from.
type pipelineParts struct {
	cfg    Config
	kafka  run.Kafka
	rows   *rows // nil if record is not among the stages
	stages []string
	leave  bool // give the partitions up at the end
	log    *slog.Logger
}

// running is a pipeline that was built, with its listeners.
type running struct {
	worker     *assembly.Worker
	ops        *ops
	edl        *http.Server
	edlAddr    string
	policies   *assembly.Policies
	connectors map[string]pipeline.Responder
}

// build creates the topics and puts a worker together. The caller closes it.
func (a *app) build(ctx context.Context, p pipelineParts) (r *running, err error) {
	r = &running{}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.policies, err = loadPolicies(ctx, p.cfg.Policies, assembly.Watch{Now: time.Now, Log: p.log}); err != nil {
		return r, failWith(exitConfig, err)
	}
	if r.connectors, err = makeConnectors(p); err != nil {
		return r, failWith(exitConfig, err)
	}
	if err := createTopics(ctx, p, r.connectors); err != nil {
		return r, err
	}
	if r.ops, err = startOps(ctx, p.cfg.HTTP.Listen, p.log); err != nil {
		return r, err
	}
	r.ops.registry.MustRegister(r.policies.Collector())
	if err := r.serveLists(ctx, p); err != nil {
		return r, err
	}
	wc := workerConfig(p, r)
	if p.rows != nil {
		wc.Rows = p.rows
		wc.Retro = assembly.Retro{Search: p.rows, Past: time.Duration(p.cfg.Context.Retro), Confidence: uint8(p.cfg.Context.RetroConfidence)}
		r.ops.check("clickhouse", p.rows.ping)
	}
	if r.worker, err = assembly.New(ctx, wc); err != nil {
		return r, failWith(exitConfig, err)
	}
	r.ops.check("stages", r.worker.Ready)
	return r, nil
}

func workerConfig(p pipelineParts, r *running) assembly.Config {
	c := p.cfg
	decide := c.Decide
	decide.Partitions = int(c.Topics.Partitions)
	seen := dedupe.Default()
	seen.Lateness = time.Duration(c.Correlate.Lateness) // what is late is the same everywhere
	return assembly.Config{
		Kafka: p.kafka, Tenant: c.Tenant, Name: c.Worker.Name, Lanes: c.Worker.Lanes, Stages: p.stages,
		Formats: sources.Formats(), Policies: r.policies, Dedupe: seen,
		Correlate: c.correlate(), WarmUp: time.Duration(c.Correlate.WarmUp), Decide: decide, Respond: c.Respond, Responders: r.connectors,
		Snapshots: time.Duration(c.Worker.Snapshots), Drain: time.Duration(c.Worker.Drain), Leave: p.leave, Metrics: run.NewMetrics(r.ops.registry), Log: p.log,
	}
}

func createTopics(ctx context.Context, p pipelineParts, connectors map[string]pipeline.Responder) error {
	t := p.cfg.Topics
	plan := assembly.TopicPlan{
		Partitions: t.Partitions, RawRetention: time.Duration(t.Raw), Retention: time.Duration(t.Derived), Rejects: time.Duration(t.Rejects),
	}
	err := run.EnsureTopics(ctx, p.kafka, assembly.Topics(plan, sourceNames(), connectors)...)
	if errors.Is(err, run.ErrPartitions) {
		return failWith(exitConfig, err)
	}
	return failWith(exitNotConnected, err)
}

func makeConnectors(p pipelineParts) (map[string]pipeline.Responder, error) {
	if !slices.Contains(p.stages, assembly.StageRespond) && !slices.Contains(p.stages, assembly.StageDecide) {
		return nil, nil
	}
	return sinks.New(p.cfg.Sinks, sinks.Env{
		Log: p.log.Handler(), Now: time.Now, Partitions: int(p.cfg.Topics.Partitions), Config: p.cfg.file,
	})
}

// serveLists serves the block lists, if there are any and this process responds.
func (r *running) serveLists(ctx context.Context, p pipelineParts) error {
	handler, ok := r.connectors["edl"].(http.Handler)
	if !ok || p.cfg.HTTP.EDL == "" || !slices.Contains(p.stages, assembly.StageRespond) {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.cfg.HTTP.EDL)
	if err != nil {
		return failWith(exitNotConnected, fmt.Errorf("http.edl: %w", err))
	}
	r.edlAddr = l.Addr().String()
	r.edl = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := r.edl.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("block list listener stopped", "err", err)
		}
	}()
	return nil
}

// loadPolicies loads the policies of a folder, or the shipped ones.
func loadPolicies(ctx context.Context, dir string, watch assembly.Watch) (*assembly.Policies, error) {
	var files fs.FS = policies.FS
	if dir != "" {
		files = os.DirFS(dir)
	}
	p, err := assembly.LoadPolicies(ctx, files, watch)
	if err != nil {
		return nil, err
	}
	for _, d := range p.Detections.Detections {
		for _, s := range d.Sources {
			if !slices.Contains(sourceNames(), s) {
				return nil, fmt.Errorf("policies: %s: it would never match: there is no source %q, there are %v", d.File, s, sourceNames())
			}
		}
	}
	return p, nil
}

// close stops the listeners.
func (r *running) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if r.edl != nil {
		_ = r.edl.Shutdown(ctx) // at the end nobody is left to tell
	}
	if r.ops != nil {
		_ = r.ops.close(ctx)
	}
}
