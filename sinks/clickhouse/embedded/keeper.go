package embedded

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// How long a Keeper waits before it starts a server again: firstWait after the first end,
// twice as long after each further one, at most mostWait. A server that lived for steady
// was no part of a series.
const (
	firstWait = 200 * time.Millisecond
	mostWait  = 30 * time.Second
	steady    = time.Minute
)

// Keeper keeps a server running: one whose process ends although nobody asked it to is
// started again on the same data and ports. The library aborts now and then when a client
// is killed while it connects; what was acknowledged is on the disk. Its methods are safe
// for concurrent use.
type Keeper struct {
	// Addr, HTTPAddr and Version are those of the first server. The addresses stay.
	Addr, HTTPAddr, Version string

	cfg      Config
	log      *slog.Logger
	restarts atomic.Int64
	stop     context.CancelFunc
	done     chan struct{} // closed when the keeper's goroutine has ended

	mu     sync.Mutex
	server *Server // nil while there is none
}

// Keep starts a server as Start does, and keeps it running until Close, which the caller
// must call. ctx bounds the first start only.
func Keep(ctx context.Context, cfg Config) (*Keeper, error) {
	s, err := Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	k := &Keeper{Addr: s.Addr, HTTPAddr: s.HTTPAddr, Version: s.Version, cfg: cfg, log: s.log, server: s, done: make(chan struct{})}
	if k.cfg.TCPPort, err = portOf(s.Addr); err == nil {
		k.cfg.HTTPPort, err = portOf(s.HTTPAddr)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	k.stop = stop
	go k.keep(life)
	return k, nil
}

func portOf(addr string) (int, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// Restarts returns how often a server was started again.
func (k *Keeper) Restarts() int64 { return k.restarts.Load() }

// keep waits for the end of one server after the other.
func (k *Keeper) keep(ctx context.Context) {
	defer close(k.done)
	wait := firstWait
	for s := k.current(); s != nil; s = k.again(ctx, &wait) {
		began := time.Now()
		select {
		case <-ctx.Done():
			return
		case <-s.Exited():
		}
		if time.Since(began) >= steady {
			wait = firstWait
		}
		k.set(nil)
		k.log.Error("clickhouse ended by itself, starting it again", "err", s.status, "wait", wait, "restarts", k.Restarts())
		if err := s.Close(); err != nil {
			k.log.Warn("clickhouse did not release its directory", "err", err)
		}
	}
}

// again tries to start a server until it succeeds. It returns nil when ctx ends.
func (k *Keeper) again(ctx context.Context, wait *time.Duration) *Server {
	for {
		timer := time.NewTimer(*wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		*wait = min(2**wait, mostWait)
		s, err := Start(ctx, k.cfg)
		if err == nil {
			k.restarts.Add(1)
			k.set(s)
			return s
		}
		if ctx.Err() == nil {
			k.log.Error("clickhouse does not start, trying again", "err", err, "wait", *wait)
		}
	}
}

func (k *Keeper) current() *Server {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.server
}

func (k *Keeper) set(s *Server) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.server = s
}

// Close ends keeping and then the server, as [Server.Close] does. It must be called once.
func (k *Keeper) Close() error {
	k.stop()
	<-k.done
	if s := k.current(); s != nil {
		return s.Close()
	}
	return nil
}
