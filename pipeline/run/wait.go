package run

import (
	"context"
	"time"
)

// drainContext returns a context that outlives ctx by at most d: what is under way when
// ctx ends may be finished under it.
func drainContext(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-work.Done():
		}
	})
	return work, func() { stop(); cancel() }
}

// backoff doubles the wait from first to most. The zero wait is not valid.
type backoff struct {
	first, most time.Duration
	next        time.Duration
}

func (b *backoff) reset() { b.next = 0 }

// step returns how long to wait now.
func (b *backoff) step() time.Duration {
	b.next = min(max(2*b.next, b.first), b.most)
	return b.next
}

// sleep waits, and reports whether it did so to the end.
func (b *backoff) sleep(ctx context.Context) bool { return sleep(ctx, b.step()) }

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
