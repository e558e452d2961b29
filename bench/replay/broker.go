package replay

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/pipeline/run/broker"
)

// Where the fields of a record batch of format 2 lie (KIP-98).
const (
	batchCRC      = 17
	batchChecked  = 21 // the checksum covers everything from here on
	batchFirstTS  = 27
	batchMaxTS    = 35
	batchMinBytes = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newBroker returns a broker in memory that appends records at the time that clock shows,
// and while it shows zero at the time that the producer says.
func newBroker(clock *atomic.Int64) (*kfake.Cluster, error) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		return nil, fmt.Errorf("replay: broker: %w", err)
	}
	broker.ShareAnswers(c)
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		now := clock.Load()
		req, ok := r.(*kmsg.ProduceRequest)
		if !ok || now == 0 {
			return nil, nil, false
		}
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				stamp(req.Topics[i].Partitions[j].Records, now)
			}
		}
		return nil, nil, false
	})
	return c, nil
}

// stamp sets the time of all records of a batch to now.
func stamp(b []byte, now int64) {
	if len(b) < batchMinBytes {
		return
	}
	first := int64(binary.BigEndian.Uint64(b[batchFirstTS:]))
	last := int64(binary.BigEndian.Uint64(b[batchMaxTS:]))
	binary.BigEndian.PutUint64(b[batchFirstTS:], uint64(now-max(last-first, 0)))
	binary.BigEndian.PutUint64(b[batchMaxTS:], uint64(now))
	binary.BigEndian.PutUint32(b[batchCRC:], crc32.Checksum(b[batchChecked:], castagnoli))
}

// feed creates the topics and writes the log.
func (g *leg) feed(ctx context.Context, k run.Kafka) error {
	names := map[string]bool{
		pipeline.TopicEvents: true, pipeline.TopicSignals: true, pipeline.TopicFacts: true, pipeline.TopicDecisions: true,
		pipeline.TopicIntents: true, pipeline.TopicRejects: true, pipeline.TopicLedger: true,
	}
	for _, t := range g.topics {
		names[t] = true
	}
	var specs []run.TopicSpec
	for n := range names {
		specs = append(specs, run.TopicSpec{Name: n, Partitions: g.Partitions})
	}
	if err := run.EnsureTopics(ctx, k, specs...); err != nil {
		return err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(8<<20))
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer cl.Close()
	records := make([]*kgo.Record, len(g.log))
	for i := range g.log {
		r := &g.log[i]
		records[i] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Timestamp: r.Time.Time(), Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("replay: write the log: %w", err)
	}
	return nil
}
