package oracle

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Bits of a batch's attributes: part of a transaction, and mark at the end of one.
const (
	transactional = 0x10
	control       = 0x20
)

// abortedTail reports whether everything from offset from on is of aborted transactions,
// so that a reader of committed records will never see it. Apache Kafka ends each aborted
// transaction with a control record, which a reader does see; kfake forgets the
// transactions that were open when it was killed and writes none.
func abortedTail(ctx context.Context, cl *kgo.Client, topic string, partition int32, from, end int64) (bool, error) {
	meta, err := kadm.NewClient(cl).Metadata(ctx, topic)
	if err != nil {
		return false, fmt.Errorf("oracle: %w", err)
	}
	req := kmsg.NewPtrFetchRequest()
	req.MinBytes, req.MaxBytes, req.MaxWaitMillis, req.IsolationLevel = 1, 16<<20, 100, 1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, meta.Topics[topic].ID
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, from, 16<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	leader := meta.Topics[topic].Partitions[partition].Leader
	resp, err := req.RequestWith(ctx, cl.Broker(int(leader)))
	if err != nil {
		return false, fmt.Errorf("oracle: fetch %s/%d: %w", topic, partition, err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			return p.ErrorCode == 0 && allAborted(p, end), nil
		}
	}
	return false, nil
}

// allAborted reports whether all that lies below end was aborted without a mark. A mark
// says no: a reader sees it, and what its producer wrote after it may be committed.
func allAborted(p kmsg.FetchResponseTopicPartition, end int64) bool {
	next := int64(-1)
	for raw := p.RecordBatches; len(raw) > 0; {
		var b kmsg.RecordBatch
		if err := b.ReadFrom(raw); err != nil {
			break // the last batch may be cut by the size of the answer
		}
		aborted := b.Attributes&transactional != 0 && b.Attributes&control == 0 && slices.ContainsFunc(p.AbortedTransactions, func(a kmsg.FetchResponseTopicPartitionAbortedTransaction) bool {
			return a.ProducerID == b.ProducerID && a.FirstOffset <= b.FirstOffset
		})
		if !aborted {
			return false
		}
		next = b.FirstOffset + int64(b.LastOffsetDelta) + 1
		raw = raw[12+int(b.Length):] // 8 bytes offset and 4 bytes length stand before what length counts
	}
	return next >= end
}
