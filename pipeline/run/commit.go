package run

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/internal/crash"
)

// commit ends the transaction: state frames, then the offsets, then all or nothing of it.
func (t *txn) commit(ctx context.Context) error {
	s := t.s
	if !t.begun {
		s.relieve(t.touched)
		return nil
	}
	for _, u := range t.touched {
		switch {
		case !u.changed():
		case u.part.state != nil:
			t.writeDelta(u)
		default:
			u.seq++ // no frame has it, but the mark of the commit does
		}
	}
	t.writeAccounts()
	crash.Point(crash.AfterDelta)
	committed, err := t.end(ctx)
	if err != nil || !committed {
		return err
	}
	s.relieve(t.touched)
	return s.snapshotIfDue(ctx, t)
}

// end commits what was produced, and makes memory agree with the outcome. False without an
// error means that the transaction was aborted and everything is as it was before.
func (t *txn) end(ctx context.Context) (committed bool, err error) {
	s := t.s
	if err := s.gts.Client().Flush(ctx); err != nil {
		return false, fmt.Errorf("flush: %w", err)
	}
	if err := t.failure(); err != nil {
		return false, errors.Join(err, t.abort(ctx))
	}
	crash.Point(crash.BeforeEnd)
	start := time.Now()
	committed, err = s.gts.End(kgo.PreTxnCommitFnContext(ctx, t.offsets), kgo.TryCommit)
	took := time.Since(start)
	crash.Point(crash.AfterEnd)
	s.l.m.endSeconds.WithLabelValues(s.l.cfg.Stage).Observe(took.Seconds())
	if err != nil {
		s.l.m.transactions.WithLabelValues(s.l.cfg.Stage, "uncertain").Inc()
		return false, fmt.Errorf("end transaction: %w", err)
	}
	t.begun = false
	if !committed {
		return t.resolve(ctx)
	}
	s.tenure.prove(start) // the group accepted our offsets
	s.trouble.reset()
	s.l.fill.committed(t.records, start.Sub(t.started))
	s.pace.ended(time.Now(), took, t.behind)
	s.l.m.interval.WithLabelValues(s.l.cfg.Stage, s.l.label).Set(s.pace.interval().Seconds())
	t.settled()
	return true, nil
}

// changed reports whether the transaction does anything to the partition.
func (u *touch) changed() bool { return len(u.works) > 0 }

// offsets makes the offset commit say for every partition what the state frames say. A
// transaction without records of a partition commits its offset too: it is the commit that
// the group's generation fences, so that no former owner can write state.
func (t *txn) offsets(req *kmsg.TxnOffsetCommitRequest) error {
	want := make(map[tp]*touch, len(t.touched))
	for _, u := range t.touched {
		if u.changed() {
			want[u.part.id] = u
		}
	}
	for i := range req.Topics {
		rt := &req.Topics[i]
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			u := want[tp{rt.Topic, rp.Partition}]
			if u == nil || (rp.Offset != u.next && !u.skipped) {
				return fmt.Errorf("BUG: the client would commit %d for %s[%d], the transaction says %+v", rp.Offset, rt.Topic, rp.Partition, u)
			}
			u.commitAt(rp)
			delete(want, u.part.id)
		}
	}
	for id, u := range want {
		rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		rp.Partition = id.partition
		u.commitAt(&rp)
		addPartition(req, id.topic, rp)
	}
	return nil
}

func (u *touch) commitAt(rp *kmsg.TxnOffsetCommitRequestTopicPartition) {
	mark := commitMark(u.seq)
	rp.Offset, rp.Metadata = u.next, &mark
}

// commitMark is stored with a committed offset. It tells two transactions apart that
// commit the same offset.
func commitMark(seq uint64) string { return "seq=" + strconv.FormatUint(seq, 10) }

func addPartition(req *kmsg.TxnOffsetCommitRequest, topic string, rp kmsg.TxnOffsetCommitRequestTopicPartition) {
	for i := range req.Topics {
		if req.Topics[i].Topic == topic {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
			return
		}
	}
	rt := kmsg.NewTxnOffsetCommitRequestTopic()
	rt.Topic = topic
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
}

// writeDelta produces the change of a partition's state, in several frames if it is large.
func (t *txn) writeDelta(u *touch) {
	s := t.s
	s.scratch = u.part.state.AppendDelta(s.scratch[:0])
	t.writePieces(u, frameDeltaPart, frameDelta, s.scratch)
}

// writePieces produces a payload as frames of kind part and a last one of kind end.
func (t *txn) writePieces(u *touch, part, end frameKind, payload []byte) {
	for len(payload) > framePiece {
		t.writeFrame(u, part, payload[:framePiece])
		payload = payload[framePiece:]
	}
	t.writeFrame(u, end, payload)
}

func (t *txn) writeFrame(u *touch, kind frameKind, payload []byte) {
	c := &t.s.l.cfg
	u.seq++
	u.frames += int64(len(payload))
	f := frame{
		Kind: kind, Version: c.Version, Seq: u.seq, Partition: u.part.id.partition, Next: u.next,
		Watermark: u.watermark, Stage: c.Stage, Topic: u.part.topic, Payload: payload,
	}
	r := &kgo.Record{
		Topic: c.Kafka.Topic(StateTopic(c.Stage, u.part.topic)), Partition: u.part.id.partition,
		Value: f.appendTo(make([]byte, 0, len(payload)+128)),
	}
	if t.firstFrame == nil {
		t.firstFrame = r
	}
	t.produceOne(r)
}

// settled makes memory agree with the transaction that was committed.
func (t *txn) settled() {
	s := t.s
	s.l.census.take(s.unsettled)
	stats := Stats{Outputs: make(map[string]int64), RejectReasons: make(map[string]int64)}
	for _, u := range t.touched {
		p := u.part
		if !u.changed() {
			continue
		}
		if p.state != nil {
			p.state.Commit()
			p.warmed = false
			p.countedSince(func(name string, n uint64) {
				s.l.m.counted.WithLabelValues(s.l.cfg.Stage, name).Add(float64(n))
			})
		}
		p.next, p.seq, p.watermark = u.next, u.seq, u.watermark
		p.snap.since += u.frames
		p.tries, p.careful = 0, false
		p.outlived()
		s.l.effects.taken(p.inbox.taken(u.returns))
		for _, w := range u.works {
			stats.count(&w.batch)
			s.l.effects.submit(p, w.batch.Calls)
		}
		if u.skipped {
			s.seek(p, u.next)
		}
	}
	s.l.tally.committed(&stats)
	s.l.m.count(s.l.cfg.Stage, &stats)
}

func (s *session) seek(p *part, to int64) {
	s.gts.Client().SetOffsets(map[string]map[int32]kgo.EpochOffset{
		p.id.topic: {p.id.partition: {Epoch: -1, Offset: to}},
	})
}

// abort ends the transaction without any of it, and takes the stages back to what is
// committed. The client reads on from there.
func (t *txn) abort(ctx context.Context) error {
	s := t.s
	if t.begun {
		if _, err := s.gts.End(ctx, kgo.TryAbort); err != nil {
			return fmt.Errorf("abort transaction: %w", err)
		}
		t.begun = false
		s.l.m.transactions.WithLabelValues(s.l.cfg.Stage, "aborted").Inc()
		s.l.tally.aborted()
	}
	return t.rollback()
}

func (t *txn) rollback() error {
	for _, u := range t.touched {
		if err := u.part.rollback(); err != nil {
			return fmt.Errorf("roll back %s[%d]: %w", u.part.topic, u.part.id.partition, err)
		}
	}
	return nil
}
