package assembly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/correlate"
	"github.com/riposte-sec/riposte/pipeline/decide"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	"github.com/riposte-sec/riposte/pipeline/match"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/pipeline/respond"
	"github.com/riposte-sec/riposte/pipeline/run"
	sinks "github.com/riposte-sec/riposte/sinks/all"
)

// Config is what a worker is put together from.
type Config struct {
	Kafka  run.Kafka
	Tenant string
	// Name is that of the worker: different for each process, the same over restarts.
	Name string
	// Lanes per stage.
	Lanes int
	// Snapshots is the longest time between two snapshots of a state that changes. Zero means
	// the lanes' default.
	Snapshots time.Duration
	// Stages to run; see Stages.
	Stages []string
	// Formats are the sources to read.
	Formats   []pipeline.Format
	Policies  *Policies
	Dedupe    dedupe.Config
	Correlate correlate.Config // Rules and Noise are taken from Policies
	// WarmUp is how far back events are matched again for correlations that are new or group
	// by other values than before. Zero: such a correlation begins with nothing.
	WarmUp     time.Duration
	Decide     decide.Config
	Respond    respond.Config
	Responders map[string]pipeline.Responder
	// Context returns what is known, for the stages that look things up. Nil: a worker follows
	// the context topics itself, Templates knows nothing.
	Context func() pipeline.Context
	// Rows stores what is recorded. Nil if record is not among the stages.
	Rows pipeline.RowSink
	// Retro holds recorded events against indicators that are added, beside the recorder.
	Retro Retro
	// Drain bounds how long Run may take to end after its context is done.
	Drain time.Duration
	// Leave gives up the partitions at the end instead of keeping them for a restart.
	Leave   bool
	Metrics *run.Metrics
	Log     *slog.Logger
}

// Worker runs lanes of stages in one process. Its methods are safe for concurrent use.
type Worker struct {
	cfg      Config
	lanes    map[string][]*run.Lane // by stage
	recorder *run.Recorder
	hunter   *run.Hunter        // nil if there is no recorder, or nothing to search
	known    *inventory.Builder // of follower
	follower *run.Follower      // nil if no stage looks things up, or Config.Context does
	shares   []*run.Share       // of connectors that keep their effects themselves
}

// New makes the lanes of a worker. It compiles policies and mappings and does not talk to
// Kafka yet.
func New(ctx context.Context, cfg Config) (*Worker, error) {
	w := &Worker{cfg: cfg, lanes: make(map[string][]*run.Lane), known: inventory.NewBuilder()}
	if cfg.Context == nil && slices.ContainsFunc(cfg.Stages, looksUp) {
		w.cfg.Context = w.known.Context
		w.follower = run.NewFollower(cfg.Kafka, w.known, cfg.Log, pipeline.ContextTopics()...)
	}
	for _, stage := range cfg.Stages {
		if !slices.Contains(Stages(), stage) {
			return nil, fmt.Errorf("there is no stage %q: want some of %s", stage, strings.Join(Stages(), ", "))
		}
		if err := w.add(ctx, stage); err != nil {
			return nil, err
		}
	}
	if len(w.lanes) == 0 && w.recorder == nil {
		return nil, errors.New("no stages to run")
	}
	if slices.Contains(cfg.Stages, StageRespond) {
		w.share()
	}
	return w, nil
}

// share gives connectors that keep their effects themselves the means to do so.
func (w *Worker) share() {
	for _, name := range slices.Sorted(maps.Keys(w.cfg.Responders)) {
		if r, ok := w.cfg.Responders[name].(pipeline.Sharing); ok {
			w.shares = append(w.shares, run.NewShare(w.cfg.Kafka, name, r, w.cfg.Log))
		}
	}
}

func (w *Worker) add(ctx context.Context, stage string) error {
	if stage == StageRecord {
		return w.addRecorder()
	}
	templates, err := w.templates(ctx, stage)
	if err != nil {
		return err
	}
	for _, lc := range templates {
		lane, err := run.NewLane(lc)
		if err != nil {
			return err
		}
		w.lanes[stage] = append(w.lanes[stage], lane)
	}
	return nil
}

// templates returns the configurations of the lanes of a stage.
func (w *Worker) templates(ctx context.Context, stage string) ([]run.LaneConfig, error) {
	factory, err := w.factory(stage)
	if err != nil {
		return nil, err
	}
	var all []run.LaneConfig
	for n := range w.cfg.Lanes {
		lc := run.DefaultLane(w.cfg.Kafka, stage, inputs(stage, w.sources())...)
		lc.Worker, lc.Lane, lc.Tenant = w.cfg.Name, n, w.cfg.Tenant
		lc.Accounts, lc.Leave = true, w.cfg.Leave
		lc.DrainTimeout, lc.Metrics, lc.Log = w.cfg.Drain, w.cfg.Metrics, w.cfg.Log
		if w.cfg.Snapshots > 0 {
			lc.SnapshotEvery = w.cfg.Snapshots
		}
		if looksUp(stage) {
			lc.Context = w.cfg.Context
		}
		if stage == StageCorrelate && w.cfg.WarmUp > 0 {
			lc.Anew = w.anew()
		}
		if stage == StageRespond {
			lc.Responders = w.cfg.Responders
		}
		if lc.New, err = factory(ctx); err != nil {
			return nil, err
		}
		all = append(all, lc)
	}
	return all, nil
}

// Templates returns one lane configuration for each of cfg.Stages, for programs that run
// the stages themselves. Record has none.
func Templates(ctx context.Context, cfg Config) ([]run.LaneConfig, error) {
	cfg.Lanes = 1
	w := &Worker{cfg: cfg}
	var all []run.LaneConfig
	for _, stage := range cfg.Stages {
		t, err := w.templates(ctx, stage)
		if err != nil {
			return nil, err
		}
		all = append(all, t...)
	}
	return all, nil
}

func (w *Worker) addRecorder() error {
	rc := run.DefaultRecorder(w.cfg.Kafka, w.cfg.Rows, inputs(StageRecord, nil)...)
	rc.Name, rc.Worker = StageRecord, w.cfg.Name
	rc.DrainTimeout, rc.Metrics, rc.Log = w.cfg.Drain, w.cfg.Metrics, w.cfg.Log
	var err error
	if w.recorder, err = run.NewRecorder(rc); err != nil {
		return err
	}
	if w.cfg.Retro.Search != nil && w.cfg.Retro.Past > 0 {
		w.hunter, err = w.newHunter()
	}
	return err
}

// newStage makes the instance of one partition.
type newStage func(topic string, partition int32) (pipeline.Stage, error)

// factory returns what makes the newStage of each lane of a stage. What a lane's partitions
// may share is made once per lane: a lane computes in one goroutine.
func (w *Worker) factory(stage string) (func(context.Context) (newStage, error), error) {
	switch stage {
	case StageIngest:
		return w.ingest()
	case StageCorrelate:
		cfg := w.cfg.Correlate
		cfg.Rules, cfg.Noise = w.cfg.Policies.Correlations, w.cfg.Policies.Noise
		return func(context.Context) (newStage, error) {
			return func(string, int32) (pipeline.Stage, error) { return correlate.New(cfg) }, nil
		}, cfg.Validate()
	case StageDecide:
		parts := decide.Parts{Decide: w.cfg.Policies.Decide, Guard: w.cfg.Policies.Guard, Connectors: sinks.Actions(w.cfg.Responders)}
		return func(context.Context) (newStage, error) {
			return func(string, int32) (pipeline.Stage, error) { return decide.New(w.cfg.Decide, parts) }, nil
		}, w.cfg.Decide.Validate()
	default:
		actions := sinks.Actions(w.cfg.Responders)
		return func(context.Context) (newStage, error) {
			return func(string, int32) (pipeline.Stage, error) { return respond.New(w.cfg.Respond, actions) }, nil
		}, w.cfg.Respond.Validate()
	}
}

// ingest returns the factory of the chain normalise, dedupe, match, publish.
func (w *Worker) ingest() (func(context.Context) (newStage, error), error) {
	mappings, err := normalise.New(w.cfg.Formats)
	if err != nil {
		return nil, err
	}
	consumers, awaited := w.cfg.Policies.Correlations.Consumers(), w.cfg.Policies.Correlations.Sources()
	return func(context.Context) (newStage, error) {
		matcher := w.cfg.Policies.Matcher()
		return func(topic string, _ int32) (pipeline.Stage, error) {
			seen, err := dedupe.New(w.cfg.Dedupe)
			if err != nil {
				return nil, err
			}
			matches, err := match.New(match.Config{Rules: w.cfg.Policies.Detections, Matcher: matcher, Consumers: consumers})
			if err != nil {
				return nil, err
			}
			source := strings.TrimPrefix(topic, pipeline.TopicRawPrefix)
			links := []pipeline.Stage{mappings.Stage(source), seen, matches, new(pipeline.Publish)}
			if slices.Contains(awaited, source) {
				links = append(links, new(pipeline.Pulse))
			}
			return &chain{Stateful: seen, links: links}, nil
		}, nil
	}, nil
}

func (w *Worker) sources() []string {
	names := make([]string, len(w.cfg.Formats))
	for i, f := range w.cfg.Formats {
		names[i] = f.Name
	}
	return names
}

// Run runs all lanes until ctx is done, then ends them within the drain time. If one of them
// must not go on, all are ended and its error is returned.
func (w *Worker) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// Lanes that end finish their calls, so what connectors write with ends after them.
	lasting, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var works, shares sync.WaitGroup
	var mu sync.Mutex
	var first error
	start := func(ctx context.Context, wg *sync.WaitGroup, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = err
				}
				stop()
			}
		})
	}
	for _, s := range w.shares {
		start(lasting, &shares, s.Run)
	}
	for _, f := range w.works() {
		start(ctx, &works, f)
	}
	works.Wait()
	end()
	shares.Wait()
	return first
}

// works returns what Run runs at once.
func (w *Worker) works() (all []func(context.Context) error) {
	if w.follower != nil {
		all = append(all, w.follower.Run)
	}
	for _, stage := range slices.Sorted(maps.Keys(w.lanes)) {
		for _, l := range w.lanes[stage] {
			all = append(all, func(ctx context.Context) error { return w.serve(ctx, stage, l) })
		}
	}
	if w.recorder != nil {
		all = append(all, w.recorder.Run)
	}
	if w.hunter != nil {
		all = append(all, w.hunter.Run)
	}
	return all
}

// serve runs a lane when what it needs has been read: a stage that looks things up would
// find nothing before, and take it for an answer; a connector would not know its effects.
func (w *Worker) serve(ctx context.Context, stage string, l *run.Lane) error {
	var needs []<-chan struct{}
	if w.follower != nil && looksUp(stage) {
		needs = append(needs, w.follower.Ready())
	}
	if stage == StageRespond {
		for _, s := range w.shares {
			needs = append(needs, s.Ready())
		}
	}
	for _, ready := range needs {
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
	}
	return l.Run(ctx)
}

// Known returns the newest revision of what is known, never nil.
func (w *Worker) Known() *inventory.Tables { return w.known.Current() }

// Stats returns what each stage did since the worker was made.
func (w *Worker) Stats() map[string]run.Stats {
	all := make(map[string]run.Stats, len(w.lanes))
	for stage, lanes := range w.lanes {
		var s run.Stats
		for _, l := range lanes {
			s.Add(l.Stats())
		}
		all[stage] = s
	}
	return all
}

// Refused returns an error that names a partition that is refused, nil if there is none.
func (w *Worker) Refused() error {
	for _, stage := range slices.Sorted(maps.Keys(w.lanes)) {
		for _, l := range w.lanes[stage] {
			for _, r := range l.Refused() {
				return fmt.Errorf("%s: %s[%d] is not served: %w", stage, r.Topic, r.Partition, r.Err)
			}
		}
	}
	return nil
}

// Ready returns the error of Refused, or one that names a stage that serves nothing yet.
func (w *Worker) Ready(context.Context) error {
	if err := w.Refused(); err != nil {
		return err
	}
	for _, stage := range slices.Sorted(maps.Keys(w.lanes)) {
		serves := 0
		for _, l := range w.lanes[stage] {
			serves += l.Serves()
		}
		if serves == 0 {
			return fmt.Errorf("%s serves no partition yet", stage)
		}
	}
	return nil
}

// Drained waits until every stage of the worker serves some partition and is at the end of
// its input, and nothing that respond has begun is left to end.
func (w *Worker) Drained(ctx context.Context) error {
	var groups []run.Input
	for _, stage := range w.cfg.Stages {
		groups = append(groups, run.Input{Group: run.Group(w.cfg.Kafka, stage), Topics: inputs(stage, w.sources())})
	}
	busy := func() int {
		if w.Ready(ctx) != nil {
			return 1
		}
		n := 0
		for _, l := range w.lanes[StageRespond] {
			n += l.Busy()
		}
		return n
	}
	return run.Drained(ctx, w.cfg.Kafka, busy, groups...)
}
