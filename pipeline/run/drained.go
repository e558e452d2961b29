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
// has not committed yet, or an open transaction. Zero means that the groups are at the end.
// A difference of offsets would not tell: the markers of transactions are offsets too.
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
	committed, err := adm.FetchOffsets(ctx, in.Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // a group that never was has committed nothing
		return 0, err
	}
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return 0, err
	}
	stable, err := adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return 0, err
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return 0, err
	}
	behind := 0
	unread := make(map[tp]span)
	for topic, partitions := range ends {
		for n, end := range partitions {
			id := tp{topic, n}
			lso, err := listed(stable, id)
			if err != nil {
				return 0, err
			}
			start, err := listed(starts, id)
			if err != nil {
				return 0, err
			}
			if lso < end.Offset {
				behind++
				continue
			}
			if o, ok := committed.Lookup(topic, n); ok && o.At >= 0 {
				start = max(start, o.At)
			}
			unread[id] = span{start, lso}
		}
	}
	data, err := readSpans(ctx, k, unread, func(tp, *kgo.Record) error { return errData })
	return behind + len(data), err
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
