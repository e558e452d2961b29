package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/riposte-sec/riposte/pipeline/run"
)

// afterwards is how far the clock moves on once the input is drained: further than any
// deadline of a window, a fold or an incident.
const afterwards = 8 * 24 * time.Hour

// play runs the log once and returns what lies committed in the end.
func (g *leg) play(ctx context.Context, v Variant) (o outputs, err error) {
	var clock atomic.Int64
	cluster, err := newBroker(&clock)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	k := run.Kafka{Brokers: cluster.ListenAddrs()}
	if err := g.feed(ctx, k); err != nil {
		return nil, err
	}
	clock.Store(int64(g.end()))

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var lanes []*lane
	defer func() {
		for _, l := range lanes {
			l.cancel()
		}
		for _, l := range lanes {
			err = errors.Join(err, <-l.done)
		}
	}()
	for n := range v.Lanes {
		stages, err := g.Stages(ctx)
		if err != nil {
			return nil, err
		}
		l := &lane{template: stages[g.stage], kafka: k, number: n, batch: v.Batch, clock: &clock, failed: cancel}
		if err := l.start(ctx); err != nil {
			return nil, err
		}
		lanes = append(lanes, l)
	}
	if err := disturb(ctx, v, lanes); err != nil {
		return nil, err
	}
	if err := g.drain(ctx, k); err != nil {
		return nil, err
	}
	clock.Add(afterwards.Milliseconds())
	if err := g.settle(ctx, k, lanes); err != nil {
		return nil, err
	}
	return collect(ctx, k.Brokers)
}

// disturb cuts lanes off at random times.
func disturb(ctx context.Context, v Variant, lanes []*lane) error {
	r := rand.New(rand.NewPCG(v.Seed, 0x637261736873))
	for range v.Crashes {
		if err := wait(ctx, 20*time.Millisecond+time.Duration(r.Int64N(int64(150*time.Millisecond)))); err != nil {
			return err
		}
		if err := lanes[r.IntN(len(lanes))].crash(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (g *leg) drain(ctx context.Context, k run.Kafka) error {
	for {
		lag, err := run.Lag(ctx, k, run.Input{Group: run.Group(k, g.group), Topics: g.topics})
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		if lag == 0 {
			return nil
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// settle waits until all partitions had the time to tick a few times and
// nothing new came of it.
func (g *leg) settle(ctx context.Context, k run.Kafka, lanes []*lane) error {
	before := ""
	for calm := 0; calm < 3; {
		if err := wait(ctx, 5*tickEvery); err != nil {
			return fmt.Errorf("%w; lanes serve %v of %d partitions", err, serving(lanes), len(g.topics)*int(g.Partitions))
		}
		if !g.served(lanes) { // a lane that crashed late is on its way back
			calm = 0
			continue
		}
		if err := g.drain(ctx, k); err != nil {
			return err
		}
		now, err := collect(ctx, k.Brokers)
		if err != nil {
			return err
		}
		if counts := now.counts(g.compare); counts != before {
			before, calm = counts, 0
			continue
		}
		calm++
	}
	return nil
}

// served reports whether every partition has a lane.
func (g *leg) served(lanes []*lane) bool {
	missing := len(g.topics) * int(g.Partitions)
	for _, n := range serving(lanes) {
		missing -= n
	}
	return missing == 0
}

// serving returns how many partitions each lane serves.
func serving(lanes []*lane) []int {
	ns := make([]int, len(lanes))
	for i, l := range lanes {
		ns[i] = l.made.Serves()
	}
	return ns
}

// wait waits for d, or returns the reason why ctx ended.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
