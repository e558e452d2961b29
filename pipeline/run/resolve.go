package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// errUncertain says that nobody knows whether a transaction was committed.
var errUncertain = errors.New("the outcome of a transaction is not known")

// resolve finds out what became of a transaction that the client could not commit. Mostly
// it was aborted because of a rebalance. But where the answer to the commit was an error
// that says nothing, the client reports an abort and reads again although the broker may
// have committed; so the group is asked.
func (t *txn) resolve(ctx context.Context) (committed bool, err error) {
	s := t.s
	got, err := s.committedNow(ctx)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errUncertain, err)
	}
	yes, no, err := t.votes(got)
	if err != nil {
		return false, err
	}
	if yes > 0 && no > 0 {
		return false, fmt.Errorf("%w: it is committed for %d partitions and not for %d", errUncertain, yes, no)
	}
	if yes > 0 {
		t.settled()
		for _, u := range t.touched {
			s.seek(u.part, u.part.next)
		}
		return true, nil
	}
	s.l.m.transactions.WithLabelValues(s.l.cfg.Stage, "aborted").Inc()
	s.l.tally.aborted()
	if err := t.rollback(); err != nil {
		return false, err
	}
	s.trouble.sleep(ctx)
	return false, nil
}

// votes counts the partitions of the transaction that the group has committed and those that
// it has not.
func (t *txn) votes(got kadm.OffsetResponses) (yes, no int, err error) {
	for _, u := range t.touched {
		p := u.part
		if !u.changed() || t.s.find(p.id) != p {
			continue // nothing happened, or it is no longer ours to know
		}
		o, ok := got.Lookup(p.id.topic, p.id.partition)
		switch {
		case ok && o.At == u.next && o.Metadata == commitMark(u.seq) && u.seq != p.seq:
			yes++
		case !ok || o.At < 0 || o.At == p.next:
			no++
		default:
			return 0, 0, fmt.Errorf("%w: %s[%d] is committed at %d, the transaction was %d to %d",
				errUncertain, p.topic, p.id.partition, o.At, p.next, u.next)
		}
	}
	return yes, no, nil
}

// committedNow returns what the group has committed, once no transaction is pending.
func (s *session) committedNow(ctx context.Context) (kadm.OffsetResponses, error) {
	ctx, cancel := context.WithTimeout(ctx, s.l.cfg.TransactionTimeout)
	defer cancel()
	for {
		got, err := s.adm.FetchOffsets(kadm.RequireStable(ctx), Group(s.l.cfg.Kafka, s.l.cfg.Stage))
		if err == nil {
			err = got.Error()
		}
		if err == nil || !errors.Is(err, kerr.UnstableOffsetCommit) {
			return got, err
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return nil, err
		}
	}
}
