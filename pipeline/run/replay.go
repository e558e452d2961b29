package run

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// TopicFeeds holds how far each Replay got: key = id of the replay, value = records
// committed, 8 bytes, and the note of Begin. It has one partition.
const TopicFeeds = "feeds"

// replayChunk is how many records one transaction of a Replay holds.
const replayChunk = 5000

// replayTimeout is how long a Replay that died keeps readers from what comes after its open
// transaction; a new one of the same id ends it at once.
const replayTimeout = 40 * time.Second

// Replay produces a finite, ordered sequence of records into raw topics exactly once, over
// any number of crashes: each transaction holds records and how many of the sequence there
// are now, and a Replay with the same id goes on from there. One process at a time can
// replay an id; an older one is fenced. Not safe for concurrent use.
type Replay struct {
	k    Kafka
	id   string
	cl   *kgo.Client
	done int64 // committed
	open int64 // in the transaction at hand
	note []byte

	mu     sync.Mutex
	failed error // first record that could not be produced; set by the client's goroutines
}

// feeds reports whether replays may write to a topic.
func feeds(topic string) bool {
	return topic == TopicFeeds || strings.HasPrefix(topic, pipeline.TopicRawPrefix)
}

// NewReplay starts or resumes the replay with that id, of letters, digits, '.', '_' and '-'.
// It creates TopicFeeds if need be. The caller closes it.
func NewReplay(ctx context.Context, k Kafka, id string) (*Replay, error) {
	if id == "" || !isName(id) {
		return nil, fmt.Errorf("replay id %q: want letters, digits, '.', '_' and '-'", id)
	}
	if err := EnsureTopics(ctx, k, TopicSpec{Name: TopicFeeds, Partitions: 1}); err != nil {
		return nil, err
	}
	former := ender{k: k, id: k.Prefix + "feed-" + id, timeout: replayTimeout, writes: feeds, log: slog.New(slog.DiscardHandler)}
	if err := former.endFormer(ctx); err != nil {
		return nil, fmt.Errorf("replay %s: %w", id, err)
	}
	cl, err := k.client(
		kgo.TransactionalID(former.id),
		kgo.TransactionTimeout(replayTimeout),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(MaxRecordBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
	)
	if err != nil {
		return nil, err
	}
	r := &Replay{k: k, id: id, cl: cl}
	// Fences an older process and ends what it left open, so that the marker read next is
	// the last there will be of others.
	if _, _, err := cl.ProducerID(ctx); err != nil {
		cl.Close()
		return nil, fmt.Errorf("replay %s: %w", id, err)
	}
	if err := r.resume(ctx); err != nil {
		cl.Close()
		return nil, fmt.Errorf("replay %s: %w", id, err)
	}
	return r, nil
}

// Done returns how many records of the sequence are committed. The next record to Send is
// the one at this position, from 0.
func (r *Replay) Done() int64 { return r.done }

// Note returns what Begin was given, over any number of crashes, nil before Begin.
func (r *Replay) Note() []byte { return r.note }

// Begin commits a note about the sequence, to be called once before the first Send of a
// replay that has none. It is not empty and is not changed afterwards.
func (r *Replay) Begin(ctx context.Context, note []byte) error {
	if r.note != nil || len(note) == 0 || r.open > 0 {
		return pipeline.AsStop("replay", errors.New("BUG: a replay begins once, with a note"))
	}
	if err := r.cl.BeginTransaction(); err != nil {
		return fmt.Errorf("replay %s: %w", r.id, err)
	}
	r.note = note
	return r.end(ctx)
}

// resume reads the newest marker of the replay.
func (r *Replay) resume(ctx context.Context) error {
	adm, err := r.k.admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	topic := tp{r.k.Topic(TopicFeeds), 0}
	ends, err := adm.ListCommittedOffsets(ctx, topic.topic)
	if err != nil {
		return err
	}
	end, err := listed(ends, topic)
	if err != nil {
		return err
	}
	refused, err := readSpans(ctx, r.k, map[tp]span{topic: {0, end}}, func(_ tp, rec *kgo.Record) error {
		if string(rec.Key) != r.id {
			return nil
		}
		if len(rec.Value) < 8 {
			return fmt.Errorf("marker at offset %d has %d bytes, want 8 or more", rec.Offset, len(rec.Value))
		}
		r.done, r.note = int64(binary.BigEndian.Uint64(rec.Value)), nil
		if len(rec.Value) > 8 {
			r.note = bytes.Clone(rec.Value[8:])
		}
		return nil
	})
	return errors.Join(err, refused[topic])
}

// Send adds the next record of the sequence. Key, value and headers must not change until
// Commit has returned. A transaction is committed by itself when it is full.
func (r *Replay) Send(ctx context.Context, m pipeline.Message) error {
	if r.open == 0 {
		if err := r.cl.BeginTransaction(); err != nil {
			return fmt.Errorf("replay %s: %w", r.id, err)
		}
	}
	r.open++
	rec := &kgo.Record{Topic: r.k.Topic(m.Topic), Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	r.cl.Produce(ctx, rec, r.produced)
	if r.open >= replayChunk {
		return r.Commit(ctx)
	}
	return nil
}

func (r *Replay) produced(rec *kgo.Record, err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = fmt.Errorf("produce to %s: %w", rec.Topic, err)
	}
}

// Commit commits what was sent. After an error the replay must be made anew: what was
// committed is found out then.
func (r *Replay) Commit(ctx context.Context) error {
	if r.open == 0 {
		return nil
	}
	return r.end(ctx)
}

// end commits the open transaction, with the marker of how far it brings the replay.
func (r *Replay) end(ctx context.Context) error {
	marker := append(binary.BigEndian.AppendUint64(nil, uint64(r.done+r.open)), r.note...)
	r.cl.Produce(ctx, &kgo.Record{Topic: r.k.Topic(TopicFeeds), Key: []byte(r.id), Value: marker}, r.produced)
	err := r.cl.Flush(ctx)
	r.mu.Lock()
	err = errors.Join(err, r.failed)
	r.mu.Unlock()
	if err != nil {
		return errors.Join(fmt.Errorf("replay %s: %w", r.id, err), r.cl.EndTransaction(ctx, kgo.TryAbort))
	}
	if err := r.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("replay %s: commit: %w", r.id, err)
	}
	r.done, r.open = r.done+r.open, 0
	return nil
}

// Close gives up what is not committed and closes the connections.
func (r *Replay) Close() { r.cl.Close() }
