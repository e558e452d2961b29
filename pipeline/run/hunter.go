package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// HunterConfig configures a Hunter. Start from DefaultHunter.
type HunterConfig struct {
	Kafka Kafka
	// Name is the consumer group without prefix. Default "retro".
	Name string
	// Topic is what starts a hunt when it gets records, without prefix. It must exist.
	Topic string
	// Worker is as in LaneConfig.
	Worker string
	// Recorded is what must have read everything that is committed when a hunt starts: what is
	// on its way to the store would not be found there.
	Recorded Input
	// Settle is the wait before that, for what looks at live events to have seen the records
	// too. Default 10 s.
	Settle time.Duration
	// Hunt looks for what the records mean and returns what shall be told of it. It may take
	// long. It is called again after an error that is marked Retry.
	Hunt func(ctx context.Context, records []pipeline.Record) ([]pipeline.Message, error)
	// MaxRecords bounds the records of one hunt. Default 2000.
	MaxRecords     int
	SessionTimeout time.Duration // as in LaneConfig. Default 20 s.

	Log *slog.Logger // nil discards it
}

// DefaultHunter returns the defaults for hunts that records of topic start.
func DefaultHunter(k Kafka, topic string) HunterConfig {
	return HunterConfig{Kafka: k, Name: "retro", Topic: topic, Settle: 10 * time.Second, MaxRecords: 2000, SessionTimeout: 20 * time.Second}
}

// Hunter searches what was recorded for what has become known since. What a hunt finds and
// how far the topic is read are one transaction, so each record is hunted for once, over any
// number of crashes. While the store is away it waits, and nothing else does. One goroutine,
// that of Run, owns it.
type Hunter struct {
	cfg HunterConfig
	log *slog.Logger
}

// NewHunter makes a hunter. It does not talk to Kafka yet.
func NewHunter(cfg HunterConfig) (*Hunter, error) {
	if err := cfg.Kafka.Validate(); err != nil {
		return nil, err
	}
	if cfg.Worker == "" || !isName(cfg.Worker) || cfg.Topic == "" || cfg.Hunt == nil || cfg.MaxRecords <= 0 || cfg.Settle < 0 || cfg.SessionTimeout <= 0 {
		return nil, fmt.Errorf("hunter %s: worker, topic, hunt and positive limits are required", cfg.Name)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Hunter{cfg: cfg, log: cfg.Log.With("hunter", cfg.Name)}, nil
}

// Run hunts until ctx is done and returns nil then. It returns an error that trying again
// cannot cure. Run may be called once.
func (h *Hunter) Run(ctx context.Context) error {
	wait := backoff{first: 50 * time.Millisecond, most: 5 * time.Second}
	for ctx.Err() == nil {
		err := classify(h.session(ctx))
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is what ended the session
		}
		if isStop(err) {
			return fmt.Errorf("hunter %s: %w", h.cfg.Name, err)
		}
		h.log.Warn("session ended, starting another", "err", err)
		if !wait.sleep(ctx) {
			return nil
		}
	}
	return nil
}

// huntWrites reports whether hunts may write to a topic.
func huntWrites(topic string) bool {
	return topic == pipeline.TopicFacts || topic == pipeline.TopicSignals
}

// session hunts over one Kafka client until an error or the end of ctx.
func (h *Hunter) session(ctx context.Context) error {
	c := &h.cfg
	opts, err := c.Kafka.options()
	if err != nil {
		return err
	}
	id := fmt.Sprintf("%s%s/%s", c.Kafka.Prefix, c.Name, c.Worker)
	timeout := c.SessionTimeout * 3 / 4 // must not outlive the ownership, see Lane
	former := ender{k: c.Kafka, id: id, timeout: timeout, writes: huntWrites, log: h.log}
	if err := former.endFormer(ctx); err != nil {
		return err
	}
	own, cut := context.WithCancel(context.WithoutCancel(ctx))
	gts, err := kgo.NewGroupTransactSession(append(opts,
		kgo.WithContext(own),
		kgo.ConsumerGroup(Group(c.Kafka, c.Name)),
		kgo.InstanceID(c.Worker+"."+c.Name),
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(timeout),
		kgo.ConsumeTopics(c.Kafka.Topic(c.Topic)),
		kgo.SessionTimeout(c.SessionTimeout),
		kgo.HeartbeatInterval(min(c.SessionTimeout/6, 3*time.Second)),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.MaxDecompressBatchBytes(maxDecompress),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchMaxBytes(MaxRecordBytes),
		kgo.WithLogger(kafkaLog{h.log}))...)
	if err != nil {
		cut()
		return fmt.Errorf("kafka client: %w", err)
	}
	defer closeMember(gts.Close, cut)
	for {
		fetches := gts.PollRecords(ctx, c.MaxRecords)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return err
		}
		var records []pipeline.Record
		fetches.EachRecord(func(r *kgo.Record) { records = append(records, plainRecord(r)) })
		if len(records) == 0 {
			continue
		}
		if err := h.hunt(ctx, gts, records); err != nil {
			return err
		}
	}
}

// hunt searches for what records mean, and commits what is found with how far was read.
func (h *Hunter) hunt(ctx context.Context, gts *kgo.GroupTransactSession, records []pipeline.Record) error {
	if !sleep(ctx, h.cfg.Settle) {
		return ctx.Err()
	}
	if err := h.awaitRecorded(ctx); err != nil {
		return err
	}
	messages, err := h.search(ctx, records)
	if err != nil {
		return err
	}
	if err := h.tell(ctx, gts, messages); err != nil {
		return err
	}
	committed, err := gts.End(ctx, kgo.TryCommit)
	if err != nil {
		return fmt.Errorf("end transaction: %w", err)
	}
	if !committed {
		return errors.New("the transaction was aborted, the records are hunted for again")
	}
	h.log.Info("hunted through recorded events", "records", len(records), "found", len(messages))
	return nil
}

// tell begins the transaction with messages. After an error it is aborted.
func (h *Hunter) tell(ctx context.Context, gts *kgo.GroupTransactSession, messages []pipeline.Message) error {
	if err := gts.Begin(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	var first kgo.FirstErrPromise
	for i := range messages {
		m := &messages[i]
		r := &kgo.Record{Topic: h.cfg.Kafka.Topic(m.Topic), Key: m.Key, Value: m.Value}
		for _, hd := range m.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: hd.Key, Value: hd.Value})
		}
		gts.Produce(ctx, r, first.Promise())
	}
	err := gts.Client().Flush(ctx)
	if err == nil {
		err = first.Err()
	}
	if err != nil {
		_, aborted := gts.End(context.WithoutCancel(ctx), kgo.TryAbort)
		return errors.Join(fmt.Errorf("tell what was found: %w", err), aborted)
	}
	return nil
}

// search asks until there is an answer, or an error that trying again cannot cure.
func (h *Hunter) search(ctx context.Context, records []pipeline.Record) ([]pipeline.Message, error) {
	wait := backoff{first: 200 * time.Millisecond, most: 30 * time.Second}
	for {
		messages, err := h.cfg.Hunt(ctx, records)
		if fault, _ := pipeline.FaultOf(err); err == nil || fault != pipeline.FaultRetry {
			return messages, err
		}
		h.log.Warn("recorded events cannot be searched, trying again", "err", err)
		if !wait.sleep(ctx) {
			return nil, ctx.Err()
		}
	}
}

// awaitRecorded waits until the recorder has read what is committed now.
func (h *Hunter) awaitRecorded(ctx context.Context) error {
	if h.cfg.Recorded.Group == "" {
		return nil
	}
	adm, err := h.cfg.Kafka.admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	topics := make([]string, len(h.cfg.Recorded.Topics))
	for i, t := range h.cfg.Recorded.Topics {
		topics[i] = h.cfg.Kafka.Topic(t)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	wait := backoff{first: 100 * time.Millisecond, most: 5 * time.Second}
	for {
		left, err := h.unrecorded(ctx, adm, ends)
		if err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		if !wait.sleep(ctx) {
			return ctx.Err()
		}
	}
}

// unrecorded returns how many partitions hold records below ends that the recorder has not
// committed. Offsets alone would not tell: markers of transactions are offsets too.
func (h *Hunter) unrecorded(ctx context.Context, adm *kadm.Client, ends kadm.ListedOffsets) (int, error) {
	committed, err := adm.FetchOffsets(ctx, h.cfg.Recorded.Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // a group that never was has committed nothing
		return 0, err
	}
	spans := map[tp]span{}
	var failed error
	ends.Each(func(o kadm.ListedOffset) {
		failed = errors.Join(failed, o.Err)
		s := span{to: o.Offset}
		if c, ok := committed.Lookup(o.Topic, o.Partition); ok && c.At > 0 {
			s.from = c.At
		}
		spans[tp{o.Topic, o.Partition}] = s
	})
	if failed != nil {
		return 0, failed
	}
	starts, err := adm.ListStartOffsets(ctx, topicsOf(keysOf(spans))...)
	if err != nil {
		return 0, err
	}
	for id, s := range spans {
		start, err := listed(starts, id)
		if err != nil {
			return 0, err
		}
		s.from = max(s.from, start)
		spans[id] = s
	}
	data, err := readSpans(ctx, h.cfg.Kafka, spans, func(tp, *kgo.Record) error { return errData })
	return len(data), err
}

func keysOf(spans map[tp]span) []tp {
	all := make([]tp, 0, len(spans))
	for id := range spans {
		all = append(all, id)
	}
	return all
}
