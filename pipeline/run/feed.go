package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// Feeder produces records into raw topics: idempotent, acknowledged by all replicas, in
// order per key. Its methods are safe for concurrent use.
type Feeder struct {
	k      Kafka
	cl     *kgo.Client
	sent   atomic.Int64
	acked  atomic.Int64
	bytes  atomic.Int64
	mu     sync.Mutex
	failed error
}

// Progress is how far a Feeder is.
type Progress struct {
	Sent, Acked int64 // records
	Bytes       int64 // of the acknowledged values
}

// NewFeeder makes a feeder. The caller closes it.
func NewFeeder(k Kafka) (*Feeder, error) {
	cl, err := k.client(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(MaxRecordBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(5*time.Millisecond),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
	)
	if err != nil {
		return nil, err
	}
	return &Feeder{k: k, cl: cl}, nil
}

// Send queues a record for a topic without prefix. It copies nothing: key, value and
// headers must not change until Flush has returned. It blocks while too much is queued and
// returns the error of ctx, or the first error of any record: nothing more is sent then.
func (f *Feeder) Send(ctx context.Context, m pipeline.Message) error {
	if err := f.failure(); err != nil {
		return err
	}
	r := &kgo.Record{Topic: f.k.Topic(m.Topic), Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	f.sent.Add(1)
	f.cl.Produce(ctx, r, f.done)
	return nil
}

func (f *Feeder) done(r *kgo.Record, err error) {
	if err == nil {
		f.acked.Add(1)
		f.bytes.Add(int64(len(r.Value)))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil {
		f.failed = fmt.Errorf("produce to %s: %w", r.Topic, err)
	}
}

func (f *Feeder) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// Progress returns how far the feeder is.
func (f *Feeder) Progress() Progress {
	return Progress{Sent: f.sent.Load(), Acked: f.acked.Load(), Bytes: f.bytes.Load()}
}

// Flush waits until everything sent is acknowledged, and returns the first error of any
// record.
func (f *Feeder) Flush(ctx context.Context) error {
	return errors.Join(f.cl.Flush(ctx), f.failure())
}

// Close gives up what is not acknowledged and closes the connections.
func (f *Feeder) Close() { f.cl.Close() }
