package run

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// warm reads the input of a restored partition a second time, if its stage says that parts
// of its state are not there. It runs before the first record is fetched. Nothing of it is
// committed here: a transaction of its own writes what it changed before the first record is
// processed, and until then a crash or an abort means that it is done again.
func (s *session) warm(ctx context.Context, p *part) error {
	w, ok := p.state.(pipeline.Warmer)
	if !ok || p.seq == 0 {
		return nil // without a state everything is read anyway
	}
	var cold pipeline.Cold
	if err := guard(func() error { cold = w.Cold(); return nil }); err != nil {
		return err
	}
	log := s.l.log.With("topic", p.topic, "partition", p.id.partition)
	count := func(result string, n int) {
		s.l.m.warmups.WithLabelValues(s.l.cfg.Stage, result).Add(float64(n))
	}
	if len(cold.Lost) > 0 {
		log.Warn("rules start without what happened before", "rules", cold.Lost)
		count("cold", len(cold.Lost))
	}
	p.warmed = len(cold.Rules)+len(cold.Lost) > 0
	if cold.Since == 0 {
		return nil
	}
	from, whole, err := s.since(ctx, p, cold.Since)
	if err != nil {
		return fmt.Errorf("warm-up of %s[%d]: %w", p.topic, p.id.partition, err)
	}
	if whole {
		log.Info("rules are warmed from the log", "rules", cold.Rules, "from", from, "to", p.next)
		count("warm", len(cold.Rules))
	} else {
		log.Warn("the log does not reach back as far as rules look: they may miss what began before",
			"rules", cold.Rules, "since", cold.Since.Time(), "from", from, "to", p.next)
		count("short", len(cold.Rules))
	}
	failed, err := s.warmFrom(ctx, p, w, from)
	if failed != nil { // the stage is as it was: to serve it cold is better than not at all
		log.Error("rules could not be warmed, they start without what happened before", "rules", cold.Rules, "err", failed)
		count("cold", len(cold.Rules))
	}
	return err
}

// warmed reports whether records came of a partition whose warm-up is not committed yet.
func (s *session) warmed(fetches kgo.Fetches) (yes bool) {
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		p := s.find(tp{f.Topic, f.Partition})
		yes = yes || p != nil && p.warmed
	})
	return yes
}

// putBack leaves the records of one partition for the next transaction, so that this one
// holds what the warm-ups changed and nothing that a record may make fail: a warmed stage
// cannot be rolled back, and without that the record to blame is never found.
func (t *txn) putBack(_ context.Context, f kgo.FetchTopicPartition) error {
	p := t.s.find(tp{f.Topic, f.Partition})
	if p == nil {
		return fmt.Errorf("BUG: records of %s[%d], which is not served", f.Topic, f.Partition)
	}
	if err := t.begin(); err != nil {
		return err
	}
	u := t.touch(p)
	u.works = append(u.works, t.s.work(p))
	u.skipped, t.full = true, true
	return nil
}

// since returns the offset of the first record appended since a time, at most that of the
// next one to process, and whether the log holds all of them.
func (s *session) since(ctx context.Context, p *part, since pipeline.Millis) (from int64, whole bool, err error) {
	starts, err := s.adm.ListStartOffsets(ctx, p.id.topic)
	if err != nil {
		return 0, false, err
	}
	start, err := listed(starts, p.id)
	if err != nil {
		return 0, false, err
	}
	at, err := s.adm.ListOffsetsAfterMilli(ctx, int64(since), p.id.topic)
	if err != nil {
		return 0, false, err
	}
	if from, err = listed(at, p.id); err != nil {
		return 0, false, err
	}
	from = min(max(from, start), p.next)
	return from, start == 0 || from > start, nil
}

// warmFrom gives the stage the records from an offset up to the next one to process. failed
// is what the stage said, err that the records could not be read.
func (s *session) warmFrom(ctx context.Context, p *part, w pipeline.Warmer, from int64) (failed, err error) {
	work := &work{}
	var rs []*kgo.Record
	flush := func() error {
		work.batch.Reset()
		work.batch.Topic, work.batch.Partition, work.batch.Tenant = p.topic, p.id.partition, s.l.cfg.Tenant
		clear(work.in)
		work.in = work.in[:0]
		work.read(rs)
		rs = rs[:0]
		return guard(func() error { return w.Warm(ctx, &work.batch) })
	}
	refused, err := readSpans(ctx, s.l.cfg.Kafka, map[tp]span{p.id: {from, p.next}}, func(_ tp, r *kgo.Record) error {
		if r.Offset >= p.next {
			return nil
		}
		if rs = append(rs, r); len(rs) < s.l.cfg.MaxBatch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return nil, fmt.Errorf("warm-up of %s[%d]: %w", p.topic, p.id.partition, err)
	}
	if failed = refused[p.id]; failed == nil && len(rs) > 0 {
		failed = flush()
	}
	if failed == nil {
		failed = guard(func() error { return w.Warmed(ctx) })
	}
	return failed, nil
}
