package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// playKills kills somebody every now and then, measured in records that were fed, until
// there were enough kills. Workers die by themselves in between, see worker.fate.
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
	next, began := int64(0), time.Now()
	for g.kills.Load() < int64(g.o.kills) && (g.o.most == 0 || time.Since(began) < g.o.most) {
		next += int64(float64(g.o.rate) * between(g.rand, time.Second, 6*time.Second).Seconds())
		victim, which := g.rand.Float64(), g.rand.Int()
		broker, stay := which%g.brokers.count(), between(g.rand, 50*time.Millisecond, 1200*time.Millisecond)
		if err := g.fedTo(ctx, next, errs); err != nil {
			if errors.Is(err, errFed) {
				return nil
			}
			return err
		}
		if err := g.calm(ctx); err != nil {
			return err
		}
		switch {
		case victim < 0.3: // all at once: nobody is left who could take over
			for i := range g.workers {
				if err := g.killWorker(i); err != nil {
					return err
				}
			}
		case victim < 0.7:
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
