package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
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
// Who writes under a transactional id finds its own without guessing, on clusters that raise
// the epoch of a producer with each end of a transaction (KIP-890, transaction.version 2).
// Then what a partition still has open in the epoch before the coordinator's, while the
// coordinator says that the last transaction is complete, is that transaction, hanging, and
// nobody can begin another in that epoch. On older clusters an epoch does not name one
// transaction, so nothing is touched.

// consumerOffsets is where Kafka itself keeps what a transaction commits of its group.
const consumerOffsets = "__consumer_offsets"

// mendPatience bounds how long a coordinator that has not ended a transaction is waited for,
// and partitions that do not answer: one without a leader must not keep a lane from the
// others.
const mendPatience = 10 * time.Second

// forgotten is said of a transaction whose coordinator has gone on since.
const forgotten = "a transaction hangs, and how it was to end is no longer known: end it with kafka-transactions.sh abort --topic --partition --start-offset"

// ender ends transactions under a transactional id and writes the markers that Kafka lost of
// them. It is for one goroutine.
type ender struct {
	k       Kafka
	id      string // transactional id, whole
	timeout time.Duration
	writes  func(topic string) bool // whether the transactions may write to a topic; the name is without prefix
	log     *slog.Logger
	raises  bool // the cluster raises the epoch with each end of a transaction; known after endFormer
}

// lastTxn is the last transaction under an id, as its coordinator knows it.
type lastTxn struct {
	producer int64
	epoch    int16
	state    string
}

// decided reports whether the coordinator knows the outcome and has not yet written all
// markers.
func (l lastTxn) decided() bool {
	return l.state == "PrepareCommit" || l.state == "PrepareAbort" || l.state == "PrepareEpochFence"
}

func (l lastTxn) complete() bool { return l.state == "CompleteCommit" || l.state == "CompleteAbort" }

// outcome returns how a transaction of the same producer ended that a partition still has
// open in an epoch, and false if the coordinator has gone on since. Before is what it said
// earlier: the initialisation of a producer whose transaction is open raises the epoch twice.
func (l lastTxn) outcome(epoch int16, before lastTxn) (commit, known bool) {
	switch {
	case l.complete() && epoch == l.epoch-1:
		return l.state == "CompleteCommit", true
	case l.state == "CompleteAbort" && before.state == "Ongoing" && before.producer == l.producer &&
		epoch == before.epoch && epoch == l.epoch-2:
		return false, true
	}
	return false, false
}

// endFormer ends the transaction that a former life may have left open, and what hangs of
// it. The client would do the first with its first record only; but before that the group
// waits with the committed offsets, and readers with what comes behind, until the transaction
// times out. The outcome is known until the producer is initialised, so what hangs is mended
// before.
func (e *ender) endFormer(ctx context.Context) error {
	cl, err := e.k.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if e.raises, err = raisesEpochs(ctx, cl); err != nil {
		return err
	}
	wait := backoff{first: 5 * time.Millisecond, most: 200 * time.Millisecond}
	for last := (lastTxn{}); ; {
		if last, err = e.mend(ctx, adm, last); err != nil {
			return err
		}
		again, err := e.initProducer(ctx, cl)
		switch {
		case err != nil:
			return err
		case !again && last.complete(): // mark has told
			return nil
		case !again:
			return e.tellOpen(ctx, adm, last)
		case !wait.sleep(ctx):
			return ctx.Err()
		}
	}
}

// raisesEpochs reports whether the cluster raises the epoch with each end of a transaction.
func raisesEpochs(ctx context.Context, cl *kgo.Client) (bool, error) {
	resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, cl)
	if err != nil {
		return false, fmt.Errorf("features of the cluster: %w", err)
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel >= 2, nil
		}
	}
	return false, nil
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

// last asks the coordinator for the last transaction. It is empty if there is none, or if it
// may not be told.
func (e *ender) last(ctx context.Context, adm *kadm.Client) (lastTxn, error) {
	all, err := adm.DescribeTransactions(ctx, e.id)
	t := all[e.id]
	if err == nil {
		err = t.Err
	}
	if err != nil {
		if answer, ok := errors.AsType[*kerr.Error](err); ok && !answer.Retriable {
			return lastTxn{}, nil
		}
		return lastTxn{}, fmt.Errorf("describe the former transaction: %w", err)
	}
	return lastTxn{t.ProducerID, t.ProducerEpoch, t.State}, nil
}

// mend waits until the coordinator has ended the transaction that it has decided about, if
// any, and writes the markers that are missing of the last one, which it returns. Before is
// what was returned earlier in the same attempt.
func (e *ender) mend(ctx context.Context, adm *kadm.Client, before lastTxn) (last lastTxn, err error) {
	if !e.raises {
		return lastTxn{}, nil
	}
	wait := backoff{first: 5 * time.Millisecond, most: 200 * time.Millisecond}
	for start := time.Now(); ; {
		last, err = e.last(ctx, adm)
		if err != nil {
			return last, err
		}
		switch {
		case last.complete():
			err = e.mark(ctx, adm, last, before)
		case last.decided():
			err = fmt.Errorf("the coordinator has not ended it: %s", last.state)
		}
		if err == nil {
			return last, nil
		}
		if time.Since(start) > mendPatience {
			e.log.Error("it is not known whether a transaction hangs", "err", err)
			return last, nil
		}
		if !wait.sleep(ctx) {
			return last, ctx.Err()
		}
	}
}

// mark writes the markers that are missing of the last transaction.
func (e *ender) mark(ctx context.Context, adm *kadm.Client, last, before lastTxn) error {
	open, err := e.open(ctx, adm, last.producer)
	for _, p := range open {
		commit, known := last.outcome(p.ProducerEpoch, before)
		log := e.log.With("topic", p.Topic, "partition", p.Partition, "offset", p.CurrentTxnStartOffset)
		if !known {
			if p.ProducerEpoch < last.epoch-1 {
				log.Error(forgotten)
			}
			continue
		}
		log = log.With("commit", commit)
		wrote := writeMarker(ctx, adm, p, commit)
		switch answer, ok := errors.AsType[*kerr.Error](wrote); {
		case wrote == nil:
			log.Warn("a transaction was hanging, its marker is written now")
		case ok && !answer.Retriable:
			log.Error("a transaction hangs and cannot be ended: use kafka-transactions.sh abort --topic --partition --start-offset", "err", wrote)
		default:
			err = errors.Join(err, fmt.Errorf("end what hangs in %s[%d]: %w", p.Topic, p.Partition, wrote))
		}
	}
	return err
}

// tellOpen logs what still hangs of the producer of the last transaction. It must have been
// initialised again: then it has none.
func (e *ender) tellOpen(ctx context.Context, adm *kadm.Client, last lastTxn) error {
	if last.state == "" {
		return nil
	}
	open, err := e.open(ctx, adm, last.producer)
	for _, p := range open {
		e.log.Error(forgotten, "topic", p.Topic, "partition", p.Partition, "offset", p.CurrentTxnStartOffset)
	}
	if err != nil {
		e.log.Warn("it is not known whether a transaction hangs", "err", err)
	}
	return ctx.Err()
}

// open returns where a producer has a transaction open. An error says that it is not known of
// some partitions; those that may not be asked about are left out.
func (e *ender) open(ctx context.Context, adm *kadm.Client, producer int64) (open []kadm.DescribedProducer, err error) {
	topics, err := adm.ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for hanging transactions: %w", err)
	}
	for _, t := range topics.Sorted() {
		ours := strings.HasPrefix(t.Topic, e.k.Prefix) && e.writes(e.k.Name(t.Topic))
		if !ours && t.Topic != consumerOffsets {
			continue
		}
		// One by one: a topic that we may not read would hide the answer about others.
		found, failed := openAt(ctx, adm, t, producer)
		open = append(open, found...)
		if denied, ok := errors.AsType[*kadm.AuthError](failed); ok {
			e.log.Info("hanging transactions are not looked for", "topic", t.Topic, "err", denied)
			continue
		}
		err = errors.Join(err, failed)
	}
	return open, err
}

func openAt(ctx context.Context, adm *kadm.Client, topic kadm.TopicDetail, producer int64) (open []kadm.DescribedProducer, err error) {
	var at kadm.TopicsSet
	for _, p := range topic.Partitions.Sorted() {
		at.Add(topic.Topic, p.Partition)
	}
	if len(at) == 0 {
		return nil, nil
	}
	all, err := adm.DescribeProducers(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("look for hanging transactions: %w", err)
	}
	for _, t := range all.SortedPartitions() {
		if t.Err != nil {
			err = errors.Join(err, fmt.Errorf("look for hanging transactions in %s[%d]: %w", t.Topic, t.Partition, t.Err))
		}
		if p, ok := t.ActiveProducers[producer]; ok && p.CurrentTxnStartOffset >= 0 {
			open = append(open, p)
		}
	}
	return open, err
}

// writeMarker writes the marker that ends a producer's transaction in one partition.
func writeMarker(ctx context.Context, adm *kadm.Client, p kadm.DescribedProducer, commit bool) error {
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

// brokenConn notes that a request failed on its way: the broker may have been killed, and
// when it is back a transaction of ours may hang. One that we gave up ourselves says nothing.
type brokenConn struct{ atomic.Bool }

// OnBrokerE2E implements [kgo.HookBrokerE2E].
func (b *brokenConn) OnBrokerE2E(_ kgo.BrokerMetadata, _ int16, e2e kgo.BrokerE2E) {
	if err := e2e.Err(); err != nil && !errors.Is(err, context.Canceled) {
		b.Store(true)
	}
}
