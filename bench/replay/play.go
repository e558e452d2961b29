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
func (c *Config) play(ctx context.Context, v Variant) (o outputs, err error) {
	var clock atomic.Int64
	cluster, err := newBroker(&clock)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	k := run.Kafka{Brokers: cluster.ListenAddrs()}
	if err := c.feed(ctx, k); err != nil {
		return nil, err
	}
	clock.Store(int64(c.end()))

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var lanes []*lane
	defer func() {
		for _, l := range lanes {
			err = errors.Join(err, l.stop())
		}
	}()
	for i := range c.Stages {
		for n := range v.Lanes {
			l := &lane{template: c.Stages[i], kafka: k, number: n, batch: v.Batch, clock: &clock, failed: cancel}
			if err := l.start(ctx); err != nil {
				return nil, err
			}
			lanes = append(lanes, l)
		}
	}
	if err := disturb(ctx, v, lanes); err != nil {
		return nil, err
	}
	if err := c.drain(ctx, k); err != nil {
		return nil, err
	}
	clock.Add(afterwards.Milliseconds())
	if err := c.settle(ctx, k); err != nil {
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

// inputs are the groups of the stages.
func (c *Config) inputs(k run.Kafka) []run.Input {
	var in []run.Input
	for i := range c.Stages {
		in = append(in, run.Input{Group: run.Group(k, c.Stages[i].Stage), Topics: c.Stages[i].Topics})
	}
	return in
}

func (c *Config) drain(ctx context.Context, k run.Kafka) error {
	for {
		lag, err := run.Lag(ctx, k, c.inputs(k)...)
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

// settle waits until all partitions of all stages had the time to tick a few times and
// nothing new came of it.
func (c *Config) settle(ctx context.Context, k run.Kafka) error {
	before := ""
	for calm := 0; calm < 3; {
		if err := wait(ctx, 5*tickEvery); err != nil {
			return err
		}
		if err := c.drain(ctx, k); err != nil {
			return err
		}
		now, err := collect(ctx, k.Brokers)
		if err != nil {
			return err
		}
		if counts := now.counts(c.Compare); counts != before {
			before, calm = counts, 0
			continue
		}
		calm++
	}
	return nil
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
