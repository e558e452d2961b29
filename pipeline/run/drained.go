package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Input is what a consumer group must read.
type Input struct {
	Group  string   // full name, see Group
	Topics []string // without prefix
}

// Lag returns how many partitions of the inputs hold committed records that their group
// has not committed yet; while a transaction is open on any of an input's, it counts one.
// Zero means that the groups are at the end. A difference of offsets would not tell: the
// markers of transactions are offsets too. A group whose coordinator is being elected, as
// that of the first group of a cluster is, is waited for until ctx is done.
func Lag(ctx context.Context, k Kafka, inputs ...Input) (int, error) {
	adm, err := k.admin()
	if err != nil {
		return 0, err
	}
	defer adm.Close()
	lag := 0
	for _, in := range inputs {
		n, err := lagOf(ctx, k, adm, in)
		if err != nil {
			return 0, fmt.Errorf("lag of group %s: %w", in.Group, err)
		}
		lag += n
	}
	return lag, nil
}

var errData = errors.New("there is data")

func lagOf(ctx context.Context, k Kafka, adm *kadm.Client, in Input) (int, error) {
	topics := make([]string, len(in.Topics))
	for i, t := range in.Topics {
		topics[i] = k.Topic(t)
	}
	committed, err := committedOf(ctx, adm, in.Group)
	if err != nil {
		return 0, err
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return 0, err
	}
	var all []tp
	ends.Each(func(o kadm.ListedOffset) { all = append(all, tp{o.Topic, o.Partition}) })
	spans, open, err := bounds(ctx, adm, topics, all)
	if err != nil {
		return 0, err
	}
	if open != nil {
		return 1, nil
	}
	for id, s := range spans {
		if o, ok := committed.Lookup(id.topic, id.partition); ok && o.At >= 0 {
			s.from = max(s.from, o.At)
			spans[id] = s
		}
	}
	data, err := readSpans(ctx, k, spans, func(tp, *kgo.Record) error { return errData })
	return len(data), err
}

// committedOf returns what a group has committed: nothing, if it never was.
func committedOf(ctx context.Context, adm *kadm.Client, group string) (kadm.OffsetResponses, error) {
	wait := backoff{first: 20 * time.Millisecond, most: 500 * time.Millisecond}
	for {
		committed, err := adm.FetchOffsets(ctx, group)
		switch {
		case err == nil || errors.Is(err, kerr.GroupIDNotFound):
			return committed, nil
		case !kerr.IsRetriable(err) || !wait.sleep(ctx):
			return nil, err
		}
	}
}

// Drained waits until every group is at the end of its input and busy, if it is given,
// reports zero, and stays so for a moment in which a result could still have come back: the
// pipeline has a loop, so being at the end once is not enough. It returns the error of ctx
// if that ends first.
func Drained(ctx context.Context, k Kafka, busy func() int, inputs ...Input) error {
	adm, err := k.admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	pause := backoff{first: 20 * time.Millisecond, most: 500 * time.Millisecond}
	var before map[tp]int64
	for {
		after, lag, err := progress(ctx, k, adm, inputs)
		switch {
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("wait until drained: %w", ctx.Err())
		case err != nil:
			before = nil
		case lag == 0 && (busy == nil || busy() == 0):
			if before != nil && sameEnds(before, after) {
				return nil
			}
			before = after
			pause.reset()
		default:
			before = nil
		}
		if !pause.sleep(ctx) {
			return fmt.Errorf("wait until drained: %w", ctx.Err())
		}
	}
}

// progress returns where the inputs end and how far the groups are behind.
func progress(ctx context.Context, k Kafka, adm *kadm.Client, inputs []Input) (map[tp]int64, int, error) {
	at := make(map[tp]int64)
	for _, in := range inputs {
		topics := make([]string, len(in.Topics))
		for i, t := range in.Topics {
			topics[i] = k.Topic(t)
		}
		ends, err := adm.ListEndOffsets(ctx, topics...)
		if err != nil {
			return nil, 0, err
		}
		ends.Each(func(o kadm.ListedOffset) { at[tp{o.Topic, o.Partition}] = o.Offset })
	}
	lag := 0
	for _, in := range inputs {
		n, err := lagOf(ctx, k, adm, in)
		if err != nil {
			return nil, 0, err
		}
		lag += n
	}
	return at, lag, nil
}

func sameEnds(a, b map[tp]int64) bool {
	if len(a) != len(b) {
		return false
	}
	for id, n := range a {
		if b[id] != n {
			return false
		}
	}
	return true
}
