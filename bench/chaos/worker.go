package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/riposte-sec/riposte/bench/proc"
	"github.com/riposte-sec/riposte/internal/crash"
)

// worker is one riposte process, started again whenever it ends.
type worker struct {
	s      *stack
	index  int
	config string
	listen string
	log    *os.File
	tail   proc.Tail
	rand   *rand.Rand // decides about crash points; of keepRunning alone

	mu   sync.Mutex
	proc *proc.Process
}

func newWorker(s *stack, i int) (*worker, error) {
	ports, err := proc.FreePorts(1)
	if err != nil {
		return nil, err
	}
	w := &worker{
		s: s, index: i, listen: fmt.Sprintf("127.0.0.1:%d", ports[0]),
		config: filepath.Join(s.o.dir, fmt.Sprintf("worker%d.yaml", i)),
		rand:   rand.New(rand.NewPCG(s.o.seed, uint64(1000+i))),
	}
	if err := os.WriteFile(w.config, workerConfig(s, i, w.listen), 0o600); err != nil {
		return nil, err
	}
	w.log, err = os.Create(filepath.Join(s.o.dir, fmt.Sprintf("worker%d.log", i)))
	return w, err
}

// keepRunning starts the process again until ctx ends, then lets it drain.
func (w *worker) keepRunning(ctx context.Context) {
	for run := 0; ctx.Err() == nil; run++ {
		point := w.crashPoint(run)
		if err := w.once(ctx, point); err != nil {
			w.s.note("worker %d, run %d, crash point %q: %v", w.index, run, point, err)
		}
		_ = pause(ctx, between(w.rand, 20*time.Millisecond, 400*time.Millisecond))
	}
}

// once runs the process to its end. An end that nobody asked for is an error.
func (w *worker) once(ctx context.Context, point string) error {
	p, err := proc.Start(proc.Spec{
		Name: fmt.Sprintf("worker %d", w.index), Path: w.s.o.riposte, Args: []string{"run", "--config", w.config},
		Env: []string{crash.Env + "=" + point, "CHAOS_SECRET=0123456789abcdef0123456789abcdef"}, Log: io.MultiWriter(w.log, &w.tail),
	})
	if err != nil {
		return err
	}
	w.set(p)
	defer w.set(nil)
	select {
	case <-p.Done():
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		return p.Stop(grace)
	}
	if exit, ok := p.Err().(*exec.ExitError); ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL { //nolint:errorlint // Wait returns it bare
		w.s.kills.Add(1)
		return nil
	}
	return fmt.Errorf("ended by itself: %w: %s", p.Err(), w.tail.Lines(3))
}

// crashPoint chooses where a run of the process will kill itself, empty for nowhere. The
// first run has none, so that every run of chaos gets off the ground.
func (w *worker) crashPoint(run int) string {
	points := crash.Points()
	point, pass, dice := points[w.rand.IntN(len(points))], 1+w.rand.IntN(20), w.rand.IntN(2)
	if run == 0 || dice == 0 || !w.s.crashPoints.Load() {
		return ""
	}
	switch point {
	case crash.BeforeCall, crash.AfterCall, crash.AfterSnapshot:
		pass = 1 + pass%3 // rare
	}
	return fmt.Sprintf("%s:%d", point, pass)
}

func (w *worker) set(p *proc.Process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proc = p
}

// current is the running process, nil between two of them.
func (w *worker) current() *proc.Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.proc
}

// ready waits until the worker says that it serves.
func (w *worker) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, fmt.Errorf("worker %d: not ready in 2 minutes; see %s", w.index, w.log.Name()))
	defer cancel()
	ask := answers("http://" + w.listen + "/readyz")
	for ask(ctx) != nil {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
