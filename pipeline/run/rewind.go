package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// Anew makes the input of a stage again of a topic that it was made of, for rules that it was
// not made for before: see pipeline.Cold.
type Anew struct {
	// Topic is what the input is made of, without prefix.
	Topic string
	// Past is how far back Topic is read at most. Positive.
	Past time.Duration
	// New returns the stage that makes the input for the given rules: of records of Topic it
	// makes messages to the input topic. It is called for each warm-up.
	New func(rules []string) (pipeline.Stage, error)
}

// rewindSlice is how many records are read before they are given to the stages in the order
// of their time: a few dozen megabytes.
const rewindSlice = 20_000

// rewinder reads for the partitions that are warmed.
type rewinder struct {
	s     *session
	parts map[tp]*warming
	made  pipeline.Stage // of Anew; nil: nobody wants it
	lies  map[tp]func(key []byte) bool
	work  work
}

// rewind gives the stages what they want to read again. What they say is in warming.failed;
// an error means that the records could not be read.
func (s *session) rewind(ctx context.Context, all []*warming) error {
	r := &rewinder{s: s, parts: make(map[tp]*warming, len(all)), lies: make(map[tp]func([]byte) bool, len(all))}
	spans := make(map[tp]span)
	oldest := s.l.now()
	for _, x := range all {
		r.parts[x.part.id], r.lies[x.part.id] = x, s.lies(x.part.id)
		if x.cold.Since == 0 {
			continue
		}
		from, whole, err := s.since(ctx, x.part.id.topic, x.cold.Since)
		if err != nil {
			return err
		}
		id := x.part.id
		x.short = !whole[id]
		spans[id] = span{min(from[id], x.part.next), x.part.next}
		oldest = min(oldest, x.cold.Since)
	}
	since, err := r.anewSpans(ctx, all, spans)
	if err != nil {
		return err
	}
	return r.slice(ctx, spans, min(oldest, since), s.l.now())
}

// anewSpans adds to spans what must be read of the topic that the input is made of, if a
// stage wants it, and returns from when on. Stages are told what is yet to come of the same
// events: what lies in the topic below its end has led to nothing behind the end that the
// input has after that was asked.
func (r *rewinder) anewSpans(ctx context.Context, all []*warming, spans map[tp]span) (since pipeline.Millis, err error) {
	s, now := r.s, r.s.l.now()
	var rules []string
	since = now
	for _, x := range all {
		if len(x.cold.Anew) > 0 {
			rules = append(rules, x.cold.Anew...)
			since = min(since, x.cold.AnewSince)
		}
	}
	if len(rules) == 0 {
		return now, nil
	}
	if s.l.cfg.Anew == nil {
		r.fail(errors.New("nothing makes the input anew"))
		return now, nil
	}
	slices.Sort(rules)
	if err := guard(func() (err error) { r.made, err = s.l.cfg.Anew.New(slices.Compact(rules)); return err }); err != nil {
		r.fail(err)
		return now, nil
	}
	least := now.Add(-s.l.cfg.Anew.Past)
	from, whole, err := s.since(ctx, s.l.cfg.Kafka.Topic(s.l.cfg.Anew.Topic), max(since, least))
	if err != nil {
		return 0, err
	}
	ends, err := s.adm.ListCommittedOffsets(ctx, s.l.cfg.Kafka.Topic(s.l.cfg.Anew.Topic))
	if err != nil {
		return 0, err
	}
	everything := true
	for id := range from {
		end, err := listed(ends, id)
		if err != nil {
			return 0, err
		}
		spans[id] = span{min(from[id], end), end}
		everything = everything && whole[id]
	}
	for _, x := range all {
		if len(x.cold.Anew) > 0 {
			x.short = x.short || !everything || x.cold.AnewSince < least
		}
	}
	return max(since, least), r.await(ctx, all)
}

// await tells the stages that want their input anew what they will get later.
func (r *rewinder) await(ctx context.Context, all []*warming) error {
	s, spans := r.s, make(map[tp]span)
	for _, x := range all {
		if len(x.cold.Anew) == 0 {
			continue
		}
		ends, err := s.adm.ListEndOffsets(ctx, x.part.id.topic)
		if err != nil {
			return err
		}
		end, err := listed(ends, x.part.id)
		if err != nil {
			return err
		}
		spans[x.part.id] = span{x.part.next, end}
	}
	return r.read(ctx, spans, pipeline.Warmer.Await)
}

// since returns, for each partition of a topic, the offset of the first record appended
// since a time, and whether the log holds all of them.
func (s *session) since(ctx context.Context, topic string, since pipeline.Millis) (from map[tp]int64, whole map[tp]bool, err error) {
	starts, err := s.adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	ats, err := s.adm.ListOffsetsAfterMilli(ctx, int64(since), topic)
	if err != nil {
		return nil, nil, err
	}
	from, whole = make(map[tp]int64), make(map[tp]bool)
	for n := range starts[topic] {
		id := tp{topic, n}
		start, err := listed(starts, id)
		if err != nil {
			return nil, nil, err
		}
		at, err := listed(ats, id)
		if err != nil {
			return nil, nil, err
		}
		from[id], whole[id] = max(at, start), start == 0 || at > start
	}
	return from, whole, nil
}

// slice gives the stages what lies in spans, which was appended between two times. If that
// is much it is done half by half, because records of several partitions must be brought
// into the order of their time first.
func (r *rewinder) slice(ctx context.Context, spans map[tp]span, since, until pipeline.Millis) error {
	var n int64
	for _, sp := range spans {
		n += sp.to - sp.from
	}
	switch {
	case n == 0:
		return nil
	case n <= rewindSlice || until-since <= 1:
		return r.read(ctx, spans, pipeline.Warmer.Warm)
	}
	mid := since + (until-since)/2
	early, late := make(map[tp]span, len(spans)), make(map[tp]span, len(spans))
	for _, topic := range topicsOf(slices.Collect(maps.Keys(spans))) {
		at, _, err := r.s.since(ctx, topic, mid)
		if err != nil {
			return err
		}
		for id, sp := range spans {
			if id.topic == topic {
				cut := min(max(at[id], sp.from), sp.to)
				early[id], late[id] = span{sp.from, cut}, span{cut, sp.to}
			}
		}
	}
	if err := r.slice(ctx, early, since, mid); err != nil {
		return err
	}
	return r.slice(ctx, late, mid, until)
}

// read reads spans and gives what each partition has of them to f of its stage, in the order
// of time. What lies in one partition stays in the order of its offsets, also where a broker's
// clock was set back.
func (r *rewinder) read(ctx context.Context, spans map[tp]span, f func(pipeline.Warmer, context.Context, *pipeline.Batch) error) error {
	newest := make(map[tp]time.Time, len(spans))
	refused, err := readSpans(ctx, r.s.l.cfg.Kafka, spans, func(id tp, rec *kgo.Record) error {
		if rec.Offset >= spans[id].to {
			return nil
		}
		if newest[id].Before(rec.Timestamp) {
			newest[id] = rec.Timestamp
		}
		if x := r.parts[id]; x != nil {
			x.recs = append(x.recs, placed{rec, newest[id]})
			return nil
		}
		return r.make(ctx, placed{rec, newest[id]})
	})
	if err != nil {
		return err
	}
	for _, err := range refused {
		r.fail(err)
	}
	for _, x := range r.parts {
		slices.SortStableFunc(x.recs, func(a, b placed) int { return a.at.Compare(b.at) })
		recs := make([]*kgo.Record, len(x.recs))
		for i, rec := range x.recs {
			recs[i] = rec.Record
		}
		for rs := range slices.Chunk(recs, r.s.l.cfg.MaxBatch) {
			if x.failed == nil {
				b := r.batch(x.part.topic, x.part.id.partition, rs)
				x.failed = guard(func() error { return f(x.stage, ctx, b) })
			}
		}
		x.recs = nil
	}
	return nil
}

// make makes the input of one record of the topic that it is made of.
func (r *rewinder) make(ctx context.Context, rec placed) error {
	b := r.batch(r.s.l.cfg.Anew.Topic, rec.Partition, []*kgo.Record{rec.Record})
	if err := guard(func() error { return r.made.Process(ctx, b) }); err != nil {
		return err
	}
	for i := range b.Out {
		m := &b.Out[i]
		made := &kgo.Record{Topic: r.s.l.cfg.Kafka.Topic(m.Topic), Key: bytes.Clone(m.Key), Value: bytes.Clone(m.Value), Timestamp: rec.Timestamp}
		for id, x := range r.parts {
			if id.topic == made.Topic && len(x.cold.Anew) > 0 && (x.cold.Wide || r.lies[id](made.Key)) {
				x.recs = append(x.recs, placed{made, rec.at})
			}
		}
	}
	return nil
}

// batch returns a batch with records, which reads right until the next one is asked for.
func (r *rewinder) batch(topic string, partition int32, rs []*kgo.Record) *pipeline.Batch {
	w := &r.work
	w.batch.Reset()
	w.batch.Topic, w.batch.Partition, w.batch.Tenant = topic, partition, r.s.l.cfg.Tenant
	clear(w.in)
	w.in = w.in[:0]
	w.read(rs)
	return &w.batch
}

// fail keeps the partitions that want their input anew from being warmed.
func (r *rewinder) fail(err error) {
	for _, x := range r.parts {
		if len(x.cold.Anew) > 0 && x.failed == nil {
			x.failed = fmt.Errorf("make the input anew: %w", err)
		}
	}
}
