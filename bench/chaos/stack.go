package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riposte-sec/riposte/bench/oracle"
	"github.com/riposte-sec/riposte/bench/proc"
	"github.com/riposte-sec/riposte/internal/crash"
)

// partitions of every topic: more than lanes, so that each lane has several.
const partitions = 4

// stack is everything that runs.
type stack struct {
	o       options
	out     io.Writer
	brokers brokers

	clickhouse     *service
	clickhouseHTTP string
	clickhouseTCP  string
	vendor         *service
	vendorURL      string
	effects        string // file
	policies       string // folder
	lateness       time.Duration
	proxy          *proxy // nil when the variant needs none
	unmount        func() error
	workers        []*worker
	stopWorkers    context.CancelFunc
	workersDone    sync.WaitGroup
	crashPoints    atomic.Bool  // workers that start get a crash point now and then
	strained       atomic.Bool  // nobody is killed now, see lag.go
	behind         atomic.Int64 // nanoseconds, the most that ingest ever was
	kills          atomic.Int64

	clickhouseAway sync.Mutex // held while ClickHouse is away on purpose
	stopKeeper     context.CancelFunc
	keeperDone     sync.WaitGroup

	mu    sync.Mutex
	notes []string       // what went wrong beside exactness: a worker that ended by itself
	kinds map[string]int // kills by who was killed at random, or at which crash point
}

// startStack starts all processes, the workers last.
func startStack(ctx context.Context, o options, v variant, out io.Writer) (s *stack, err error) {
	s = &stack{o: o, out: out, kinds: map[string]int{}, lateness: v.slack(o)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if v.disk > 0 {
		if s.unmount, err = mountSmall(filepath.Join(o.dir, "broker"), v.disk); err != nil {
			return s, err
		}
	}
	if s.brokers, err = startBrokers(ctx, o, v); err != nil {
		return s, err
	}
	if err := s.startClickHouse(ctx, v); err != nil {
		return s, err
	}
	if err := s.startVendor(ctx, v); err != nil {
		return s, err
	}
	return s, s.startWorkers(ctx, v)
}

func (s *stack) startClickHouse(ctx context.Context, v variant) error {
	ports, err := proc.FreePorts(2)
	if err != nil {
		return err
	}
	s.clickhouseTCP, s.clickhouseHTTP = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	s.clickhouse, err = self("clickhouse", s.o.dir, "-dir", filepath.Join(s.o.dir, "clickhouse"),
		"-tcp", strconv.Itoa(ports[0]), "-http", strconv.Itoa(ports[1]))
	if err != nil {
		return err
	}
	s.clickhouse.ready = answers("http://" + s.clickhouseHTTP + "/?query=SELECT%201")
	if v.proxy {
		if s.proxy, err = startProxy(s.clickhouseTCP); err != nil {
			return err
		}
		s.clickhouseTCP = s.proxy.addr()
	}
	if err := s.clickhouse.start(ctx); err != nil {
		return err
	}
	life, cancel := context.WithCancel(ctx)
	s.stopKeeper = cancel
	s.keeperDone.Go(func() { s.keepClickHouse(life) })
	return nil
}

func (s *stack) startVendor(ctx context.Context, v variant) error {
	ports, err := proc.FreePorts(1)
	if err != nil {
		return err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", ports[0])
	s.vendorURL, s.effects = "http://"+addr+"/", filepath.Join(s.o.dir, "effects.jsonl")
	args := append([]string{"-log", s.effects, "-port", strconv.Itoa(ports[0]), "-seed", strconv.FormatUint(s.o.seed, 10)}, v.vendor...)
	if s.vendor, err = self("vendor", s.o.dir, args...); err != nil {
		return err
	}
	s.vendor.ready = listens(addr)
	return s.vendor.start(ctx)
}

func (s *stack) startWorkers(ctx context.Context, v variant) error {
	s.crashPoints.Store(v.crashPoints)
	s.policies = filepath.Join(s.o.dir, "policies")
	if err := writePolicies(s.policies); err != nil {
		return err
	}
	for i := range s.o.workers {
		w, err := newWorker(s, i)
		if err != nil {
			return err
		}
		s.workers = append(s.workers, w)
	}
	if err := s.startAll(ctx); err != nil {
		return err
	}
	return s.workers[0].ready(ctx)
}

// close ends everything.
func (s *stack) close() error {
	if s.stopWorkers != nil {
		s.stopAll()
	}
	if s.stopKeeper != nil {
		s.stopKeeper()
		s.keeperDone.Wait()
	}
	var errs []error
	for _, w := range s.workers {
		errs = append(errs, w.log.Close())
	}
	if s.proxy != nil {
		errs = append(errs, s.proxy.close())
	}
	for _, svc := range []*service{s.vendor, s.clickhouse} {
		if svc != nil && svc.proc != nil {
			errs = append(errs, svc.kill(), svc.log.Close())
		}
	}
	if s.brokers != nil {
		errs = append(errs, s.brokers.close())
	}
	if s.unmount != nil {
		errs = append(errs, s.unmount())
	}
	return errors.Join(errs...)
}

// outage kills a process and starts it again after it was away for some time.
func (s *stack) outage(ctx context.Context, name string, away time.Duration, kill func() error, start func(context.Context) error) error {
	s.killed(name)
	if err := kill(); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	if err := pause(ctx, away); err != nil {
		return err
	}
	if err := start(ctx); err != nil {
		return fmt.Errorf("start %s again: %w", name, err)
	}
	return nil
}

func (s *stack) killBroker(ctx context.Context, i int, away time.Duration) error {
	return s.outage(ctx, "broker", away, func() error { return s.brokers.kill(i) }, func(ctx context.Context) error { return s.brokers.restart(ctx, i) })
}

// killClickHouse does nothing if ClickHouse is away already.
func (s *stack) killClickHouse(ctx context.Context, away time.Duration) error {
	if !s.clickhouseAway.TryLock() {
		return nil
	}
	defer s.clickhouseAway.Unlock()
	return s.outage(ctx, "clickhouse", away, s.clickhouse.kill, s.clickhouse.start)
}

// keepClickHouse starts ClickHouse again when it ended by itself, as its supervisor would:
// the library aborts now and then when a client is killed while it connects.
func (s *stack) keepClickHouse(ctx context.Context) {
	for pause(ctx, 200*time.Millisecond) == nil {
		if !isClosed(s.clickhouse.proc.Done()) || !s.clickhouseAway.TryLock() {
			continue
		}
		if isClosed(s.clickhouse.proc.Done()) {
			s.note("clickhouse ended by itself: %v", s.clickhouse.proc.Err())
			if err := s.clickhouse.start(ctx); err != nil {
				s.note("%v", err)
			}
		}
		s.clickhouseAway.Unlock()
	}
}

// killWorker kills the worker's process, if it runs, and leaves the restart to its keeper.
func (s *stack) killWorker(i int) error {
	if p := s.workers[i].current(); p != nil {
		return p.Kill()
	}
	return nil
}

// killed counts a kill of a process, or at a crash point.
func (s *stack) killed(what string) {
	s.kills.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds[what]++
}

// killsByKind lists who was killed how often, and how often at each crash point, those
// that were never reached too.
func (s *stack) killsByKind(points bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if points {
		for _, p := range crash.Points() {
			s.kinds[p] += 0
		}
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(s.kinds)) {
		parts = append(parts, fmt.Sprintf("%s=%d", what, s.kinds[what]))
	}
	return strings.Join(parts, " ")
}

func (s *stack) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes) < 50 {
		s.notes = append(s.notes, fmt.Sprintf(format, args...))
	}
}

// clock is the file that says how far the clock of the workers is off.
func (s *stack) clock() string { return filepath.Join(s.o.dir, "clock") }

func (s *stack) topics() oracle.Topics { return oracle.Topics{Brokers: s.brokers.addrs()} }

// pause waits for d, or returns the reason why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// between returns a duration in [lo, hi).
func between(r *rand.Rand, lo, hi time.Duration) time.Duration {
	return lo + time.Duration(r.Int64N(int64(hi-lo)))
}

func say(out io.Writer, format string, args ...any) { fmt.Fprintf(out, "chaos: "+format+"\n", args...) }
