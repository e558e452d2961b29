package run

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// warming is a restored partition whose stage says that parts of its state are not there.
type warming struct {
	part   *part
	stage  pipeline.Warmer
	cold   pipeline.Cold
	short  bool     // not everything that the stage wants can be read
	recs   []placed // for the stage, of the slice of time at hand
	failed error    // what the stage said
}

// placed is a record and where it belongs in the order of time.
type placed struct {
	*kgo.Record
	at time.Time
}

// warm reads the input of restored partitions a second time where their stages want it, and
// what it is made of where the input itself is of no use. It runs before the first record is
// fetched. Nothing of it is committed here: a transaction of its own writes what it changed
// before the first record is processed, and until then a crash or an abort means that it is
// done again.
func (s *session) warm(ctx context.Context, parts []*part) error {
	var all []*warming
	for _, p := range parts {
		w, ok := p.state.(pipeline.Warmer)
		if !ok || p.seq == 0 {
			continue // without a state everything is read anyway
		}
		x := &warming{part: p, stage: w}
		if err := guard(func() error { x.cold = w.Cold(s.l.now(), s.lies(p.id)); return nil }); err != nil {
			return err
		}
		if p.warmed = len(x.cold.Rules) > 0; p.warmed {
			all = append(all, x)
		}
	}
	if len(all) == 0 {
		return nil
	}
	if err := s.rewind(ctx, all); err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	for _, x := range all {
		if x.failed == nil {
			x.failed = guard(func() error { return x.stage.Warmed(ctx) })
		}
		s.tellWarm(x)
	}
	return nil
}

// lies returns what reports whether a record with a key lies in a partition.
func (s *session) lies(id tp) func(key []byte) bool {
	way := kgo.StickyKeyPartitioner(nil).ForTopic(id.topic)
	n := int(s.partitions[s.l.cfg.Kafka.Name(id.topic)])
	return func(key []byte) bool {
		return int32(way.Partition(&kgo.Record{Topic: id.topic, Key: key}, n)) == id.partition
	}
}

// tellWarm logs and counts what became of the rules of x.
func (s *session) tellWarm(x *warming) {
	log := s.l.log.With("topic", x.part.topic, "partition", x.part.id.partition)
	count := func(result string, rules []string) {
		s.l.m.warmups.WithLabelValues(s.l.cfg.Stage, result).Add(float64(len(rules)))
	}
	switch {
	case x.failed != nil: // the stage is as it was: to serve it cold is better than not at all
		log.Error("rules could not be warmed, they start without what happened before", "rules", x.cold.Rules, "err", x.failed)
		count("cold", x.cold.Rules)
	case x.short:
		log.Warn("what was read does not reach back as far as rules look: they may miss what began before",
			"rules", x.cold.Rules, "since", x.cold.Since.Time(), "anew", x.cold.Anew, "anew_since", x.cold.AnewSince.Time())
		count("short", x.cold.Rules)
	default:
		log.Info("rules were warmed from the log", "rules", x.cold.Rules, "anew", x.cold.Anew)
		count("warm", x.cold.Rules)
	}
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
// holds what the warm-ups changed, with what is to be told of it, and nothing that a record
// may make fail: a warmed stage cannot be rolled back, and without that the record to blame
// is never found.
func (t *txn) putBack(ctx context.Context, f kgo.FetchTopicPartition) error {
	p := t.s.find(tp{f.Topic, f.Partition})
	if p == nil {
		return fmt.Errorf("BUG: records of %s[%d], which is not served", f.Topic, f.Partition)
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	u := t.touch(p)
	u.skipped, t.full = true, true
	w, err := t.let(ctx, p, u.watermark)
	if err != nil {
		return err
	}
	t.accept(u, w, nil)
	return nil
}

// let lets time pass on a partition and returns what comes of it.
func (t *txn) let(ctx context.Context, p *part, now pipeline.Millis) (*work, error) {
	w := t.s.work(p)
	err := t.beside(func() error { return p.state.Tick(ctx, now, &w.batch) })
	if err == nil {
		err = w.fits()
	}
	if err != nil {
		t.s.put(w)
		return nil, &stageError{part: p, err: err}
	}
	return w, nil
}
