package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/riposte-sec/riposte/pipeline"
)

// Apache Kafka can leave a transaction hanging: its coordinator takes it for ended, and a
// partition has no marker that says so. It happens to a broker that is killed between
// noting the end and sending the markers: when it is back it may complete the transaction
// before it knows the leaders of its partitions, which it then takes for deleted. From there
// on no reader of committed records passes the partition, for ever (KIP-664).
//
// A lane finds those of its own former life without guessing: once the coordinator has
// initialised its producer, it has no transaction, so one that a partition still has open
// under its number is hanging. What the coordinator had decided about it, it says before.

// former is the lane's last transaction, as the coordinator knows it.
type former struct {
	producer int64
	epoch    int16
	state    string
}

// formerTxn asks the coordinator for the lane's last transaction. False means that it knows
// none, or that it may not or cannot tell: then nothing is looked for.
func formerTxn(ctx context.Context, adm *kadm.Client, id string) (former, bool, error) {
	all, err := adm.DescribeTransactions(ctx, id)
	t := all[id]
	if err == nil {
		err = t.Err
	}
	if err != nil {
		if answer, ok := errors.AsType[*kerr.Error](err); ok && !answer.Retriable {
			return former{}, false, nil
		}
		return former{}, false, fmt.Errorf("describe the former transaction: %w", err)
	}
	return former{t.ProducerID, t.ProducerEpoch, t.State}, t.ProducerID >= 0, nil
}

// decided returns how a transaction that hangs in the epoch of a producer was meant to end,
// and false if the coordinator has gone on since and no longer knows. The epoch is raised by
// one with the end of a transaction (KIP-890), or was not yet by older brokers.
func (f former) decided(epoch int16) (commit, known bool) {
	if d := f.epoch - epoch; d != 0 && d != 1 {
		return false, false
	}
	switch f.state {
	case "PrepareCommit", "CompleteCommit":
		return true, true
	case "Ongoing", "PrepareAbort", "CompleteAbort", "PrepareEpochFence":
		return false, true
	}
	return false, false
}

// endHanging writes the markers that are missing of the lane's former transaction. It must
// be called when the coordinator has initialised the producer again.
func (s *session) endHanging(ctx context.Context, adm *kadm.Client, f former) error {
	at, err := s.written(ctx)
	if err != nil {
		return err
	}
	producers, err := adm.DescribeProducers(ctx, at)
	if err != nil {
		if answer, ok := errors.AsType[*kerr.Error](err); ok && !answer.Retriable {
			return nil
		}
		return fmt.Errorf("look for hanging transactions: %w", err)
	}
	for _, p := range producers.SortedProducers() {
		if p.ProducerID != f.producer || p.CurrentTxnStartOffset < 0 {
			continue
		}
		commit, known := f.decided(p.ProducerEpoch)
		log := s.l.log.With("topic", p.Topic, "partition", p.Partition, "offset", p.CurrentTxnStartOffset)
		if !known {
			log.Error("a transaction hangs, and how it was to end is no longer known: end it with kafka-transactions.sh abort --topic --partition --start-offset", "state", f.state)
			continue
		}
		if err := mark(ctx, adm, p, commit); err != nil {
			log.Error("a transaction hangs and cannot be ended: use kafka-transactions.sh abort --topic --partition --start-offset", "commit", commit, "err", err)
			continue
		}
		log.Warn("a transaction was hanging, its marker is written now", "commit", commit)
	}
	return nil
}

// mark writes the marker that ends a producer's transaction in one partition.
func mark(ctx context.Context, adm *kadm.Client, p kadm.DescribedProducer, commit bool) error {
	var at kadm.TopicsSet
	at.Add(p.Topic, p.Partition)
	got, err := adm.WriteTxnMarkers(ctx, kadm.TxnMarkers{
		ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, CoordinatorEpoch: p.CoordinatorEpoch, Commit: commit, Topics: at,
	})
	if err != nil {
		return err
	}
	for _, r := range got.SortedPartitions() {
		err = errors.Join(err, r.Err)
	}
	return err
}

// written are the partitions that a lane's transactions write to.
func (s *session) written(ctx context.Context) (kadm.TopicsSet, error) {
	c := &s.l.cfg
	names := []string{
		pipeline.TopicEvents, pipeline.TopicSignals, pipeline.TopicFacts, pipeline.TopicDecisions, pipeline.TopicIntents,
		pipeline.TopicOutcomes, pipeline.TopicRejects, pipeline.TopicLedger,
	}
	for _, t := range c.Topics {
		names = append(names, StateTopic(c.Stage, t))
	}
	have, err := Partitions(ctx, c.Kafka, names...)
	if err != nil {
		return nil, err
	}
	var at kadm.TopicsSet
	for _, name := range slices.Sorted(maps.Keys(have)) {
		for p := range have[name] {
			at.Add(c.Kafka.Topic(name), p)
		}
	}
	return at, nil
}
