package oracle

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	for _, s := range stored {
		if s == topic {
			return true
		}
	}
	return false
}

// Each calls f with each committed data record below ends, in the order of each
// partition. Control records are read too, to know when a partition is at its end, and
// kept from f.
func (t Topics) Each(ctx context.Context, ends map[string]map[int32]int64, f func(topic string, r *kgo.Record) error) error {
	from := map[string]map[int32]kgo.Offset{}
	open := 0
	for topic, partitions := range ends {
		for p, end := range partitions {
			if end == 0 {
				continue
			}
			if from[t.Prefix+topic] == nil {
				from[t.Prefix+topic] = map[int32]kgo.Offset{}
			}
			from[t.Prefix+topic][p] = kgo.NewOffset().AtStart()
			open++
		}
	}
	if open == 0 {
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
	for open > 0 {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("oracle: %d partitions unread: %w", open, context.Cause(ctx))
		}
		var failed error
		fetches.EachError(func(topic string, p int32, err error) {
			failed = errors.Join(failed, fmt.Errorf("oracle: read %s/%d: %w", topic, p, err))
		})
		if failed != nil {
			return failed
		}
		fetches.EachPartition(func(fp kgo.FetchTopicPartition) {
			topic := strings.TrimPrefix(fp.Topic, t.Prefix)
			end := ends[topic][fp.Partition]
			for _, r := range fp.Records {
				if r.Offset >= end {
					break
				}
				if !r.Attrs.IsControl() && failed == nil {
					failed = f(topic, r)
				}
				if r.Offset == end-1 {
					open--
				}
			}
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}
