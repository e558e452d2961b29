package run

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// Reasons of rejects that come from the runtime itself.
const (
	// ReasonPoison: the stage failed on the record three times, or the process ended over it
	// three times.
	ReasonPoison = "poison"
	// ReasonTooLarge: the record lay in a batch that unpacks to more than 64 MiB. Its bytes
	// are not kept; the header HeaderRejectOffset names the first of the batch.
	ReasonTooLarge = "batch_too_large"
)

// maxTries is how often a batch may fail before the runtime looks for the record to blame.
const maxTries = 3

// stageFailed decides how to go on after a stage failed and its transaction was aborted.
func (s *session) stageFailed(ctx context.Context, f *stageError) error {
	p := f.part
	fault, reason := pipeline.FaultOf(f.err)
	switch {
	case fault == pipeline.FaultNone:
		return f.err
	case fault == pipeline.FaultStop && reason != "unmarked":
		return f
	case fault == pipeline.FaultRetry:
		s.l.m.retries.WithLabelValues(s.l.cfg.Stage, reason).Inc()
		sleep(ctx, max(pipeline.RetryAfter(f.err), s.trouble.step()))
		return nil
	}
	p.tries++
	s.l.m.retries.WithLabelValues(s.l.cfg.Stage, "stage").Inc()
	s.l.log.Warn("stage failed", "topic", p.topic, "partition", p.id.partition, "offset", p.next, "try", p.tries, "err", f.err)
	if p.tries >= maxTries {
		if f.records == 0 {
			return pipeline.AsStop("stage", fmt.Errorf("%w: failed %d times without a record to blame", f, p.tries))
		}
		p.careful = true
	}
	if err := s.renew(p); err != nil {
		return err
	}
	s.trouble.sleep(ctx)
	return nil
}

// renew makes a new instance of a stage without state, which cannot be rolled back.
func (s *session) renew(p *part) error {
	if p.state != nil {
		return nil
	}
	again, err := s.newPart(p.id)
	if err != nil {
		return err
	}
	p.stage = again.stage
	return nil
}

// processCarefully finds the records that make the stage fail and rejects them; the others
// are processed. It tries prefixes on the state as it is committed, taking each trial back,
// so that the transaction holds nothing but the final, good run.
func (t *txn) processCarefully(ctx context.Context, u *touch, rs []*kgo.Record) error {
	bad := make(map[int]error)
	for {
		works, failed := t.trial(ctx, u, rs, bad)
		if failed == nil {
			for _, r := range works {
				t.accept(u, r.work, r.records)
			}
			return nil
		}
		if !isPoison(failed) {
			return failed
		}
		i, err := t.search(ctx, u, rs, bad)
		if err != nil {
			return err
		}
		if bad[i] != nil {
			return pipeline.AsStop("stage", fmt.Errorf("stage fails at random: %w", failed))
		}
		bad[i] = failed
		t.s.l.log.Error("poison record rejected", "topic", u.part.topic, "partition", u.part.id.partition,
			"offset", rs[i].Offset, "err", failed)
	}
}

// isPoison reports whether a failure may be blamed on a record.
func isPoison(err error) bool {
	fault, reason := pipeline.FaultOf(err)
	return fault == pipeline.FaultReject || fault == pipeline.FaultUnknown || reason == "unmarked"
}

// search returns the index of the last record of the shortest prefix of rs that fails.
func (t *txn) search(ctx context.Context, u *touch, rs []*kgo.Record, bad map[int]error) (int, error) {
	good, fails := 0, len(rs)
	for fails-good > 1 {
		mid := (good + fails) / 2
		works, err := t.trial(ctx, u, rs[:mid], bad)
		switch {
		case err == nil:
			good = mid
			if err := t.takeBack(u, works); err != nil {
				return 0, err
			}
		case isPoison(err):
			fails = mid
		default:
			return 0, err
		}
	}
	return fails - 1, nil
}

// segment is a computed batch and the records that it covers.
type segment struct {
	work    *work
	records []*kgo.Record
}

// trial computes rs without the bad ones, which become rejects. On an error everything is
// taken back already.
func (t *txn) trial(ctx context.Context, u *touch, rs []*kgo.Record, bad map[int]error) ([]segment, error) {
	v := *u
	var done []segment
	for from := 0; from < len(rs); {
		to := from
		for to < len(rs) && bad[to] == nil && to-from < t.s.l.cfg.MaxBatch {
			to++
		}
		if to == from {
			to++
			done = append(done, segment{t.s.rejected(u.part, rs[from], bad[from]), rs[from:to]})
			from = to
			continue
		}
		w, err := t.compute(ctx, &v, rs[from:to])
		if err != nil {
			if back := t.takeBack(u, done); back != nil {
				return nil, back
			}
			return nil, err
		}
		v.watermark = max(v.watermark, w.newest)
		v.returns += len(w.batch.Returns)
		done = append(done, segment{w, rs[from:to]})
		from = to
	}
	return done, nil
}

// takeBack undoes a trial.
func (t *txn) takeBack(u *touch, done []segment) error {
	for _, r := range done {
		t.s.put(r.work)
	}
	if err := u.part.rollback(); err != nil {
		return fmt.Errorf("roll back %s[%d]: %w", u.part.topic, u.part.id.partition, err)
	}
	return t.s.renew(u.part)
}

// rejected returns a batch that rejects one record as poison.
func (s *session) rejected(p *part, r *kgo.Record, why error) *work {
	w := s.work(p)
	w.read([]*kgo.Record{r})
	w.batch.Reject(0, s.l.cfg.Stage, ReasonPoison, brief(why))
	return w
}

// brief returns the first line of an error's text, at most 300 bytes of it.
func brief(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return strings.ToValidUTF8(text[:min(len(text), 300)], "")
}

// skip rejects a batch of records that is too large to unpack, and goes on behind it.
func (t *txn) skip(ctx context.Context, large *kgo.ErrDecompressTooLarge) error {
	s := t.s
	p := s.find(tp{large.Topic, large.Partition})
	if p == nil {
		return nil // lost meanwhile: whoever has it now will meet the batch too
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	u := t.touch(p)
	w := s.work(p)
	w.read([]*kgo.Record{{Topic: large.Topic, Partition: large.Partition, Offset: large.Offset, Timestamp: time.UnixMilli(int64(u.watermark))}})
	w.batch.Reject(0, s.l.cfg.Stage, ReasonTooLarge, fmt.Sprintf("records %d to %d", large.Offset, large.NextOffset-1))
	t.accept(u, w, nil)
	u.next, u.skipped, t.full = large.NextOffset, true, true
	return nil
}
