package run

import (
	"context"
	"sync"
	"time"
)

// waker ends a wait early. Ringing while nobody waits ends the next wait at once. It is
// safe for concurrent use; one goroutine at a time may wait.
type waker struct {
	mu     sync.Mutex
	rung   bool
	cancel context.CancelFunc
}

// until returns a context that ends at t, with ctx, or when the waker is rung.
func (w *waker) until(ctx context.Context, t time.Time) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithDeadline(ctx, t)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rung {
		w.rung = false
		cancel()
		return ctx, cancel
	}
	w.cancel = cancel
	return ctx, func() {
		w.mu.Lock()
		w.cancel = nil
		w.mu.Unlock()
		cancel()
	}
}

// ring ends the wait.
func (w *waker) ring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != nil {
		w.cancel()
		w.cancel = nil
		return
	}
	w.rung = true
}
