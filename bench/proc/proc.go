// Package proc runs the processes of a measurement or of a fault test: it starts them, logs
// what they print, ends them by their pid, kills them with -9, freezes and thaws them.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// Spec says what to start.
type Spec struct {
	Name string    // for messages; not empty
	Path string    // the program
	Args []string  // without the program itself
	Env  []string  // added to the environment of this process
	Dir  string    // working directory, empty: that of this process
	Log  io.Writer // gets stdout and stderr; nil: they are dropped
}

// Process is a running child. It ends when the parent ends, even on kill -9 of the parent
// (Linux). Its methods are safe for concurrent use.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	err error // of Wait; set before done is closed
}

// Start starts the program and returns once it runs. It does not wait for readiness.
func Start(s Spec) (*Process, error) {
	cmd := exec.Command(s.Path, s.Args...) //nolint:noctx // the caller names the program; its end is Stop's and Kill's job
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = s.Log, s.Log
	cmd.SysProcAttr = childAttr()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	p := &Process{name: s.Name, cmd: cmd, done: make(chan struct{})}
	go p.wait()
	return p, nil
}

func (p *Process) wait() {
	err := p.cmd.Wait()
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	close(p.done)
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Name is the name given in the Spec.
func (p *Process) Name() string { return p.name }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended: nil for exit code 0 or while it runs, an *exec.ExitError
// otherwise.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// State tells exit code, CPU time and resource usage of the ended process; it is nil while
// the process runs.
func (p *Process) State() *os.ProcessState {
	select {
	case <-p.done:
		return p.cmd.ProcessState
	default:
		return nil
	}
}

// Kill ends the process with SIGKILL and waits for its end. Killing an ended one is no error.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// Stop asks the process to end with SIGTERM and waits; when ctx ends first it is killed and
// the error says so.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop %s: still running, killed: %w", p.name, context.Cause(ctx)), p.Kill())
	}
}

// Pause freezes the process with SIGSTOP.
func (p *Process) Pause() error { return p.Signal(syscall.SIGSTOP) }

// Resume thaws a frozen process.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// Signal sends sig. An ended process takes any signal silently.
func (p *Process) Signal(sig syscall.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to %s: %w", sig, p.name, err)
	}
	return nil
}
