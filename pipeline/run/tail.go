package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// readStall is how long a reader of spans gets nothing before it asks why.
const readStall = 500 * time.Millisecond

// The bits of a batch's attributes that say that it is part of a transaction, and that it
// is the mark at the end of one.
const (
	txnBatch     = 0x10
	controlBatch = 0x20
)

// abortedTail reports whether everything in s was aborted, so that a reader of committed
// records never sees it. Apache Kafka ends each aborted transaction with a control record,
// which a reader does see. kfake aborts the transactions that were open when it was killed
// without writing one: a reader that waits for the last offset would wait for ever.
func abortedTail(ctx context.Context, cl *kgo.Client, p tp, s span) (bool, error) {
	got, err := fetchAt(ctx, cl, p, s.from)
	return err == nil && got.ErrorCode == 0 && allAborted(got, s.to), err
}

// fetchAt reads what a partition holds from an offset on, without waiting for more: batches
// as they lie there, with the list of those that were aborted.
func fetchAt(ctx context.Context, cl *kgo.Client, p tp, from int64) (got kmsg.FetchResponseTopicPartition, err error) {
	meta, err := kadm.NewClient(cl).Metadata(ctx, p.topic)
	if err != nil {
		return got, fmt.Errorf("metadata of %s: %w", p.topic, err)
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.IsolationLevel = 2*MaxRecordBytes, 1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = p.topic, meta.Topics[p.topic].ID
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = p.partition, from, 2*MaxRecordBytes
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, cl.Broker(int(meta.Topics[p.topic].Partitions[p.partition].Leader)))
	if err != nil {
		return got, fmt.Errorf("fetch the end of %s[%d]: %w", p.topic, p.partition, err)
	}
	for _, t := range resp.Topics {
		for _, got := range t.Partitions {
			return got, nil
		}
	}
	return got, fmt.Errorf("fetch the end of %s[%d]: no answer about it", p.topic, p.partition)
}

// waiting reports whether a reader of committed records has something to read from an offset
// on. Markers and aborted records are nothing.
func waiting(ctx context.Context, cl *kgo.Client, p tp, from int64) (bool, error) {
	for {
		got, err := fetchAt(ctx, cl, p, from)
		if err == nil {
			err = kerr.ErrorForCode(got.ErrorCode)
		}
		if err != nil {
			return false, err
		}
		data, next := firstCommitted(got, from)
		switch {
		case data || next == from && next < got.LastStableOffset:
			return true, nil
		case next >= got.LastStableOffset:
			return false, nil
		}
		from = next
	}
}

// firstCommitted reports whether an answer holds a committed record from an offset on, and
// where the next answer would begin.
func firstCommitted(p kmsg.FetchResponseTopicPartition, from int64) (data bool, next int64) {
	starts := slices.SortedFunc(slices.Values(p.AbortedTransactions), func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		return cmp.Compare(a.FirstOffset, b.FirstOffset)
	})
	aborted := make(map[int64]bool) // producers, at the batch at hand
	for raw := p.RecordBatches; len(raw) > 0; {
		var b kmsg.RecordBatch
		if err := b.ReadFrom(raw); err != nil {
			break // the last batch may be cut by the size of the answer
		}
		last := b.FirstOffset + int64(b.LastOffsetDelta)
		for len(starts) > 0 && starts[0].FirstOffset <= last {
			aborted[starts[0].ProducerID] = true
			starts = starts[1:]
		}
		switch {
		case b.Attributes&controlBatch != 0:
			delete(aborted, b.ProducerID)
		case last < from || last >= p.LastStableOffset:
		case b.Attributes&txnBatch == 0 || !aborted[b.ProducerID]:
			return true, last + 1
		}
		from = max(from, last+1)
		raw = raw[12+int(b.Length):]
	}
	return false, from
}

// allAborted reports whether all batches below end belong to transactions that were aborted
// without a mark. One mark among them is enough to say no: a reader sees it, and what a
// producer wrote after the mark of an aborted transaction may well be committed. Where there
// is no mark, whatever is listed as aborted is: a commit below end would have one.
func allAborted(p kmsg.FetchResponseTopicPartition, end int64) bool {
	next := int64(-1)
	for raw := p.RecordBatches; len(raw) > 0 && next < end; {
		var b kmsg.RecordBatch
		if err := b.ReadFrom(raw); err != nil {
			break // the last batch may be cut by the size of the answer
		}
		if b.Attributes&controlBatch != 0 || b.Attributes&txnBatch == 0 {
			return false
		}
		if !slices.ContainsFunc(p.AbortedTransactions, func(a kmsg.FetchResponseTopicPartitionAbortedTransaction) bool {
			return a.ProducerID == b.ProducerID && a.FirstOffset <= b.FirstOffset
		}) {
			return false
		}
		next = b.FirstOffset + int64(b.LastOffsetDelta) + 1
		raw = raw[12+int(b.Length):] // offset and length stand before what length counts
	}
	return next >= end
}
