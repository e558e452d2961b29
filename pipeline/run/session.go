package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kprom"

	"github.com/riposte-sec/riposte/pipeline"
)

// session is one life of a lane's Kafka client. Everything in memory belongs to a session:
// whatever is doubtful ends it, and the next one starts from what is committed.
type session struct {
	l   *Lane
	gts *kgo.GroupTransactSession
	cut context.CancelFunc // of the client's own context
	adm *kadm.Client
	// side is for fetches beside those of gts, whose connection waits for records.
	side *kgo.Client
	// ready is closed when gts and adm are set. The group's goroutine starts before the
	// client is handed to us: it may be assigned partitions while newSession still runs.
	ready chan struct{}
	// partitions is how many the input topics and TopicSignals have, by name without prefix.
	// It never changes.
	partitions map[string]int32

	tenure *tenure
	ender  ender // of the lane's goroutine alone
	broken brokenConn

	mu    sync.Mutex
	parts map[tp]*part     // set by the group's goroutine, used by the lane's
	given map[tp]time.Time // partitions without a part yet, since when

	// Of the lane's goroutine alone.
	pace     pacer
	nextTick time.Time
	pool     []*work
	scratch  []byte
	trouble  backoff          // of transactions that were aborted one after another
	warnedAt time.Time        // of partitions that are not served yet
	lone     time.Time        // since when the client holds a partition that has no part
	context  pipeline.Context // of the transaction at hand
}

func newSession(ctx context.Context, l *Lane) (*session, error) {
	c := &l.cfg
	s := &session{
		l: l, parts: make(map[tp]*part), given: make(map[tp]time.Time), ready: make(chan struct{}),
		pace:    newPacer(c.MinInterval, c.MaxInterval),
		trouble: backoff{first: 5 * time.Millisecond, most: time.Second},
	}
	s.tenure = &tenure{lasts: c.SessionTimeout / 2, ask: s.isMember}
	if err := s.ensureState(ctx); err != nil {
		return nil, err
	}
	s.ender = ender{k: c.Kafka, id: s.transactional(), timeout: c.TransactionTimeout, writes: s.writes, log: l.log}
	if err := s.ender.endFormer(ctx); err != nil {
		return nil, err
	}
	opts, err := s.options()
	if err != nil {
		return nil, err
	}
	if s.side, err = c.Kafka.client(); err != nil {
		return nil, err
	}
	own, cut := context.WithCancel(context.WithoutCancel(ctx))
	if s.gts, err = kgo.NewGroupTransactSession(append(opts, kgo.WithContext(own))...); err != nil {
		cut()
		s.side.Close()
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	s.cut = cut
	s.adm = kadm.NewClient(s.gts.Client())
	close(s.ready)
	return s, nil
}

// options returns what the session's client is made with.
func (s *session) options() ([]kgo.Opt, error) {
	c := &s.l.cfg
	opts, err := c.Kafka.options()
	if err != nil {
		return nil, err
	}
	topics := make([]string, len(c.Topics))
	for i, t := range c.Topics {
		topics[i] = c.Kafka.Topic(t)
	}
	revoked := func(ctx context.Context, cl *kgo.Client, gone map[string][]int32) {
		<-s.ready
		s.revoked(ctx, cl, gone)
	}
	opts = append(opts, s.timing()...)
	opts = append(opts,
		kgo.ClientID("riposte-"+s.l.label),
		kgo.ConsumerGroup(Group(c.Kafka, c.Stage)),
		kgo.InstanceID(s.member()),
		kgo.TransactionalID(s.transactional()),
		kgo.ConsumeTopics(topics...),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.MaxDecompressBatchBytes(maxDecompress),
		kgo.FetchMaxBytes(int32(min(c.MaxBytes, 1<<30))),
		kgo.RecordPartitioner(partitioner{k: c.Kafka, keyed: kgo.StickyKeyPartitioner(nil)}),
		kgo.ProducerBatchMaxBytes(MaxRecordBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(0),
		kgo.AdjustFetchOffsetsFn(func(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			<-s.ready
			return s.assigned(ctx, offsets)
		}),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, given map[string][]int32) { s.awaits(given) }),
		kgo.OnPartitionsRevoked(revoked),
		kgo.OnPartitionsLost(revoked),
		kgo.WithLogger(kafkaLog{s.l.log}),
		kgo.WithHooks(&s.broken),
	)
	if s.l.m.reg != nil {
		labels := prometheus.Labels{"stage": c.Stage, "lane": strconv.Itoa(c.Lane)}
		opts = append(opts, kgo.WithHooks(kprom.NewMetrics("riposte_kafka", kprom.Registerer(prometheus.WrapRegistererWith(labels, s.l.m.reg)))))
	}
	return opts, nil
}

// timing returns the options that say how long who waits for whom.
func (s *session) timing() []kgo.Opt {
	c := &s.l.cfg
	return []kgo.Opt{
		kgo.SessionTimeout(c.SessionTimeout),
		// A rebalance waits this long for members that died in the middle of it, and no member
		// can commit meanwhile. Ours come to the join within a transaction.
		kgo.RebalanceTimeout(c.SessionTimeout),
		kgo.HeartbeatInterval(min(c.SessionTimeout/6, 3*time.Second)),
		kgo.TransactionTimeout(c.TransactionTimeout),
	}
}

// ensureState creates the state topics that are missing and refuses others than the input
// topics have partitions.
func (s *session) ensureState(ctx context.Context) error {
	c := &s.l.cfg
	have, err := Partitions(ctx, c.Kafka, append(slices.Clone(c.Topics), pipeline.TopicSignals)...)
	if err != nil {
		return err
	}
	s.partitions = have
	var specs []TopicSpec
	for _, t := range c.Topics {
		n, ok := have[t]
		if !ok {
			return fmt.Errorf("input topic %s does not exist", c.Kafka.Topic(t))
		}
		specs = append(specs, TopicSpec{Name: StateTopic(c.Stage, t), Partitions: n})
	}
	err = EnsureTopics(ctx, c.Kafka, specs...)
	if errors.Is(err, ErrPartitions) {
		return pipeline.AsStop(reasonPartitions, err)
	}
	return err
}

// writes reports whether the lane's transactions may write to a topic, named without prefix.
func (s *session) writes(topic string) bool {
	switch topic {
	case pipeline.TopicEvents, pipeline.TopicSignals, pipeline.TopicFacts, pipeline.TopicDecisions, pipeline.TopicIntents,
		pipeline.TopicOutcomes, pipeline.TopicRejects, pipeline.TopicLedger:
		return true
	}
	input, ok := strings.CutPrefix(topic, StateTopic(s.l.cfg.Stage, ""))
	return ok && slices.Contains(s.l.cfg.Topics, input)
}

// transactional is the name under which the cluster knows the lane's transactions.
func (s *session) transactional() string {
	c := &s.l.cfg
	return fmt.Sprintf("%s%s/%s/%d", c.Kafka.Prefix, c.Stage, c.Worker, c.Lane)
}

// run serves transactions until ctx is done or an error ends the session. The transaction
// at hand when ctx ends is finished under work.
func (s *session) run(ctx, work context.Context) error {
	s.nextTick = time.Now()
	for ctx.Err() == nil {
		s.l.census.take(s.unsettled)
		if err := s.cycle(ctx, work); err != nil {
			if ctx.Err() != nil && ended(err) {
				return nil
			}
			return err
		}
	}
	return s.drain(work)
}

// drain waits for the calls that are under way and commits their results, so that a clean
// end leaves nothing to check at the next start.
func (s *session) drain(work context.Context) error {
	s.l.effects.quiesce()
	for work.Err() == nil {
		running := s.l.effects.active()
		t := s.newTxn()
		err := t.deliver(work)
		if err == nil {
			err = t.commit(work)
		} else {
			err = errors.Join(err, t.abort(work))
		}
		s.recycle(t)
		if err != nil || running == 0 {
			return err
		}
		wait, cancel := s.l.waker.until(work, time.Now().Add(time.Second))
		<-wait.Done()
		cancel()
	}
	return nil
}

// close ends the session. Partitions stay ours for a restart unless the lane shall leave.
func (s *session) close(work context.Context) error {
	s.mu.Lock()
	for id, p := range s.parts {
		s.drop(p)
		delete(s.parts, id)
	}
	s.mu.Unlock()
	s.l.setServes(0)
	s.l.m.waiting.WithLabelValues(s.l.cfg.Stage, s.l.label).Set(0)
	closeMember(s.gts.Close, s.cut)
	s.side.Close()
	if !s.l.cfg.Leave {
		return nil
	}
	return s.leave(work)
}

// leave takes a static member out of the group, which closing does not. It happens after
// the client is closed: that one would take itself for lost and join again.
func (s *session) leave(ctx context.Context) error {
	c := &s.l.cfg
	adm, err := c.Kafka.admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err = adm.LeaveGroup(ctx, kadm.LeaveGroup(Group(c.Kafka, c.Stage)).InstanceIDs(s.member()).Reason("drained"))
	if err != nil {
		return fmt.Errorf("leave the group: %w", err)
	}
	return nil
}

// member is the name under which the group knows the lane, over restarts.
func (s *session) member() string {
	c := &s.l.cfg
	return fmt.Sprintf("%s.%s.%d", c.Worker, c.Stage, c.Lane)
}

// find returns the part of a partition, nil if it is not served.
func (s *session) find(id tp) *part {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts[id]
}

// eachPart calls f for every part. f must be quick.
func (s *session) eachPart(f func(*part)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		f(p)
	}
}

// revoked forgets partitions. It runs on the group's goroutine; the transaction that may
// be open on the lane's will be aborted by the GroupTransactSession, which noticed first.
func (s *session) revoked(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, partitions := range gone {
		for _, n := range partitions {
			id := tp{topic, n}
			delete(s.given, id)
			if p := s.parts[id]; p != nil {
				s.drop(p)
				delete(s.parts, id)
			}
		}
	}
	s.l.setServes(len(s.parts))
}

// drop lets go of a part: results of its calls are of no use any more. What was done, the
// stage finds out by checking when the partition is served again.
func (s *session) drop(p *part) { s.l.effects.taken(p.inbox.close()) }

// partitioner sends state frames and rejects to the partition that they name, records with
// a key where the key hashes to.
type partitioner struct {
	k     Kafka
	keyed kgo.Partitioner
}

// ForTopic implements [kgo.Partitioner].
func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	if byHand(p.k.Name(topic)) {
		return pinned{}
	}
	keyed := p.keyed.ForTopic(topic)
	if p.k.Name(topic) == pipeline.TopicSignals {
		return everywhere{keyed}
	}
	return keyed
}

// everywhere is a partitioner of records with a key, and of those that are sent to each
// partition: they hold the number of theirs plus one. It is not told of new batches, as it
// would be asked again then, with the number overwritten.
type everywhere struct{ kgo.TopicPartitioner }

// RequiresConsistency implements [kgo.TopicPartitioner].
func (e everywhere) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition > 0 || e.TopicPartitioner.RequiresConsistency(r)
}

// Partition implements [kgo.TopicPartitioner].
func (e everywhere) Partition(r *kgo.Record, n int) int {
	if r.Partition > 0 {
		return int(r.Partition-1) % n
	}
	return e.TopicPartitioner.Partition(r, n)
}

// byHand reports whether records of a topic name their partition themselves.
func byHand(topic string) bool {
	return topic == pipeline.TopicRejects || strings.HasPrefix(topic, statePrefix)
}

// pinned is a partitioner for records that name their partition.
type pinned struct{}

// RequiresConsistency implements [kgo.TopicPartitioner].
func (pinned) RequiresConsistency(*kgo.Record) bool { return true }

// Partition implements [kgo.TopicPartitioner].
func (pinned) Partition(r *kgo.Record, n int) int { return int(r.Partition) % n }

// kafkaLog passes the client's warnings and errors on.
type kafkaLog struct{ log *slog.Logger }

// Level implements [kgo.Logger].
func (kafkaLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log implements [kgo.Logger].
func (l kafkaLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	if level == kgo.LogLevelError {
		l.log.Warn("kafka: "+msg, keyvals...)
		return
	}
	l.log.Info("kafka: "+msg, keyvals...)
}
