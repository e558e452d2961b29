package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// Table is made of the records of compacted topics. One goroutine calls its methods.
type Table interface {
	// Apply takes the next committed record of a topic, named without prefix; of a key, the
	// last one counts. It may keep what it is given. An error means that the record is none of
	// the table's; it is logged, and the next one follows.
	Apply(topic string, r *pipeline.Record) error
	// CaughtUp tells that everything that was committed when the Follower started has been
	// applied. It is called once.
	CaughtUp()
}

// Follower keeps a Table equal to what lies on topics of one partition each. The goroutine
// of Run owns the table; Ready is safe for concurrent use.
type Follower struct {
	k      Kafka
	topics []string
	to     Table
	log    *slog.Logger
	ready  chan struct{}
}

// NewFollower makes a follower of topics, named without prefix, which must exist when Run is
// called. A nil log discards what people should know.
func NewFollower(k Kafka, to Table, log *slog.Logger, topics ...string) *Follower {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Follower{k: k, topics: topics, to: to, log: log, ready: make(chan struct{})}
}

// Ready is closed when the table has caught up.
func (f *Follower) Ready() <-chan struct{} { return f.ready }

// Run follows until ctx is done and returns nil then. What Kafka cannot do at the moment is
// tried again for ever; an error says that it never will. Run may be called once.
func (f *Follower) Run(ctx context.Context) error {
	next, err := f.catchUp(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	f.to.CaughtUp()
	close(f.ready)
	opts := make(map[string]map[int32]kgo.Offset, len(next))
	for id, at := range next {
		opts[id.topic] = map[int32]kgo.Offset{id.partition: kgo.NewOffset().At(at)}
	}
	cl, err := f.k.client(
		kgo.ConsumePartitions(opts), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.MaxDecompressBatchBytes(maxDecompress), kgo.WithLogger(kafkaLog{f.log}),
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		if err := f.poll(ctx, cl); err != nil {
			return err
		}
	}
	return nil
}

func (f *Follower) poll(ctx context.Context, cl *kgo.Client) error {
	fetches := cl.PollFetches(ctx)
	var failed error
	fetches.EachError(func(topic string, _ int32, err error) {
		err = classify(err)
		switch fault, _ := pipeline.FaultOf(err); {
		case ctx.Err() != nil:
		case fault == pipeline.FaultStop:
			failed = errors.Join(failed, fmt.Errorf("follow %s: %w", topic, err))
		default:
			f.log.Warn("a topic cannot be followed, trying again", "topic", topic, "err", err)
		}
	})
	fetches.EachRecord(func(r *kgo.Record) { f.apply(r) })
	return failed
}

// catchUp applies what is committed now, and returns where reading goes on. A try that fails
// in the middle is made anew from the start: of a key the last record counts, so nothing is
// wrong with having seen some before.
func (f *Follower) catchUp(ctx context.Context) (map[tp]int64, error) {
	wait := backoff{first: 20 * time.Millisecond, most: 5 * time.Second}
	for {
		next, err := f.readAll(ctx)
		if err == nil || ctx.Err() != nil {
			return next, nil //nolint:nilerr // the end of ctx is what ended the try
		}
		err = classify(err)
		if fault, _ := pipeline.FaultOf(err); fault == pipeline.FaultStop {
			return nil, err
		}
		f.log.Warn("topics cannot be followed, trying again", "topics", f.topics, "err", err)
		if !wait.sleep(ctx) {
			return nil, nil
		}
	}
}

func (f *Follower) readAll(ctx context.Context) (map[tp]int64, error) {
	adm, err := f.k.admin()
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	spans, err := committedSpans(ctx, f.k, adm, f.topics)
	if err != nil {
		return nil, err
	}
	next := make(map[tp]int64, len(spans))
	for id, s := range spans {
		next[id] = s.to
	}
	_, err = readSpans(ctx, f.k, spans, func(_ tp, r *kgo.Record) error {
		f.apply(r)
		return nil
	})
	return next, err
}

// committedSpans returns what is committed of partition 0 of each of the topics. Below the
// offset up to which all is decided, transactions are whole.
func committedSpans(ctx context.Context, k Kafka, adm *kadm.Client, topics []string) (map[tp]span, error) {
	full := make([]string, len(topics))
	for i, t := range topics {
		full[i] = k.Topic(t)
	}
	starts, err := adm.ListStartOffsets(ctx, full...)
	if err != nil {
		return nil, err
	}
	ends, err := adm.ListCommittedOffsets(ctx, full...)
	if err != nil {
		return nil, err
	}
	spans := make(map[tp]span, len(full))
	for _, t := range full {
		id := tp{t, 0}
		from, err := listed(starts, id)
		if err != nil {
			return nil, err
		}
		to, err := listed(ends, id)
		if err != nil {
			return nil, err
		}
		spans[id] = span{from, to}
	}
	return spans, nil
}

func (f *Follower) apply(r *kgo.Record) {
	rec := plainRecord(r)
	if err := f.to.Apply(f.k.Name(r.Topic), &rec); err != nil {
		f.log.Error("a record on a followed topic is not usable and is passed over", "topic", r.Topic, "offset", r.Offset, "err", err)
	}
}

// plainRecord is a fetched record as the contract has it; its bytes stay where they are.
func plainRecord(r *kgo.Record) pipeline.Record {
	rec := pipeline.Record{Offset: r.Offset, Time: pipeline.MillisOf(r.Timestamp), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, pipeline.Header{Key: h.Key, Value: h.Value})
	}
	return rec
}
