package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// playKills kills somebody every now and then, measured in records that were fed, until
// there were enough kills. Crash points add kills of their own in between.
func playKills(ctx context.Context, g *game) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	errs := make(chan error, 1)
	away := func(busy *sync.Mutex, f func() error) {
		if !busy.TryLock() {
			return // it is away already
		}
		wg.Go(func() {
			defer busy.Unlock()
			if err := f(); err != nil {
				select {
				case errs <- err:
				default:
				}
			}
		})
	}
	var brokerBusy, clickhouseBusy sync.Mutex
	next := int64(0)
	for g.kills.Load() < int64(g.o.kills) {
		next += int64(float64(g.o.rate) * between(g.rand, 300*time.Millisecond, 1500*time.Millisecond).Seconds())
		victim, which := g.rand.Float64(), g.rand.Int()
		broker, stay := which%g.brokers.count(), between(g.rand, 50*time.Millisecond, 1200*time.Millisecond)
		if err := g.fedTo(ctx, next, errs); err != nil {
			if errors.Is(err, errFed) {
				return nil
			}
			return err
		}
		switch {
		case victim < 0.75:
			if err := g.killWorker(which % len(g.workers)); err != nil {
				return err
			}
		case victim < 0.88:
			away(&brokerBusy, func() error { return g.killBroker(ctx, broker, stay) })
		default:
			away(&clickhouseBusy, func() error { return g.killClickHouse(ctx, stay) })
		}
	}
	return nil
}

// errFed says that the plan has no records left.
var errFed = errors.New("all records are fed")

// fedTo waits until n records are acknowledged.
func (g *game) fedTo(ctx context.Context, n int64, errs <-chan error) error {
	for g.feed.acked.Load() < n {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-g.fed:
			return errFed
		case err := <-errs:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
