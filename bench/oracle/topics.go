package oracle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// HeaderSeq is the header of raw records that holds their sequence number, in decimal.
const HeaderSeq = "oracle-seq"

// stored are the topics whose records ClickHouse stores, each in a table of its name.
var stored = []string{"events", "signals", "facts", "decisions", "intents", "outcomes", "rejects"}

// Topics says where to read.
type Topics struct {
	Brokers []string
	Prefix  string // of all topics, empty for none
	Opts    []kgo.Opt
}

// Read collects everything that is committed on the raw and output topics up to now. It
// reads behind no open transaction: the caller waits until the run has ended.
func Read(ctx context.Context, at Topics) (*Observed, error) {
	ends, err := at.Ends(ctx)
	if err != nil {
		return nil, err
	}
	o := new(Observed)
	if err := at.Each(ctx, ends, func(topic string, r *kgo.Record) error { return o.add(topic, r) }); err != nil {
		return nil, err
	}
	return o, nil
}

// Ends are the last stable offsets of the raw and output topics.
func (t Topics) Ends(ctx context.Context) (map[string]map[int32]int64, error) {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(t.Brokers...)}, t.Opts...)...)
	if err != nil {
		return nil, fmt.Errorf("oracle: %w", err)
	}
	defer cl.Close()
	listed, err := kadm.NewClient(cl).ListCommittedOffsets(ctx)
	if err != nil {
		return nil, fmt.Errorf("oracle: list offsets: %w", err)
	}
	if err := listed.Error(); err != nil {
		return nil, fmt.Errorf("oracle: list offsets: %w", err)
	}
	ends := map[string]map[int32]int64{}
	listed.Each(func(l kadm.ListedOffset) {
		topic, ours := strings.CutPrefix(l.Topic, t.Prefix)
		if !ours || !judged(topic) {
			return
		}
		if ends[topic] == nil {
			ends[topic] = map[int32]int64{}
		}
		ends[topic][l.Partition] = l.Offset
	})
	return ends, nil
}

func judged(topic string) bool {
	if strings.HasPrefix(topic, "raw.") || topic == "ledger" {
		return true
	}
	return slices.Contains(stored, topic)
}

// Each calls f with each committed data record below ends, in the order of each
// partition. Control records are read too, to know when a partition is at its end, and
// kept from f.
func (t Topics) Each(ctx context.Context, ends map[string]map[int32]int64, f func(topic string, r *kgo.Record) error) error {
	from, next := map[string]map[int32]kgo.Offset{}, map[spot]int64{}
	for topic, partitions := range ends {
		for p, end := range partitions {
			if end == 0 {
				continue
			}
			if from[t.Prefix+topic] == nil {
				from[t.Prefix+topic] = map[int32]kgo.Offset{}
			}
			from[t.Prefix+topic][p] = kgo.NewOffset().AtStart()
			next[spot{topic, p}] = 0
		}
	}
	if len(next) == 0 {
		return nil
	}
	opts := append([]kgo.Opt{
		kgo.SeedBrokers(t.Brokers...), kgo.ConsumePartitions(from), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxBytes(16 << 20),
	}, t.Opts...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("oracle: %w", err)
	}
	defer cl.Close()
	for len(next) > 0 {
		n, err := t.poll(ctx, cl, ends, next, f)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if err := t.dropAborted(ctx, cl, ends, next); err != nil {
			return err
		}
	}
	return nil
}

// spot is a partition that is being read.
type spot struct {
	topic     string // without prefix
	partition int32
}

// stall is how long a reader without anything to read waits before it looks why.
const stall = time.Second

// poll reads what there is, moves next on and forgets partitions that are at their end. It
// returns how many records there were, none after stall.
func (t Topics) poll(ctx context.Context, cl *kgo.Client, ends map[string]map[int32]int64, next map[spot]int64, f func(string, *kgo.Record) error) (n int, err error) {
	short, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	fetches := cl.PollFetches(short)
	if ctx.Err() != nil {
		return 0, fmt.Errorf("oracle: %d partitions unread: %w", len(next), context.Cause(ctx))
	}
	if short.Err() == nil {
		fetches.EachError(func(topic string, p int32, failed error) {
			err = errors.Join(err, fmt.Errorf("oracle: read %s/%d: %w", topic, p, failed))
		})
	}
	fetches.EachRecord(func(r *kgo.Record) {
		s := spot{strings.TrimPrefix(r.Topic, t.Prefix), r.Partition}
		end := ends[s.topic][s.partition]
		if r.Offset >= end || err != nil {
			return
		}
		n++
		if !r.Attrs.IsControl() {
			err = f(s.topic, r)
		}
		if next[s] = r.Offset + 1; r.Offset == end-1 {
			delete(next, s)
		}
	})
	return n, err
}

// dropAborted forgets the partitions of which all that is left was aborted.
func (t Topics) dropAborted(ctx context.Context, cl *kgo.Client, ends map[string]map[int32]int64, next map[spot]int64) error {
	for s, from := range next {
		aborted, err := abortedTail(ctx, cl, t.Prefix+s.topic, s.partition, from, ends[s.topic][s.partition])
		if err != nil {
			return err
		}
		if aborted {
			delete(next, s)
		}
	}
	return nil
}
