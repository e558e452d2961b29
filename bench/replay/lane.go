package replay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
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

	made   *run.Lane
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
	if slices.Contains(c.Topics, pipeline.TopicSignals) {
		c.New = silent(c.New)
	}
	made, err := run.NewLane(c)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	l.made = made
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

// silent lets no instance of a stage tell the others anything: what partitions tell each
// other comes back on their input, at a place that depends on who was faster. It is replayed
// where it lies recorded.
func silent(whole func(string, int32) (pipeline.Stage, error)) func(string, int32) (pipeline.Stage, error) {
	return func(topic string, p int32) (pipeline.Stage, error) {
		s, err := whole(topic, p)
		if st, ok := s.(pipeline.Stateful); ok {
			return muted{st}, err
		}
		return s, err
	}
}

// muted is a stage that emits nothing to all partitions.
type muted struct{ pipeline.Stateful }

// Process implements [pipeline.Stage].
func (m muted) Process(ctx context.Context, b *pipeline.Batch) error {
	err := m.Stateful.Process(ctx, b)
	b.Out = slices.DeleteFunc(b.Out, everywhere)
	return err
}

// Tick implements [pipeline.Stateful].
func (m muted) Tick(ctx context.Context, now pipeline.Millis, b *pipeline.Batch) error {
	err := m.Stateful.Tick(ctx, now, b)
	b.Out = slices.DeleteFunc(b.Out, everywhere)
	return err
}

func everywhere(m pipeline.Message) bool { return m.Everywhere }

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
