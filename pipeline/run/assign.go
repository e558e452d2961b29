package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/internal/crash"
	"github.com/riposte-sec/riposte/pipeline"
)

// assigned is called by the group when partitions are assigned, before the first of their
// records is fetched: it makes the stage instances and restores their
// state. What cannot be read now is an error, and the group tries again; a partition whose
// state is unusable is left out, and so never fetched.
func (s *session) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	start := time.Now()
	fresh, err := s.restoreAll(ctx, offsets)
	if err != nil {
		return nil, err
	}
	crash.Point(crash.AfterRestore)
	s.l.m.restoreTime.WithLabelValues(s.l.cfg.Stage).Observe(time.Since(start).Seconds())
	out := make(map[string]map[int32]kgo.Offset, len(offsets))
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.given)
	for id, p := range fresh {
		if old := s.parts[id]; old != nil {
			s.drop(old)
		}
		p.given = time.Now()
		s.parts[id] = p
		if out[id.topic] == nil {
			out[id.topic] = make(map[int32]kgo.Offset)
		}
		// The position is always a number: the client takes a partition without one for
		// uncommitted and would go back to zero after an abort.
		out[id.topic][id.partition] = kgo.NewOffset().At(p.next)
		s.gts.Client().ResumeFetchPartitions(map[string][]int32{id.topic: {id.partition}}) // a former owner within this session may have paused it
	}
	s.l.census.forget()
	s.l.setServes(len(s.parts))
	s.l.waker.ring() // what was due while nobody served the partitions is due now
	return out, nil
}

// awaits notes partitions that the group has just assigned. It is not known yet where they
// are read from.
func (s *session) awaits(given map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, partitions := range given {
		for _, n := range partitions {
			s.given[tp{topic, n}] = time.Now()
		}
	}
}

// waitsFor returns how many partitions are assigned and not served yet, and since when at
// the longest.
func (s *session) waitsFor(now time.Time) (n int, longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, since := range s.given {
		longest = max(longest, now.Sub(since))
	}
	return len(s.given), longest
}

// restoreAll makes a part for every partition of offsets that can be served.
func (s *session) restoreAll(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[tp]*part, error) {
	fresh := make(map[tp]*part)
	committed := make(map[tp]int64)
	restores := make(map[tp]*restorer) // by input partition
	for topic, partitions := range offsets {
		for n, o := range partitions {
			id := tp{topic, n}
			if have := s.partitions[s.l.cfg.Kafka.Name(topic)]; n >= have {
				return nil, pipeline.AsStop(reasonPartitions, fmt.Errorf("topic %s: %w: a partition was added to the %d that it had: "+
					"keys would change partition and lose their state; move to topics with another prefix", topic, ErrPartitions, have))
			}
			p, err := s.newPart(id)
			if err != nil {
				return nil, err
			}
			fresh[id] = p
			committed[id] = o.EpochOffset().Offset
			if p.state != nil {
				restores[id] = s.restorer(p)
			}
		}
	}
	if err := s.startOffsets(ctx, fresh, committed); err != nil {
		return nil, err
	}
	s.findSuspects(ctx, fresh)
	refused, err := s.readStates(ctx, restores)
	if err != nil {
		return nil, err
	}
	var whole []*part
	for id, r := range restores {
		err := refused[id]
		if err == nil {
			err = fresh[id].adopt(r, committed[id])
		}
		switch {
		case err == nil:
			whole = append(whole, fresh[id])
			s.l.accept(id)
		case isUnusable(err):
			s.l.refuse(id, fmt.Errorf("state of stage %s for %s[%d]: %w", s.l.cfg.Stage, id.topic, id.partition, err))
			delete(fresh, id)
		default:
			return nil, err
		}
	}
	if err := s.warm(ctx, whole); err != nil {
		return nil, err
	}
	return fresh, nil
}

// newPart makes a part with a new stage instance.
func (s *session) newPart(id tp) (*part, error) {
	topic := s.l.cfg.Kafka.Name(id.topic)
	var st pipeline.Stage
	err := guard(func() (err error) {
		st, err = s.l.cfg.New(topic, id.partition)
		return err
	})
	if err != nil {
		return nil, pipeline.AsStop("factory", fmt.Errorf("stage for %s[%d]: %w", topic, id.partition, err))
	}
	p := &part{id: id, topic: topic, stage: st, seenAt: time.Now(), snap: snapshotAge{at: time.Now()}, tenure: s.tenure}
	p.state, _ = st.(pipeline.Stateful)
	return p, nil
}

func (s *session) restorer(p *part) *restorer {
	return &restorer{
		stage: s.l.cfg.Stage, version: s.l.cfg.Version, topic: p.topic, partition: p.id.partition,
		fresh: func() (pipeline.Stateful, error) {
			again, err := s.newPart(p.id)
			if err != nil {
				return nil, err
			}
			return again.state, nil
		},
	}
}

// adopt takes over what a restorer read, if it is whole and belongs to the committed
// offset.
func (p *part) adopt(r *restorer, committed int64) error {
	state, err := r.finish(committed)
	if err != nil {
		return err
	}
	p.stage, p.state = state, state
	p.seq, p.watermark = r.seq, r.watermark
	p.snap = snapshotAge{at: time.Now(), bytes: r.snapBytes, since: r.sinceBytes}
	return nil
}

// startOffsets sets where each part starts to read: at the committed offset, or at the
// start of the partition if there is none.
func (s *session) startOffsets(ctx context.Context, fresh map[tp]*part, committed map[tp]int64) error {
	var unknown []tp
	for id, p := range fresh {
		if p.next = committed[id]; p.next < 0 {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	starts, err := s.adm.ListStartOffsets(ctx, topicsOf(unknown)...)
	if err != nil {
		return fmt.Errorf("start of the input: %w", err)
	}
	for _, id := range unknown {
		at, err := listed(starts, id)
		if err != nil {
			return err
		}
		fresh[id].next = at
	}
	return nil
}

// readStates feeds the restorers with the frames of their state partitions.
func (s *session) readStates(ctx context.Context, restores map[tp]*restorer) (refused map[tp]error, err error) {
	if len(restores) == 0 {
		return nil, nil
	}
	input := make(map[tp]tp, len(restores)) // input partition by state partition
	for id, r := range restores {
		input[tp{s.l.cfg.Kafka.Topic(StateTopic(r.stage, r.topic)), r.partition}] = id
	}
	patience := s.l.cfg.TransactionTimeout + 10*time.Second
	spans, err := settle(ctx, s.adm, slices.Collect(maps.Keys(input)), patience)
	if err != nil {
		return nil, err
	}
	appliers := make(map[tp]*applier, len(spans))
	for p := range spans {
		appliers[p] = startApplier(restores[input[p]])
	}
	_, err = readSpans(ctx, s.l.cfg.Kafka, spans, func(p tp, r *kgo.Record) error {
		appliers[p].frames <- r
		return nil
	})
	refused = make(map[tp]error)
	for p, a := range appliers {
		if bad := a.end(); bad != nil {
			refused[input[p]] = bad
		}
	}
	if err != nil {
		return nil, err
	}
	return refused, nil
}

// applier restores one partition beside the reading of others: what frames hold takes longer
// to build than to read.
type applier struct {
	frames chan *kgo.Record
	done   chan struct{}
	bad    error // the first frame that cannot be used; those behind it are left
}

// framesAhead is how many frames may wait for an applier; most are smaller than framePiece.
const framesAhead = 8

func startApplier(r *restorer) *applier {
	a := &applier{frames: make(chan *kgo.Record, framesAhead), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for rec := range a.frames {
			if a.bad != nil {
				continue
			}
			err := guard(func() error { return r.add(rec.Value) })
			if _, panicked := errors.AsType[*panicError](err); panicked {
				err = fmt.Errorf("%w: %w", errDamaged, err)
			}
			if err != nil {
				a.bad = fmt.Errorf("%s[%d] at offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
			}
		}
	}()
	return a
}

// end waits until all frames are taken, and returns the error of the one that cannot be used.
func (a *applier) end() error {
	close(a.frames)
	<-a.done
	return a.bad
}

// ours returns the parts that the client itself holds to be ours, and forgets those that
// it does not any more: of several revocations within one transaction it tells only the
// first. Everything that is not driven by a fetched record must start here.
func (s *session) ours() []*part { return s.agree(s.gts.Client().CommittedOffsets(), time.Now()) }

// unsure is for how long the client and the session may differ about a partition. The client
// holds it a moment after assigned has returned, and a moment longer than revoked is told.
const unsure = 5 * time.Second

// agree brings the parts in line with what the client holds.
func (s *session) agree(held map[string]map[int32]kgo.EpochOffset, now time.Time) []*part {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ps []*part
	for id, p := range s.parts {
		_, ok := held[id.topic][id.partition]
		switch {
		case ok:
			p.owned = true
			ps = append(ps, p)
		case p.owned || now.Sub(p.given) > unsure:
			s.drop(p)
			delete(s.parts, id)
		}
	}
	lone := false
	for topic, partitions := range held {
		for n := range partitions {
			lone = lone || s.parts[tp{topic, n}] == nil
		}
	}
	switch {
	case !lone:
		s.lone = time.Time{}
	case s.lone.IsZero():
		s.lone = now
	}
	s.l.setServes(len(s.parts))
	return ps
}

// errLone ends a session whose client holds a partition that nothing serves: the next one is
// given it anew.
var errLone = errors.New("a partition is held and not served")

// settled brings the parts in line with what the client holds, and returns an error if that
// cannot be done.
func (s *session) settled(now time.Time) error {
	s.ours()
	if !s.lone.IsZero() && now.Sub(s.lone) > unsure {
		return errLone
	}
	return nil
}
