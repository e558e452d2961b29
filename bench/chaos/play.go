package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/riposte-sec/riposte/bench/oracle"
)

// play runs a variant to its end and returns what the oracle says.
func play(ctx context.Context, o options, v variant, out io.Writer) (report *oracle.Report, err error) {
	s, err := startStack(ctx, o, v, out)
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, s.close())
		for _, n := range s.notes {
			say(out, "note: %s", n)
		}
	}()
	say(out, "%d workers run, feeding %d records per second", o.workers, o.rate)
	g, err := s.feedAndPlay(ctx, v)
	if err != nil {
		return nil, err
	}
	say(out, "fed %d records, %d kills; draining", len(g.feed.truth.Entries), s.kills.Load())
	if err := g.feed.truth.Save(filepath.Join(o.dir, "truth.jsonl")); err != nil {
		return nil, err
	}
	s.crashPoints.Store(false)
	// A worker that still has a crash point would die while the run settles.
	for i := range s.workers {
		if err := s.killWorker(i); err != nil {
			return nil, err
		}
	}
	if err := episodesEnd(ctx, s); err != nil {
		return nil, err
	}
	report, err = settle(ctx, s, &g.feed.truth, v.expect())
	if err != nil {
		return nil, err
	}
	report.Kinds = s.killsByKind(v.crashPoints)
	if behind := time.Duration(s.behind.Load()); behind > s.lateness {
		say(out, "ingest was %v behind, more than the lateness of %v: episodes and late events say nothing about this run", behind.Round(time.Second), s.lateness)
	}
	report.Behind = time.Duration(s.behind.Load())
	if v.after != nil && report.OK() {
		if err := v.after(ctx, g); err != nil {
			return nil, fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return report, nil
}

// expect is what the shipped policy makes of triggers.
func (v variant) expect() oracle.Expect {
	return oracle.Expect{Rule: oracle.TriggerRule, Action: "ticket.open", Correlations: oracle.Correlations()}
}

// plan is what the variant feeds.
func (v variant) plan(o options) oracle.Plan {
	n := o.records
	if n == 0 {
		n = max(60*o.rate, o.kills*o.rate*3)
	}
	p := oracle.Default(o.seed, n)
	if v.poison > 0 {
		p.Poison = v.poison
	}
	p.AnyTime = v.skew != nil
	return p
}

// feedAndPlay feeds records while the variant makes its faults, and returns when the
// faults are over and everything that was sent is acknowledged.
func (s *stack) feedAndPlay(ctx context.Context, v variant) (*game, error) {
	f, err := newFeeder(v.plan(s.o), s.brokers.addrs(), s.o.rate)
	if err != nil {
		return nil, err
	}
	f.skew = v.skew
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fed, played := make(chan struct{}), make(chan struct{})
	g := &game{stack: s, feed: f, rand: rand.New(rand.NewPCG(s.o.seed, 1)), fed: fed}
	var wg sync.WaitGroup
	var feedErr, playErr error
	wg.Go(func() {
		defer close(fed)
		if feedErr = f.run(ctx, func() bool { return isClosed(played) }); feedErr != nil {
			cancel(feedErr)
		}
	})
	life, stop := context.WithCancel(ctx)
	defer stop()
	var watchErr error
	wg.Go(func() { watchErr = s.watchLag(life) })
	wg.Go(func() {
		defer stop()
		defer close(played)
		if playErr = v.play(ctx, g); playErr != nil {
			cancel(playErr)
		}
	})
	wg.Wait()
	if err := errors.Join(playErr, feedErr, watchErr); err != nil {
		return nil, err
	}
	return g, nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
