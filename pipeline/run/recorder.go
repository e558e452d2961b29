package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// RecorderConfig configures a Recorder. Start from DefaultRecorder.
type RecorderConfig struct {
	Kafka Kafka
	// Name is the consumer group without prefix. Default "record".
	Name string
	// Topics are what is recorded, without prefix. They must exist.
	Topics []string
	// Sink stores the blocks. It is called by several goroutines at once, never two at once
	// for the same partition.
	Sink pipeline.RowSink

	// Worker and Lane are as in LaneConfig.
	Worker string
	Lane   int

	// MaxRecords and MaxBytes bound a block. Default 50,000 and 16 MiB.
	MaxRecords int
	MaxBytes   int64
	// MinLinger and MaxLinger bound how long a block waits for more records. In between it
	// waits for about four times as long as an insert takes. Default 100 ms and 2 s.
	MinLinger, MaxLinger time.Duration
	// QueueBytes is how much of a partition is read ahead before it is paused. Default 32 MiB.
	QueueBytes int64
	// Inserts is how many inserts run at once. Default 4.
	Inserts int
	// SessionTimeout is as in LaneConfig. Default 20 s.
	SessionTimeout time.Duration
	// DrainTimeout bounds how long Run may take to end after its context is done. Default 10 s.
	DrainTimeout time.Duration

	Metrics *Metrics     // nil keeps them unseen
	Log     *slog.Logger // nil discards it
}

// DefaultRecorder returns the defaults for recording topics into sink.
func DefaultRecorder(k Kafka, sink pipeline.RowSink, topics ...string) RecorderConfig {
	return RecorderConfig{
		Kafka: k, Name: "record", Topics: topics, Sink: sink,
		MaxRecords: 50_000, MaxBytes: 16 << 20,
		MinLinger: 100 * time.Millisecond, MaxLinger: 2 * time.Second,
		QueueBytes: 32 << 20, Inserts: 4,
		SessionTimeout: 20 * time.Second, DrainTimeout: 10 * time.Second,
	}
}

// Validate returns every mistake in c, joined.
func (c *RecorderConfig) Validate() error {
	errs := []error{c.Kafka.Validate()}
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("recorder: "+format, args...))
		}
	}
	bad(c.Name == "" || !isName(c.Name), "name %q: want letters, digits and '-'", c.Name)
	bad(c.Worker == "" || !isName(c.Worker), "worker name %q: want letters, digits, '.', '_' and '-'", c.Worker)
	bad(len(c.Topics) == 0, "no topics")
	bad(c.Sink == nil, "no sink")
	bad(c.MaxRecords <= 0 || c.MaxBytes <= 0 || c.QueueBytes <= 0 || c.Inserts <= 0, "limits must be positive")
	bad(c.MinLinger <= 0 || c.MaxLinger < c.MinLinger, "linger %v to %v", c.MinLinger, c.MaxLinger)
	bad(c.SessionTimeout <= 0 || c.DrainTimeout <= 0, "timeouts must be positive")
	return errors.Join(errs...)
}

// Recorder copies the committed records of its topics into a row store, each exactly once.
// One goroutine per partition plans and inserts blocks, so that a partition that cannot be
// inserted waits alone. When the store is away everything waits in Kafka.
type Recorder struct {
	cfg   RecorderConfig
	log   *slog.Logger
	m     *Metrics
	slots chan struct{} // one per insert that may run

	mu       sync.Mutex
	recorded map[string]int64 // records inserted by topic
	failed   error
	fail     context.CancelFunc
	parts    map[tp]*blocks
}

// NewRecorder makes a recorder. It does not talk to Kafka yet.
func NewRecorder(cfg RecorderConfig) (*Recorder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics(nil)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Recorder{
		cfg: cfg, m: cfg.Metrics, log: cfg.Log.With("recorder", cfg.Name, "lane", cfg.Lane),
		slots: make(chan struct{}, cfg.Inserts), recorded: make(map[string]int64), parts: make(map[tp]*blocks),
	}, nil
}

// Recorded returns how many records were inserted since the recorder was made, by topic.
func (r *Recorder) Recorded() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.recorded)
}

// Run records until ctx is done, and then at most DrainTimeout longer to finish the inserts
// at hand. It returns nil at such an end, and an error when the store or the cluster gives
// one that trying again cannot cure. Run may be called once.
func (r *Recorder) Run(ctx context.Context) error {
	wait := backoff{first: 50 * time.Millisecond, most: 5 * time.Second}
	for ctx.Err() == nil {
		err := r.session(ctx)
		if err == nil {
			return nil
		}
		err = classify(err)
		if fault, reason := pipeline.FaultOf(err); fault == pipeline.FaultStop {
			r.log.Error("recorder stopped", "reason", reason, "err", err)
			return fmt.Errorf("recorder %s: %w", r.cfg.Name, err)
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is what ended the session
		}
		r.log.Warn("session ended, starting another", "err", err)
		if !wait.sleep(ctx) {
			return nil
		}
	}
	return nil
}

// session records over one Kafka client.
func (r *Recorder) session(ctx context.Context) error {
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	work, cancel := drainContext(ctx, r.cfg.DrainTimeout)
	defer cancel()
	r.mu.Lock()
	r.fail, r.failed = fail, nil
	r.mu.Unlock()

	rc := &recording{r: r}
	rc.launch = func(b *blocks) {
		ctx, cancel := context.WithCancel(work)
		b.cancel = cancel
		go b.run(ctx)
	}
	own, cut := context.WithCancel(context.WithoutCancel(ctx))
	cl, err := rc.client(own)
	if err != nil {
		cut()
		return err
	}
	rc.cl, rc.adm = cl, kadm.NewClient(cl)
	defer closeMember(cl.Close, cut)
	polled := rc.poll(ctx)
	// The blocks at hand are finished, those not planned are left for the next time.
	rc.stopAll()
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.failed, polled)
}

// failing ends the session with an error; the first one counts.
func (r *Recorder) failing(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
	}
	r.fail()
}

func (r *Recorder) inserted(topic string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recorded[topic] += int64(n)
	r.m.rows.WithLabelValues(topic).Add(float64(n))
}

func (r *Recorder) find(id tp) *blocks {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.parts[id]
}

// recording is one life of a recorder's Kafka client.
type recording struct {
	r      *Recorder
	cl     *kgo.Client
	adm    *kadm.Client
	launch func(*blocks) // starts the goroutine of a partition
}

func (rc *recording) client(own context.Context) (*kgo.Client, error) {
	c := &rc.r.cfg
	topics := make([]string, len(c.Topics))
	for i, t := range c.Topics {
		topics[i] = c.Kafka.Topic(t)
	}
	return c.Kafka.client(
		kgo.WithContext(own),
		kgo.ConsumerGroup(Group(c.Kafka, c.Name)),
		kgo.InstanceID(fmt.Sprintf("%s.%s.%d", c.Worker, c.Name, c.Lane)),
		kgo.ConsumeTopics(topics...),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(c.SessionTimeout),
		kgo.RebalanceTimeout(c.SessionTimeout),
		kgo.HeartbeatInterval(min(c.SessionTimeout/6, 3*time.Second)),
		kgo.DisableAutoCommit(),
		// Records are handed to their partition before the partition can be taken away: else
		// records of a former assignment could reach the blocks of a later one.
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.MaxDecompressBatchBytes(maxDecompress),
		kgo.AdjustFetchOffsetsFn(rc.assigned),
		kgo.OnPartitionsRevoked(rc.revoked),
		kgo.OnPartitionsLost(rc.revoked),
		kgo.WithLogger(kafkaLog{rc.r.log}),
	)
}

// poll hands records to their partitions until ctx is done.
func (rc *recording) poll(ctx context.Context) error {
	for ctx.Err() == nil {
		fetches := rc.cl.PollRecords(ctx, rc.r.cfg.MaxRecords)
		var failed error
		fetches.EachError(func(topic string, n int32, err error) {
			session, isSession := errors.AsType[*kgo.ErrGroupSession](err)
			switch {
			case failed != nil || ctx.Err() != nil:
			case isSession:
				if err := classify(session.Err); isStop(err) {
					failed = err
				} else {
					rc.r.log.Warn("consumer group in trouble, it tries again", "err", err)
				}
			default:
				failed = fmt.Errorf("fetch %s[%d]: %w", topic, n, err)
			}
		})
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			if b := rc.r.find(tp{f.Topic, f.Partition}); b != nil && len(f.Records) > 0 {
				b.offer(f.Records)
			}
		})
		rc.cl.AllowRebalance()
		if failed != nil {
			return failed
		}
	}
	return nil
}

func isStop(err error) bool {
	fault, _ := pipeline.FaultOf(err)
	return fault == pipeline.FaultStop
}

// assigned starts the goroutines of new partitions, with the plans that they left behind.
func (rc *recording) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	plans, err := rc.plans(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]map[int32]kgo.Offset, len(offsets))
	for topic, partitions := range offsets {
		starts, err := rc.adm.ListStartOffsets(ctx, topic)
		if err != nil {
			return nil, fmt.Errorf("start of %s: %w", topic, err)
		}
		out[topic] = make(map[int32]kgo.Offset, len(partitions))
		for n := range partitions {
			id := tp{topic, n}
			p, ok := plans[id]
			if !ok {
				if p.from, err = listed(starts, id); err != nil {
					return nil, err
				}
			}
			out[topic][n] = kgo.NewOffset().At(p.from)
			rc.begin(id, p)
		}
	}
	return out, nil
}

// plans returns what the group committed, by partition.
func (rc *recording) plans(ctx context.Context) (map[tp]plan, error) {
	got, err := rc.adm.FetchOffsets(kadm.RequireStable(ctx), Group(rc.r.cfg.Kafka, rc.r.cfg.Name))
	if err == nil {
		err = got.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("plans of the group: %w", err)
	}
	plans := make(map[tp]plan)
	for _, o := range got.Sorted() {
		if o.At < 0 {
			continue
		}
		p, err := parsePlan(o.At, o.Metadata)
		if err != nil {
			return nil, pipeline.AsStop("plan", fmt.Errorf("%s[%d]: %w", o.Topic, o.Partition, err))
		}
		plans[tp{o.Topic, o.Partition}] = p
	}
	return plans, nil
}

// begin starts the goroutine of a partition.
func (rc *recording) begin(id tp, p plan) {
	b := &blocks{
		rc: rc, id: id, topic: rc.r.cfg.Kafka.Name(id.topic), plan: p, expect: p.from,
		done: make(chan struct{}), more: make(chan struct{}, 1), drain: make(chan struct{}),
		linger: rc.r.cfg.MinLinger, most: rc.r.cfg.MaxRecords,
	}
	rc.cl.ResumeFetchPartitions(map[string][]int32{id.topic: {id.partition}})
	rc.launch(b)
	rc.r.mu.Lock()
	defer rc.r.mu.Unlock()
	rc.r.parts[id] = b
}

// revoked stops partitions and waits for them: after it returns somebody else may commit.
func (rc *recording) revoked(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	var stopped []*blocks
	for topic, partitions := range gone {
		for _, n := range partitions {
			if b := rc.r.find(tp{topic, n}); b != nil {
				b.cancel()
				stopped = append(stopped, b)
			}
		}
	}
	rc.wait(stopped)
}

// stopAll lets all partitions finish the block at hand and waits for them.
func (rc *recording) stopAll() {
	rc.r.mu.Lock()
	var all []*blocks
	for _, b := range rc.r.parts {
		all = append(all, b)
	}
	rc.r.mu.Unlock()
	for _, b := range all {
		b.stopSoon()
	}
	rc.wait(all)
}

func (rc *recording) wait(stopped []*blocks) {
	for _, b := range stopped {
		<-b.done
		rc.r.mu.Lock()
		if rc.r.parts[b.id] == b {
			delete(rc.r.parts, b.id)
		}
		rc.r.mu.Unlock()
	}
}
