package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Apache Kafka can leave a transaction hanging: its coordinator takes it for ended, and a
// partition has no marker that says so. It happens to a broker that is killed between
// noting the end and sending the markers: when it is back it may complete the transaction
// before it knows the leaders of its partitions, which it then takes for deleted. From there
// on no reader of committed records passes the partition, for ever; if it is one of
// __consumer_offsets, then nobody is told where to read on (KIP-664).
//
// Who writes under a transactional id finds its own without guessing. The epoch of its producer is raised with
// each end of a transaction (KIP-890), so one that a partition still has open in the epoch
// before, while the coordinator says that it is complete, is hanging, and nobody can begin
// another in that epoch. Brokers that do not raise it leave the epoch in doubt; there it is
// hanging only once the coordinator has initialised the producer again.

// consumerOffsets is where Kafka itself keeps what a transaction commits of its group.
const consumerOffsets = "__consumer_offsets"

// ender ends transactions under a transactional id and writes the markers that Kafka lost of
// them. It is for one goroutine.
type ender struct {
	k       Kafka
	id      string // transactional id, whole
	timeout time.Duration
	topics  []string // that are written to, without prefix; nil means all with the prefix
	log     *slog.Logger
}

// former is the last transaction under an id, as its coordinator knows it.
type former struct {
	producer int64
	epoch    int16
	state    string
}

// last asks the coordinator for the last transaction. False means that it knows none, or that
// it may not or cannot tell: then nothing is looked for.
func (e *ender) last(ctx context.Context, adm *kadm.Client) (former, bool, error) {
	all, err := adm.DescribeTransactions(ctx, e.id)
	t := all[e.id]
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

// ending reports whether the coordinator has decided, and not yet written all markers.
func (f former) ending() bool {
	return f.state == "PrepareCommit" || f.state == "PrepareAbort" || f.state == "PrepareEpochFence"
}

func (f former) complete() bool { return f.state == "CompleteCommit" || f.state == "CompleteAbort" }

// decided returns how a transaction that hangs in the epoch of a producer was meant to end,
// and false if the coordinator has gone on since and no longer knows.
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

// endFormer ends the transaction that a former life may have left open, and what hangs of
// it. The client would do the first with its first record only; but before that the group
// waits with the committed offsets, and readers with what comes behind, until the transaction
// times out. What was decided is known until the producer is initialised, so what can be done
// before is.
func (e *ender) endFormer(ctx context.Context) error {
	cl, err := e.k.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	wait := backoff{first: 5 * time.Millisecond, most: 200 * time.Millisecond}
	for {
		last, known, err := e.awaitEnd(ctx, adm)
		if err != nil {
			return err
		}
		switch again, err := e.initProducer(ctx, cl); {
		case err != nil:
			return err
		case again:
		case known:
			return e.endHanging(ctx, adm, last, true)
		default:
			return nil
		}
		if !wait.sleep(ctx) {
			return ctx.Err()
		}
	}
}

// awaitEnd waits until the coordinator has ended the transaction that it has decided about, if
// any, and writes the markers that are missing of it. False means that the last one is not
// known.
func (e *ender) awaitEnd(ctx context.Context, adm *kadm.Client) (last former, known bool, err error) {
	wait := backoff{first: 5 * time.Millisecond, most: 200 * time.Millisecond}
	for {
		last, known, err = e.last(ctx, adm)
		switch {
		case err != nil || !known:
			return last, false, err
		case last.complete():
			return last, true, e.endHanging(ctx, adm, last, false)
		case !last.ending():
			return last, true, nil
		case !wait.sleep(ctx):
			return last, false, ctx.Err()
		}
	}
}

// initProducer makes the coordinator end what is open under the id. True means that it is
// being ended at this moment.
func (e *ender) initProducer(ctx context.Context, cl *kgo.Client) (again bool, err error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &e.id
	req.TransactionTimeoutMillis = int32(e.timeout.Milliseconds())
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if errors.Is(err, kerr.ConcurrentTransactions) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("end the former transaction: %w", err)
	}
	return false, nil
}

// endHanging writes the markers that are missing of a transaction. Fenced
// means that nobody else can have begun another since: the coordinator has initialised the
// producer again.
func (e *ender) endHanging(ctx context.Context, adm *kadm.Client, f former, fenced bool) error {
	at, err := e.written(ctx, adm)
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
		if p.ProducerID != f.producer || p.CurrentTxnStartOffset < 0 || !fenced && p.ProducerEpoch != f.epoch-1 {
			continue
		}
		commit, known := f.decided(p.ProducerEpoch)
		log := e.log.With("topic", p.Topic, "partition", p.Partition, "offset", p.CurrentTxnStartOffset)
		if !known {
			log.Error("a transaction hangs, and how it was to end is no longer known: end it with kafka-transactions.sh abort --topic --partition --start-offset", "state", f.state)
			continue
		}
		err := mark(ctx, adm, p, commit)
		if answer, ok := errors.AsType[*kerr.Error](err); ok && !answer.Retriable {
			log.Error("a transaction hangs and cannot be ended: use kafka-transactions.sh abort --topic --partition --start-offset", "commit", commit, "err", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("end what hangs in %s[%d]: %w", p.Topic, p.Partition, err)
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

// written are the partitions that the transactions write to.
func (e *ender) written(ctx context.Context, adm *kadm.Client) (kadm.TopicsSet, error) {
	var names []string // none asks for all
	if len(e.topics) > 0 {
		names = append(names, consumerOffsets)
		for _, t := range e.topics {
			names = append(names, e.k.Topic(t))
		}
	}
	have, err := adm.ListTopicsWithInternal(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("look for hanging transactions: %w", err)
	}
	var at kadm.TopicsSet
	for _, t := range have.Sorted() {
		if t.Topic != consumerOffsets && !strings.HasPrefix(t.Topic, e.k.Prefix) {
			continue
		}
		for _, p := range t.Partitions.Sorted() { // none if the topic is not there, or not for us
			at.Add(t.Topic, p.Partition)
		}
	}
	return at, nil
}
