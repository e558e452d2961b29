package run

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A record can end the process: a stack that overflows, memory that runs out. No error comes
// of it and nobody is left to count, so a lane says beforehand, outside of any transaction,
// which records of a partition it is about to process first: a trial. Who finds a trial of
// which nothing is committed knows that its maker died of these records, or beside them.
//
// Then the records are tried in smaller pieces, and alone: one partition at a time in the
// whole process, so that a death has one suspect. A piece that ends the process is tried in
// smaller ones by the next life; a single record that did so three times is rejected. Where
// no process dies this costs two requests for each assignment of a partition.

// trial says which records of a partition are being tried.
type trial struct {
	from int64 // offset of the first of the piece
	to   int64 // the records of the first trial, of which all others are pieces, end before it
	size int64 // records in a piece
	// alone: nothing else was going on in the process. Only then may a single record be blamed.
	alone  bool
	deaths int // how often the process died of this piece, which is a single record
}

// split is into how many pieces a piece is cut that ended the process. Each is a transaction;
// of 4096 records one is alone in the fourth life.
const split = 16

func (t trial) String() string {
	return fmt.Sprintf("to=%d size=%d alone=%t deaths=%d", t.to, t.size, t.alone, t.deaths)
}

// parseTrial reads what String wrote. Other text is no trial.
func parseTrial(from int64, text string) (trial, bool) {
	t := trial{from: from}
	_, err := fmt.Sscanf(text, "to=%d size=%d alone=%t deaths=%d", &t.to, &t.size, &t.alone, &t.deaths)
	return t, err == nil && t.from < t.to && t.size > 0 && t.deaths >= 0
}

// resumed returns how a lane that begins at next must go on after a trial, and false if the
// records of the trial are behind it.
func (t trial) resumed(next int64) (trial, bool) {
	if next < t.from || next >= t.to {
		return trial{}, false
	}
	again := trial{from: next, to: t.to, size: t.size, alone: true}
	switch {
	case next > t.from: // the piece is committed: the process died behind it
	case t.size > 1 || !t.alone:
		again.size = max(1, t.size/split)
	default:
		again.deaths = t.deaths + 1
	}
	return again, true
}

// guilty reports whether the piece is a record that ended the process too often.
func (t trial) guilty() bool { return t.size == 1 && t.deaths >= maxTries }

// solitude is held by the lane that tries records alone. It is the process's: a process dies
// as a whole.
var solitude sync.Mutex

// taker returns what to do with the records of each partition of a poll.
func (t *txn) taker(ctx context.Context, fetches kgo.Fetches) (func(context.Context, kgo.FetchTopicPartition) error, error) {
	s := t.s
	if s.warmed(fetches) {
		return t.putBack, nil
	}
	p, err := s.suspect(ctx, fetches)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return t.take, nil
	case t.begun: // the trial needs a transaction of its own
		return t.putBack, nil
	}
	return func(ctx context.Context, f kgo.FetchTopicPartition) error {
		if p.id != (tp{f.Topic, f.Partition}) {
			return t.putBack(ctx, f)
		}
		return t.try(ctx, p, f)
	}, nil
}

// suspect returns a partition whose records must be tried alone, nil if there is none among
// those that have records.
func (s *session) suspect(ctx context.Context, fetches kgo.Fetches) (suspect *part, err error) {
	var fresh []*part
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		p := s.find(tp{f.Topic, f.Partition})
		if p == nil || len(f.Records) == 0 {
			return
		}
		if !p.asked {
			last := f.Records[len(f.Records)-1].Offset
			p.trial = trial{from: p.next, to: last + 1, size: int64(len(f.Records))}
			fresh = append(fresh, p)
		}
	})
	if len(fresh) > 0 {
		if err := s.ask(ctx, fresh); err != nil {
			return nil, err
		}
	}
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if p := s.find(tp{f.Topic, f.Partition}); p != nil && p.suspect && len(f.Records) > 0 {
			suspect = p
		}
	})
	return suspect, nil
}

// ask looks for the last trials of partitions that have their first records since they were
// assigned. Where there is nothing to suspect, their own trial is told.
func (s *session) ask(ctx context.Context, fresh []*part) error {
	found, err := s.adm.FetchOffsets(ctx, trials(s.l.cfg.Kafka, s.l.cfg.Stage))
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody told any yet
		return fmt.Errorf("read trials: %w", err)
	}
	var tell []*part
	for _, p := range fresh {
		at, _ := found.Lookup(p.id.topic, p.id.partition)
		if at.Err != nil {
			return fmt.Errorf("read the trial of %s[%d]: %w", p.topic, p.id.partition, at.Err)
		}
		last, ok := parseTrial(at.At, at.Metadata)
		if again, unsettled := last.resumed(p.next); ok && unsettled {
			p.trial, p.suspect = again, true
			s.l.log.Warn("the process died in the midst of these records: they are tried in pieces, alone",
				"topic", p.topic, "partition", p.id.partition, "offset", again.from, "to", again.to, "records", again.size, "deaths", again.deaths)
			continue
		}
		tell = append(tell, p)
	}
	if err := s.tell(ctx, tell...); err != nil {
		return err
	}
	for _, p := range fresh {
		p.asked = true
	}
	return nil
}

// tell writes the trials of partitions.
func (s *session) tell(ctx context.Context, ps ...*part) error {
	if len(ps) == 0 {
		return nil
	}
	var at kadm.Offsets
	for _, p := range ps {
		at.Add(kadm.Offset{Topic: p.id.topic, Partition: p.id.partition, At: p.trial.from, LeaderEpoch: -1, Metadata: p.trial.String()})
	}
	told, err := s.adm.CommitOffsets(ctx, trials(s.l.cfg.Kafka, s.l.cfg.Stage), at)
	if err == nil {
		err = told.Error()
	}
	if err != nil {
		return fmt.Errorf("tell a trial: %w", err)
	}
	return nil
}

// trials is the group whose committed offsets are the trials of a stage. It has no members.
func trials(k Kafka, stage string) string { return Group(k, stage) + ".trials" }

// try processes the next piece of a suspected partition, in a transaction that holds nothing
// else, while no other lane of the process tries any. What was read beyond the piece is read
// again.
func (t *txn) try(ctx context.Context, p *part, f kgo.FetchTopicPartition) error {
	solitude.Lock()
	t.alone = true // until leave
	u, err := t.open(p, f)
	if err != nil {
		return err
	}
	p.trial.from = u.next
	if err := t.s.tell(ctx, p); err != nil {
		return err
	}
	rs := f.Records[:min(int64(len(f.Records)), p.trial.size)]
	u.skipped, t.full = true, true
	if !p.trial.guilty() {
		return t.processAll(ctx, u, rs)
	}
	why := fmt.Errorf("the process ended %d times while it processed this record", p.trial.deaths)
	t.s.l.log.Error("poison record rejected", "topic", p.topic, "partition", p.id.partition, "offset", rs[0].Offset, "err", why)
	t.accept(u, t.s.rejected(p, rs[0], why), rs)
	return nil
}

// leave lets others try. It may be called at the end of any transaction.
func (t *txn) leave() {
	if t.alone {
		t.alone = false
		solitude.Unlock()
	}
}

// outlived notes that a transaction of the partition is committed.
func (p *part) outlived() {
	if !p.suspect || p.next <= p.trial.from {
		return
	}
	if p.trial.guilty() { // it is found; nothing is known of those behind it
		p.trial.size = max(1, (p.trial.to-p.next)/split)
	}
	p.trial.deaths = 0
	p.suspect = p.next < p.trial.to
}
