package run

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// Share keeps what a connector of several workers keeps itself equal in all of them: it
// writes to the connector's topic and reads it whole. The goroutine of Run reads; what the
// connector was given to write with is safe for concurrent use.
type Share struct {
	k        Kafka
	topic    string
	follower *Follower
	cl       *kgo.Client // of the writer; made by Run before Ready

	mu   sync.Mutex
	next int64         // offset below which the connector was given everything
	grew chan struct{} // closed when next grows; nil if nobody waits for it
}

// NewShare gives the connector of a name its means to write. Its topic, ShareSpec, must
// exist when Run is called. A nil log discards what people should know.
func NewShare(k Kafka, connector string, to pipeline.Sharing, log *slog.Logger) *Share {
	s := &Share{k: k, topic: ShareSpec(connector).Name}
	s.follower = NewFollower(k, learner{s, to}, log, s.topic)
	to.Share(s.put)
	return s
}

// ShareSpec is the topic on which the connector of a name keeps its effects: one partition,
// so that all workers see one order, and compacted, so that nothing ends by its age.
func ShareSpec(connector string) TopicSpec {
	return TopicSpec{Name: pipeline.TopicSinkPrefix + connector, Partitions: 1, Compact: true}
}

// Ready is closed when the connector knows what was written before Run was called. Calls of
// its methods have to wait for that.
func (s *Share) Ready() <-chan struct{} { return s.follower.Ready() }

// Run reads until ctx is done and returns nil then. What Kafka cannot do at the moment is
// tried again for ever; an error says that it never will. Run may be called once.
func (s *Share) Run(ctx context.Context) (err error) {
	// A call has a time limit. What was cut off by it may still be written, and is then either
	// seen by the check that follows a doubt, or ends with its lease.
	s.cl, err = s.k.client(kgo.RequiredAcks(kgo.AllISRAcks()), kgo.AllowIdempotentProduceCancellation(), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer s.cl.Close()
	return s.follower.Run(ctx)
}

// put implements [pipeline.Put].
func (s *Share) put(ctx context.Context, key, value []byte) error {
	select {
	case <-s.Ready():
	case <-ctx.Done():
		return pipeline.AsRetry(reasonKafka, 0, fmt.Errorf("%s is not read yet: %w", s.topic, ctx.Err()))
	}
	r, err := s.cl.ProduceSync(ctx, &kgo.Record{Topic: s.k.Topic(s.topic), Key: bytes.Clone(key), Value: bytes.Clone(value)}).First()
	if err == nil {
		err = s.await(ctx, r.Offset)
	}
	if err != nil {
		return pipeline.AsUnknown(reasonKafka, fmt.Errorf("put to %s: %w", s.topic, err))
	}
	return nil
}

// await returns when the connector was given the record at an offset. A later one of its key
// may have taken its place meanwhile.
func (s *Share) await(ctx context.Context, offset int64) error {
	for {
		s.mu.Lock()
		if s.next > offset {
			s.mu.Unlock()
			return nil
		}
		if s.grew == nil {
			s.grew = make(chan struct{})
		}
		grew := s.grew
		s.mu.Unlock()
		select {
		case <-grew:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// learner gives a connector the records of its topic.
type learner struct {
	share *Share
	to    pipeline.Sharing
}

// Apply implements [Table].
func (l learner) Apply(_ string, r *pipeline.Record) error {
	err := l.to.Learn(r)
	s := l.share
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = max(s.next, r.Offset+1) // a read from the start is tried again from the start
	if s.grew != nil {
		close(s.grew)
		s.grew = nil
	}
	return err
}

// CaughtUp implements [Table].
func (l learner) CaughtUp() { l.to.Learned() }
