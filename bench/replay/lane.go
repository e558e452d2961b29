package replay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// tickEvery is how often time passes on an idle partition, on the wall.
const tickEvery = 20 * time.Millisecond

// lane is one lane of a stage, which can crash and start anew under the same identity.
type lane struct {
	template run.LaneConfig
	kafka    run.Kafka
	number   int
	batch    int
	clock    *atomic.Int64
	failed   context.CancelCauseFunc

	wire   *wire
	cancel context.CancelFunc
	done   chan error
}

func (l *lane) start(ctx context.Context) error {
	c := l.template
	l.wire = &wire{conns: map[net.Conn]bool{}}
	c.Kafka = l.kafka
	c.Kafka.Dial = l.wire.dial
	c.Worker, c.Lane = "replay", l.number
	c.MaxBatch, c.MaxRecords = l.batch, max(l.batch, 500)
	c.MinInterval, c.MaxInterval = 2*time.Millisecond, 30*time.Millisecond
	c.SessionTimeout, c.TransactionTimeout = 6*time.Second, 4*time.Second
	c.TickEvery, c.DrainTimeout = tickEvery, 5*time.Second
	c.Clock = func() time.Time { return pipeline.Millis(l.clock.Load()).Time() }
	made, err := run.NewLane(c)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	ctx, l.cancel = context.WithCancel(ctx)
	l.done = make(chan error, 1)
	wire := l.wire
	go func() {
		err := made.Run(ctx)
		if err != nil && !wire.isCut() {
			l.failed(fmt.Errorf("replay: %w", err))
		}
		l.done <- err
	}()
	return nil
}

// crash cuts the lane off in the middle of whatever it does, forgets it and starts it
// anew.
func (l *lane) crash(ctx context.Context) error {
	l.wire.cut()
	l.cancel()
	select {
	case <-l.done: //nolint:errcheck // what it says does not matter: it is dead
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return l.start(ctx)
}

// stop lets the lane finish.
func (l *lane) stop() error {
	l.cancel()
	return <-l.done
}

// wire makes the connections of a lane and can cut them all.
type wire struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
	dead  bool
}

var errCut = errors.New("the connection was cut")

func (w *wire) dial(ctx context.Context, network, host string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return nil, errCut
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, host)
	if err == nil {
		w.conns[c] = true
	}
	return c, err
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = true
	for c := range w.conns {
		_ = c.Close()
	}
}

func (w *wire) isCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}
