package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// readyTimeout bounds the wait for the first answer. An empty directory is
	// ready after 0.3 s; a large one loads its parts first.
	readyTimeout = 2 * time.Minute
	// stopTimeout bounds an orderly shutdown, measured at 1.8 s when idle.
	stopTimeout = 30 * time.Second
	// portTries is how often free ports are chosen anew: between the choice and
	// the server's listen another process may take one.
	portTries = 5
)

// Config says where a server keeps its data and where it listens.
type Config struct {
	// Dir holds the data, the lock and the server's log. It is created, parents
	// included. At most one server uses a directory at a time. Required.
	Dir string
	// TCPPort is the port of the native protocol on 127.0.0.1. Zero means any
	// free one.
	TCPPort int
	// HTTPPort is the port of the HTTP protocol on 127.0.0.1. Zero means any
	// free one.
	HTTPPort int
	// Log is told about start and stop. Nil means nobody is.
	Log *slog.Logger
}

// Server is a running ClickHouse. Its methods are safe for concurrent use.
type Server struct {
	// Addr is host:port of the native protocol.
	Addr string
	// HTTPAddr is host:port of the HTTP protocol.
	HTTPAddr string
	// Version is what the server says of itself, such as "26.7.2.1".
	Version string

	log    *slog.Logger
	cmd    *exec.Cmd
	leash  io.Closer // the end of the pipe that keeps the child alive
	lock   *os.File
	exited chan struct{}
	status error // of the process; set before exited is closed

	stop    sync.Once
	stopErr error
}

// Start brings a server up on cfg.Dir and returns when it has answered a query.
// Data that an earlier server left there is served again, however that server
// ended.
//
// It returns *MissingError where there is neither a usable clickhouse binary nor
// an installed libchdb, and *BusyError where another process runs a server on the
// directory. The caller must Close the server. ctx bounds the start only.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if os.Getenv(childEnv) != "" {
		panic("BUG: embedded.Start in a child: main or TestMain must call embedded.Main first")
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil || cfg.Dir == "" {
		return nil, fmt.Errorf("clickhouse: directory %q: %w", cfg.Dir, errors.Join(err, os.ErrInvalid))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	prog, err := find(ctx)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := retractTokens(dataDir(dir), log); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s, err := startOnPorts(ctx, cfg, dir, prog, lock)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.log = log
	log.Info("clickhouse started", "version", s.Version, "tcp", s.Addr, "http", s.HTTPAddr,
		"dir", dir, "program", prog.name, "pid", s.cmd.Process.Pid)
	return s, nil
}

// dataDir is what the server itself gets of a directory.
func dataDir(dir string) string { return filepath.Join(dir, "data") }

// startOnPorts launches on the given ports, or on free ones until it wins the
// race for them.
func startOnPorts(ctx context.Context, cfg Config, dir string, prog program, lock *os.File) (*Server, error) {
	var last error
	for range portTries {
		tcp, http, err := choosePorts(cfg.TCPPort, cfg.HTTPPort)
		if err != nil {
			return nil, err
		}
		s, err := launch(ctx, dir, prog, lock, tcp, http)
		if err == nil {
			return s, nil
		}
		last = err
		chosen := cfg.TCPPort == 0 || cfg.HTTPPort == 0
		if !chosen || !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, last
}

// launch starts one child and waits until it answers or ends.
func launch(ctx context.Context, dir string, prog program, lock *os.File, tcp, http int) (*Server, error) {
	s := &Server{
		Addr:     net.JoinHostPort(loopback, strconv.Itoa(tcp)),
		HTTPAddr: net.JoinHostPort(loopback, strconv.Itoa(http)),
		lock:     lock,
		exited:   make(chan struct{}),
	}
	data := dataDir(dir)
	out, err := os.OpenFile(filepath.Join(dir, "clickhouse.log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600) //nolint:gosec // the directory is the user's choice
	if err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	defer func() { _ = out.Close() }() // the child has its own
	from, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	if err := s.spawn(prog, data, tcp, http, out); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if s.Version, err = s.awaitReady(ctx, data); err == nil {
		return s, nil
	}
	said := tail(out, from)
	s.end(0)
	if bytes.Contains(said, []byte("Address already in use")) {
		return nil, fmt.Errorf("clickhouse: %w: %s", errPortTaken, said)
	}
	return nil, fmt.Errorf("clickhouse: start: %w: %s", err, said)
}

// errPortTaken says that another process listens where the server wanted to.
var errPortTaken = errors.New("port in use")

// spawn starts the process, its leash and the goroutine that reaps it. That
// goroutine ends with the process; end waits for it.
func (s *Server) spawn(prog program, data string, tcp, http int, out *os.File) error {
	cmd := exec.Command(prog.path, append(prog.args, serverArgs(data, tcp, http)...)...) //nolint:gosec,noctx // the leash ends it, not a context: it must outlive the start's
	cmd.Env = append(os.Environ(), append(prog.env, "TZ=UTC")...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{s.lock}
	// Its own process group: Ctrl-C must reach the parent alone, which drains
	// into the server before it closes it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	leash, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("clickhouse: start %s: %w", prog.path, err)
	}
	s.cmd, s.leash = cmd, leash
	go func() {
		s.status = cmd.Wait()
		close(s.exited)
	}()
	return nil
}

// Exited is closed when the server process has ended, asked to or not.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Close lets the server shut down in order and waits for it; one that takes
// longer than 30 s is killed, and that is the error. Close clients first: the
// server waits for idle connections, 10 to 20 s where it otherwise takes 50 ms.
// Later calls return what the first one did.
func (s *Server) Close() error {
	s.stop.Do(func() {
		if !s.end(stopTimeout) {
			s.stopErr = fmt.Errorf("clickhouse: killed: no orderly end within %v", stopTimeout)
		}
		s.stopErr = errors.Join(s.stopErr, s.lock.Close())
		s.log.Info("clickhouse stopped", "tcp", s.Addr)
	})
	return s.stopErr
}

// Kill ends the server at once, as kill -9 does: what a test of crashes needs. The next
// Start on the directory carries on with what was stored. Close need not be called after it.
func (s *Server) Kill() error {
	s.stop.Do(func() {
		s.stopErr = s.cmd.Process.Kill()
		<-s.exited
		s.stopErr = errors.Join(s.stopErr, s.lock.Close()) // the leash was closed when the process was reaped
	})
	return s.stopErr
}

// end closes the leash, waits for the process at most grace, kills it if need
// be, and reports whether it went by itself.
func (s *Server) end(grace time.Duration) bool {
	_ = s.leash.Close() // only says that it is closed already, when the process is gone
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-s.exited:
		return true
	case <-timer.C:
	}
	_ = s.cmd.Process.Kill() // fails only when it has just ended, which is what is wanted
	<-s.exited
	return false
}

// serverArgs are the arguments that follow "clickhouse local".
func serverArgs(data string, tcp, http int) []string {
	return []string{
		"--path", data,
		"--listen_host", loopback,
		"--tcp_port", strconv.Itoa(tcp),
		"--http_port", strconv.Itoa(http),
		"--query", "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; SELECT * FROM file('-', 'LineAsString')",
	}
}

// tail returns what was written to f since from, at most its last 2 KiB.
func tail(f *os.File, from int64) []byte {
	const most = 2 << 10
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end <= from {
		return []byte("it said nothing")
	}
	from = max(from, end-most)
	said := make([]byte, end-from)
	n, _ := f.ReadAt(said, from) // a short read shortens the message, nothing more
	return bytes.TrimSpace(said[:n])
}
