package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/riposte-sec/riposte/internal/crash"
	"github.com/riposte-sec/riposte/pipeline"
)

// LaneConfig configures a Lane. Start from DefaultLane.
type LaneConfig struct {
	Kafka Kafka
	// Stage names the stage: it labels metrics and is part of the group, of the transactional
	// id and of the state topics. Lower-case letters, digits and '-'.
	Stage string
	// Version is that of the stage's state. State of a later version is refused.
	Version uint32
	// Topics are the input topics, without prefix. They must exist. All lanes of a stage name
	// the same ones.
	Topics []string
	// New makes the stage instance of one partition; topic is without prefix. It is called
	// again whenever the partition is assigned, before its state is restored, and may be
	// called by several goroutines at once.
	New func(topic string, partition int32) (pipeline.Stage, error)

	// Worker names the process, and must stay the same when it restarts: it then finds its
	// partitions again at once. No two processes may have the same. Default: the host name.
	Worker string
	// Lane numbers the lanes of a stage within the process, from 0.
	Lane int

	// Context returns what is known at the moment, nil if nothing is. It is asked once for each
	// transaction, whose batches all see the same. A nil Context gives the stage none.
	Context func() pipeline.Context

	// Anew makes input again for rules of the stage that it was not made for. Nil: they begin
	// without what happened before.
	Anew *Anew

	// Tenant owns records that name no tenant. Default "default".
	Tenant string
	// Accounts writes, in each transaction, one pipeline.Account per input partition to
	// pipeline.TopicLedger, which must exist.
	Accounts bool
	// Responders are the connectors by name. Only the respond stage has any.
	Responders map[string]pipeline.Responder
	// Workers is how many calls to connectors run at once. Default 8.
	Workers int

	// MinInterval and MaxInterval bound the time between the ends of two transactions; after
	// a longer pause a record is committed at once. Default 5 ms and 200 ms.
	MinInterval, MaxInterval time.Duration
	// MaxRecords and MaxBytes end a transaction early; fewer records do where the stage is so
	// slow that TransactionTimeout would come first. MaxBatch bounds what the stage gets at
	// a time. Default 20,000 records, 32 MiB, 512 records.
	MaxRecords, MaxBatch int
	MaxBytes             int64
	// TickEvery is how often time passes on a partition without records. Default 1 s.
	TickEvery time.Duration
	// PartitionBytes is the memory that a partition's state and outstanding calls may take
	// before its input is paused; MaxCalls the number of calls. It goes on at three quarters.
	// Default 1 GiB and 4096.
	PartitionBytes int64
	MaxCalls       int
	// SnapshotEvery is the longest time between two snapshots of a state that changes.
	// SnapshotBytes is the least size of deltas that is worth one. Default 5 m and 1 MiB.
	SnapshotEvery time.Duration
	SnapshotBytes int64

	// SessionTimeout is how long Kafka waits for a worker that does not answer before others
	// take over its partitions; TransactionTimeout, when it gives up an open transaction, must
	// be shorter. Default 20 s and 15 s.
	SessionTimeout, TransactionTimeout time.Duration
	// DrainTimeout bounds how long Run may take to end after its context is done. Default 10 s.
	DrainTimeout time.Duration
	// Leave gives up the partitions at the end, so that other workers take them over at once,
	// instead of keeping them for a restart of the worker.
	Leave bool

	// Clock tells the time where it is not the wall's, as in a replay. It is asked each time,
	// by several goroutines. Nil is the machine's clock, which is read once: a step of it later
	// moves nothing.
	Clock func() time.Time
	// Metrics are shared by all lanes. Nil keeps them unseen.
	Metrics *Metrics
	// Log gets what people should know. Nil discards it.
	Log *slog.Logger
}

// DefaultLane returns the defaults for a stage over topics.
func DefaultLane(k Kafka, stage string, topics ...string) LaneConfig {
	return LaneConfig{
		Kafka: k, Stage: stage, Topics: topics, Version: 1,
		Tenant: "default", Workers: 8,
		MinInterval: 5 * time.Millisecond, MaxInterval: 200 * time.Millisecond,
		MaxRecords: 20_000, MaxBatch: 512, MaxBytes: 32 << 20,
		TickEvery: time.Second, PartitionBytes: 1 << 30, MaxCalls: 4096,
		SnapshotEvery: 5 * time.Minute, SnapshotBytes: 1 << 20,
		SessionTimeout: 20 * time.Second, TransactionTimeout: 15 * time.Second,
		DrainTimeout: 10 * time.Second,
	}
}

// Validate returns every mistake in c, joined.
func (c *LaneConfig) Validate() error {
	errs := []error{c.Kafka.Validate()}
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("lane %s: "+format, append([]any{c.Stage}, args...)...))
		}
	}
	bad(c.Stage == "" || !isName(c.Stage), "stage name %q: want letters, digits and '-'", c.Stage)
	bad(c.Worker == "" || !isName(c.Worker), "worker name %q: want letters, digits, '.', '_' and '-'", c.Worker)
	bad(len(c.Topics) == 0, "no input topics")
	bad(c.New == nil, "no stage factory")
	bad(c.Tenant == "", "no tenant")
	bad(c.Lane < 0, "lane %d: want 0 or more", c.Lane)
	bad(c.MinInterval <= 0 || c.MaxInterval < c.MinInterval, "interval %v to %v", c.MinInterval, c.MaxInterval)
	bad(c.MaxRecords <= 0 || c.MaxBatch <= 0 || c.MaxBytes <= 0, "limits of a transaction must be positive")
	bad(c.TickEvery <= 0, "tick every %v: want a positive time", c.TickEvery)
	bad(c.Workers <= 0 || c.MaxCalls <= 0 || c.PartitionBytes <= 0, "limits of a partition must be positive")
	bad(c.TransactionTimeout <= 0 || c.TransactionTimeout >= c.SessionTimeout,
		"transaction timeout %v must be shorter than session timeout %v: else a dead owner's transaction outlives its ownership",
		c.TransactionTimeout, c.SessionTimeout)
	bad(c.Anew != nil && (c.Anew.Topic == "" || c.Anew.Past <= 0 || c.Anew.New == nil), "input is made anew: want a topic, a positive time and a stage")
	bad(c.DrainTimeout <= 0, "drain timeout %v: want a positive time", c.DrainTimeout)
	return errors.Join(errs...)
}

// Group returns the consumer group of a stage.
func Group(k Kafka, stage string) string { return k.Prefix + stage }

// Refusal is a partition that a lane was given and does not serve.
type Refusal struct {
	Topic     string // without prefix
	Partition int32
	Err       error
}

// Lane runs a stage over the partitions that its consumer group gives it: one Kafka
// transaction after another, each with the outputs, the change of state and the input
// offsets of some records. One goroutine, that of Run, owns it; the other methods are safe
// for concurrent use.
type Lane struct {
	cfg     LaneConfig
	log     *slog.Logger
	m       *Metrics
	label   string
	tally   tally
	effects *effects
	census  census
	waker   waker
	fill    fill   // of the goroutine of Run
	life    string // of the process, see probe

	mu      sync.Mutex
	refused map[tp]error
	serves  int // partitions
}

// NewLane makes a lane. It does not talk to Kafka yet.
func NewLane(cfg LaneConfig) (*Lane, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		steady := newClock(crash.Wall)
		cfg.Clock = func() time.Time { return steady.now().Time() }
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics(nil)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := &Lane{
		cfg: cfg, m: cfg.Metrics, label: cfg.Stage + "/" + strconv.Itoa(cfg.Lane),
		log:     cfg.Log.With("stage", cfg.Stage, "lane", cfg.Lane),
		fill:    newFill(cfg.MaxBatch, cfg.MaxRecords, cfg.TransactionTimeout),
		refused: make(map[tp]error), life: thisLife,
	}
	l.effects = newEffects(l)
	return l, nil
}

// Run runs the lane until ctx is done, and then at most DrainTimeout longer to finish the
// transaction at hand. It returns nil at such an end, and an error when it must not go on:
// a stage gave an error marked Stop, another process took over its identity, or the cluster
// lost or denied something. What Kafka cannot do at the moment is tried again for ever.
// Run may be called once.
func (l *Lane) Run(ctx context.Context) error {
	work, cancel := drainContext(ctx, l.cfg.DrainTimeout)
	defer cancel()
	stop := l.effects.start(work)
	defer stop()
	wait := backoff{first: 20 * time.Millisecond, most: 5 * time.Second}
	for ctx.Err() == nil {
		before := l.Stats().Committed
		err := l.session(ctx, work)
		if err == nil {
			return nil
		}
		err = classify(err)
		l.fill.lost()
		fault, reason := pipeline.FaultOf(err)
		l.m.sessions.WithLabelValues(l.cfg.Stage, reason).Inc()
		if fault == pipeline.FaultStop {
			l.log.Error("lane stopped", "reason", reason, "err", err)
			return fmt.Errorf("lane %s: %w", l.label, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if l.Stats().Committed > before {
			wait.reset()
		}
		l.log.Warn("session ended, starting another", "reason", reason, "err", err)
		if !wait.sleep(ctx) {
			return nil
		}
	}
	return nil
}

// session serves one session with Kafka to its end.
func (l *Lane) session(ctx, work context.Context) error {
	s, err := newSession(ctx, l)
	if err != nil {
		return err
	}
	return errors.Join(s.run(ctx, work), s.close(work))
}

// Stats returns what the lane did so far.
func (l *Lane) Stats() Stats { return l.tally.snapshot() }

// Busy returns how many calls to connectors are under way or have a result that is not
// committed yet, and how many things the stages have begun that end without further input
// (see [pipeline.Unsettled]), together. The stages are counted while somebody asks: the
// first answer after a while is at least one.
func (l *Lane) Busy() int {
	n, known := l.census.look()
	if !known {
		l.waker.ring()
		n = 1
	}
	return n + l.effects.busy()
}

// Serves returns how many partitions the lane serves at the moment.
func (l *Lane) Serves() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.serves
}

// Refused returns the partitions that the lane was given and does not serve, because their
// state is damaged, missing, foreign or does not belong to the committed offset. They stay
// refused until the lane runs anew.
func (l *Lane) Refused() []Refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	var rs []Refusal
	byName := func(a, b tp) int {
		if a.topic != b.topic {
			if a.topic < b.topic {
				return -1
			}
			return 1
		}
		return int(a.partition - b.partition)
	}
	for _, p := range slices.SortedFunc(maps.Keys(l.refused), byName) {
		rs = append(rs, Refusal{Topic: l.cfg.Kafka.Name(p.topic), Partition: p.partition, Err: l.refused[p]})
	}
	return rs
}

func (l *Lane) refuse(p tp, err error) {
	l.mu.Lock()
	l.refused[p] = err
	n := len(l.refused)
	l.mu.Unlock()
	l.m.refused.WithLabelValues(l.cfg.Stage, l.label).Set(float64(n))
	l.log.Error("partition refused: its state cannot be used, its records wait",
		"topic", p.topic, "partition", p.partition, "err", err)
}

func (l *Lane) accept(p tp) {
	l.mu.Lock()
	delete(l.refused, p)
	n := len(l.refused)
	l.mu.Unlock()
	l.m.refused.WithLabelValues(l.cfg.Stage, l.label).Set(float64(n))
}

func (l *Lane) setServes(n int) {
	l.mu.Lock()
	l.serves = n
	l.mu.Unlock()
	l.m.partitions.WithLabelValues(l.cfg.Stage, l.label).Set(float64(n))
}

func (l *Lane) now() pipeline.Millis { return pipeline.MillisOf(l.cfg.Clock()) }
