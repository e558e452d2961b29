package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// span is what must be read of a state partition: offsets in [from, to).
type span struct{ from, to int64 }

// tp is a partition of a topic, by full name.
type tp struct {
	topic     string
	partition int32
}

// settle waits until no transaction is open on the state partitions and returns what they
// hold. An owner that died leaves its last transaction open: if it is this lane before a
// restart, InitProducerID has aborted it already, otherwise it ends by its timeout. Reading
// before that would miss what a slow commit is about to make visible.
func settle(ctx context.Context, adm *kadm.Client, parts []tp, patience time.Duration) (map[tp]span, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	topics := topicsOf(parts)
	pause := 2 * time.Millisecond
	for {
		spans, open, err := bounds(ctx, adm, topics, parts)
		if err == nil && open == nil {
			return spans, nil
		}
		if err != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("state topics: %w", err)
		}
		select {
		case <-ctx.Done():
			if open != nil {
				return nil, fmt.Errorf("state topic %s[%d]: a transaction is still open: %w", open.topic, open.partition, ctx.Err())
			}
			return nil, fmt.Errorf("state topics: %w", errors.Join(err, ctx.Err()))
		case <-time.After(pause):
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// bounds returns where the partitions start and end, and one on which a transaction is open.
func bounds(ctx context.Context, adm *kadm.Client, topics []string, parts []tp) (map[tp]span, *tp, error) {
	stable, err := adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return nil, nil, err
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, nil, err
	}
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, nil, err
	}
	spans := make(map[tp]span, len(parts))
	for _, p := range parts {
		lso, err := listed(stable, p)
		if err != nil {
			return nil, nil, err
		}
		end, err := listed(ends, p)
		if err != nil {
			return nil, nil, err
		}
		start, err := listed(starts, p)
		if err != nil {
			return nil, nil, err
		}
		if lso < end {
			return nil, &p, nil
		}
		spans[p] = span{start, end}
	}
	return spans, nil, nil
}

func listed(l kadm.ListedOffsets, p tp) (int64, error) {
	o, ok := l.Lookup(p.topic, p.partition)
	if !ok {
		return 0, fmt.Errorf("topic %s has no partition %d", p.topic, p.partition)
	}
	if o.Err != nil {
		return 0, fmt.Errorf("offsets of %s[%d]: %w", p.topic, p.partition, o.Err)
	}
	return o.Offset, nil
}

func topicsOf(parts []tp) []string {
	seen := make(map[string]bool, len(parts))
	var topics []string
	for _, p := range parts {
		if !seen[p.topic] {
			seen[p.topic] = true
			topics = append(topics, p.topic)
		}
	}
	return topics
}

// readSpans reads the committed records of every span to its end and hands them to visit,
// in order per partition. An error of visit stops only that partition: it is kept in
// refused. Any other error means that the spans were not read.
//
// Every transaction ends with a control record, so the last offset of a partition on which
// no transaction is open is seen even if the data before it was aborted; abortedTail tells
// of the exception.
func readSpans(ctx context.Context, k Kafka, spans map[tp]span, visit func(tp, *kgo.Record) error) (refused map[tp]error, err error) {
	at, left := startsOf(spans)
	if left == 0 {
		return nil, nil
	}
	cl, err := k.client(
		kgo.ConsumePartitions(at),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(50*time.Millisecond),
		kgo.MaxDecompressBatchBytes(maxDecompress),
	)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	refused = make(map[tp]error)
	done, next := make(map[tp]bool, left), make(map[tp]int64, left)
	for len(done) < left {
		short, cancel := context.WithTimeout(ctx, readStall)
		fetches := cl.PollFetches(short)
		stalled := short.Err() != nil && ctx.Err() == nil
		cancel()
		if stalled {
			if err := skipAborted(ctx, cl, spans, next, done); err != nil {
				return nil, err
			}
		} else if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			p := tp{r.Topic, r.Partition}
			if done[p] {
				return
			}
			if !r.Attrs.IsControl() {
				if err := visit(p, r); err != nil {
					refused[p] = fmt.Errorf("%s[%d] at offset %d: %w", p.topic, p.partition, r.Offset, err)
					done[p] = true
					return
				}
			}
			if next[p] = r.Offset + 1; next[p] >= spans[p].to {
				done[p] = true
			}
		})
	}
	return refused, nil
}

// startsOf returns where to start reading the spans that hold anything, and how many those
// are.
func startsOf(spans map[tp]span) (at map[string]map[int32]kgo.Offset, n int) {
	at = make(map[string]map[int32]kgo.Offset)
	for p, s := range spans {
		if s.from >= s.to {
			continue
		}
		if at[p.topic] == nil {
			at[p.topic] = make(map[int32]kgo.Offset)
		}
		at[p.topic][p.partition] = kgo.NewOffset().At(s.from)
		n++
	}
	return at, n
}

// skipAborted marks the spans as done of which all that is left was aborted.
func skipAborted(ctx context.Context, cl *kgo.Client, spans map[tp]span, next map[tp]int64, done map[tp]bool) error {
	for p, s := range spans {
		if s.from >= s.to || done[p] {
			continue
		}
		aborted, err := abortedTail(ctx, cl, p, span{max(s.from, next[p]), s.to})
		if err != nil {
			return err
		}
		if aborted {
			done[p] = true
		}
	}
	return nil
}
