package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/riposte-sec/riposte/internal/crash"
)

// snapshotIfDue writes a snapshot of one partition whose deltas have outgrown it.
func (s *session) snapshotIfDue(ctx context.Context, done *txn) error {
	c := &s.l.cfg
	for _, u := range done.touched {
		p := u.part
		if p.state == nil || s.find(p.id) != p || p.snap.since == 0 {
			continue
		}
		grown := p.snap.since >= max(p.snap.bytes, c.SnapshotBytes)
		old := !p.snap.at.IsZero() && time.Since(p.snap.at) >= c.SnapshotEvery
		if grown || old {
			return s.snapshot(ctx, p)
		}
	}
	return nil
}

// snapshot writes the whole state of p in a transaction of its own and then trims the state
// topic below it. A crash in between leaves older frames, which a restore reads over.
func (s *session) snapshot(ctx context.Context, p *part) error {
	t := &txn{s: s}
	defer s.recycle(t)
	if err := t.begin(ctx); err != nil {
		return err
	}
	u := t.touch(p)
	u.works = append(u.works, s.work(p))
	before := u.seq
	err := guard(func() error {
		return p.state.Snapshot(func(piece []byte) error {
			t.writePieces(u, frameChunkPart, frameChunk, piece)
			return ctx.Err()
		})
	})
	if err != nil {
		return errors.Join(fmt.Errorf("snapshot of %s[%d]: %w", p.topic, p.id.partition, err), t.abort(ctx))
	}
	t.writeFrame(u, frameSeal, binary.BigEndian.AppendUint32(nil, uint32(u.seq-before)))
	size := u.frames
	committed, err := t.end(ctx)
	if err != nil || !committed {
		return err
	}
	p.snap = snapshotAge{at: time.Now(), bytes: size}
	s.l.m.snapshots.WithLabelValues(s.l.cfg.Stage).Inc()
	crash.Point(crash.AfterSnapshot)
	s.trim(ctx, p, t.firstFrame.Offset)
	return nil
}

// trim deletes the frames that a snapshot made needless. If it cannot be done now, the next
// snapshot does it.
func (s *session) trim(ctx context.Context, p *part, below int64) {
	c := &s.l.cfg
	topic := c.Kafka.Topic(StateTopic(c.Stage, p.topic))
	var to kadm.Offsets
	to.AddOffset(topic, p.id.partition, below, -1)
	got, err := s.adm.DeleteRecords(ctx, to)
	if err == nil {
		err = got.Error()
	}
	if err != nil {
		s.l.log.Warn("state topic not trimmed", "topic", topic, "partition", p.id.partition, "err", err)
	}
}
