package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// publishTimeout is how long a Publisher that died keeps readers from what comes after its
// open transaction; a new publisher of the same id ends it at once.
const publishTimeout = 2 * time.Minute

// Publisher writes sets of records that readers see whole or not at all. There is one at a
// time for an id: a new one fences the one before, and what it reads after it was made is
// all that others have written. Not safe for concurrent use.
type Publisher struct {
	k  Kafka
	id string
	cl *kgo.Client

	mu     sync.Mutex
	failed error // first record that could not be produced; set by the client's goroutines
}

// publishes reports whether publishers may write to a topic.
func publishes(topic string) bool {
	return topic == pipeline.TopicFacts || slices.Contains(pipeline.ContextTopics(), topic)
}

// NewPublisher makes a publisher. The caller closes it.
func NewPublisher(ctx context.Context, k Kafka, id string) (*Publisher, error) {
	if id == "" || !isName(id) {
		return nil, fmt.Errorf("publisher id %q: want letters, digits, '.', '_' and '-'", id)
	}
	former := ender{k: k, id: k.Prefix + "publish-" + id, timeout: publishTimeout, writes: publishes, log: slog.New(slog.DiscardHandler)}
	if err := former.endFormer(ctx); err != nil {
		return nil, fmt.Errorf("publish %s: %w", id, err)
	}
	cl, err := k.client(
		kgo.TransactionalID(former.id),
		kgo.TransactionTimeout(publishTimeout),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(MaxRecordBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
	)
	if err != nil {
		return nil, err
	}
	if _, _, err := cl.ProducerID(ctx); err != nil {
		cl.Close()
		return nil, fmt.Errorf("publish %s: %w", id, err)
	}
	return &Publisher{k: k, id: id, cl: cl}, nil
}

// Publish writes the messages in one transaction, in their order per topic. After an error
// nothing of it is visible, or all of it: which, a new publisher can read.
func (p *Publisher) Publish(ctx context.Context, messages []pipeline.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if err := p.cl.BeginTransaction(); err != nil {
		return fmt.Errorf("publish %s: %w", p.id, err)
	}
	for i := range messages {
		m := &messages[i]
		r := &kgo.Record{Topic: p.k.Topic(m.Topic), Key: m.Key, Value: m.Value}
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		p.cl.Produce(ctx, r, p.produced)
	}
	err := p.cl.Flush(ctx)
	p.mu.Lock()
	err = errors.Join(err, p.failed)
	p.mu.Unlock()
	if err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return errors.Join(fmt.Errorf("publish %s: %w", p.id, err), p.cl.EndTransaction(end, kgo.TryAbort))
	}
	if err := p.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("publish %s: commit: %w", p.id, err)
	}
	return nil
}

func (p *Publisher) produced(rec *kgo.Record, err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = fmt.Errorf("produce to %s: %w", rec.Topic, err)
	}
}

// Close gives up what is not committed and closes the connections.
func (p *Publisher) Close() { p.cl.Close() }
