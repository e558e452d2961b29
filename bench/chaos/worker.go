package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	deck   []string   // crash points still to come, before all of them come again

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
		point, life := w.fate(run)
		if err := w.once(ctx, point, life); err != nil {
			w.s.note("worker %d, run %d, crash point %q: %v", w.index, run, point, err)
		}
		_ = pause(ctx, between(w.rand, 20*time.Millisecond, 400*time.Millisecond))
	}
}

// once runs the process to its end, which comes by itself, at a crash point, or when its
// life is over. An end that nobody asked for is an error.
func (w *worker) once(ctx context.Context, point string, life time.Duration) error {
	p, err := proc.Start(proc.Spec{
		Name: fmt.Sprintf("worker %d", w.index), Path: w.s.o.riposte, Args: []string{"run", "--config", w.config},
		Env: []string{crash.Env + "=" + point, crash.ClockEnv + "=" + w.s.clock(), "CHAOS_SECRET=0123456789abcdef0123456789abcdef"}, Log: io.MultiWriter(w.log, &w.tail),
	})
	if err != nil {
		return err
	}
	w.set(p)
	defer w.set(nil)
	if err := w.live(ctx, p, life); err != nil {
		return err
	}
	if ctx.Err() != nil {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		return p.Stop(grace)
	}
	if exit, ok := p.Err().(*exec.ExitError); ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL { //nolint:errorlint // Wait returns it bare
		w.s.killed(w.what(point))
		return nil
	}
	return fmt.Errorf("ended by itself: %w: %s", p.Err(), w.tail.Lines(3))
}

// live waits for the end of the process or of ctx, and kills the process when its life is
// over and nobody is behind.
func (w *worker) live(ctx context.Context, p *proc.Process, life time.Duration) error {
	over := after(life)
	for {
		select {
		case <-over:
			if !w.s.strained.Load() {
				return p.Kill()
			}
			over = after(time.Second)
		case <-p.Done():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// what says what the process was killed by: the crash point that it had, if it reached it.
func (w *worker) what(point string) string {
	name, pass, _ := strings.Cut(point, ":")
	if point != "" && strings.Contains(w.tail.Lines(5), fmt.Sprintf("crash: %s, pass %s", name, pass)) {
		return name
	}
	return "worker"
}

// fate chooses how a run of the process will end: at a crash point, empty for none, or
// after some time, zero for never. A run without a point, and one that does not reach its
// own, ends at random; that is counted from its start, so that it gets to work before. The
// first run has no point, so that every run of chaos gets off the ground.
func (w *worker) fate(run int) (point string, life time.Duration) {
	dice, pass := w.rand.IntN(4), 1+w.rand.IntN(12)
	life = between(w.rand, 500*time.Millisecond, 7*time.Second)
	if run > 0 && dice > 0 {
		point = w.draw()
	}
	if !w.s.crashPoints.Load() || w.s.strained.Load() {
		return "", 0
	}
	if point == "" {
		return "", life
	}
	switch point {
	case crash.BeforeCall, crash.AfterCall, crash.AfterSnapshot, crash.AfterRestore, crash.AfterPlan, crash.AfterInsert, crash.AfterNote:
		pass = 1 + pass%3 // rare
	}
	return fmt.Sprintf("%s:%d", point, pass), life + 2*time.Second
}

// draw takes a crash point from the deck: all of them come once before any comes again, so
// that a run of some length tries each equally often.
func (w *worker) draw() string {
	if len(w.deck) == 0 {
		w.deck = crash.Points()
		w.rand.Shuffle(len(w.deck), func(i, j int) { w.deck[i], w.deck[j] = w.deck[j], w.deck[i] })
	}
	point := w.deck[0]
	w.deck = w.deck[1:]
	return point
}

// after is time.After, or nothing for zero.
func after(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.After(d)
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
