package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/riposte-sec/riposte/bench/proc"
	"github.com/riposte-sec/riposte/bench/vendor"
	"github.com/riposte-sec/riposte/pipeline/run/broker"
	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

// services are the subcommands that this program starts itself with.
var services = map[string]func(ctx context.Context, args []string) error{
	"serve-broker":     serveBroker,
	"serve-clickhouse": serveClickHouse,
	"serve-vendor":     serveVendor,
}

func serveBroker(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("serve-broker", flag.ContinueOnError)
	dir := fs.String("dir", "", "data")
	port := fs.Int("port", 0, "port on 127.0.0.1")
	faulty := fs.Bool("faults", false, "err until SIGHUP")
	seed := fs.Uint64("seed", 1, "of the faults")
	if err := fs.Parse(args); err != nil {
		return err
	}
	b, err := broker.Start(broker.Config{Dir: *dir, Port: *port, NoSync: true})
	if err != nil {
		return err
	}
	if *faulty {
		makeFaults(ctx, b.Cluster(), *seed)
	}
	<-ctx.Done()
	return b.Close()
}

func serveClickHouse(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("serve-clickhouse", flag.ContinueOnError)
	dir := fs.String("dir", "", "data")
	tcp := fs.Int("tcp", 0, "port of the native protocol")
	web := fs.Int("http", 0, "port of the HTTP protocol")
	if err := fs.Parse(args); err != nil {
		return err
	}
	s, err := embedded.Start(ctx, embedded.Config{Dir: *dir, TCPPort: *tcp, HTTPPort: *web, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return s.Close()
	case <-s.Exited():
		return errors.Join(errors.New("clickhouse ended"), s.Close())
	}
}

func serveVendor(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("serve-vendor", flag.ContinueOnError)
	log := fs.String("log", "", "effects")
	port := fs.Int("port", 0, "port on 127.0.0.1")
	var f vendor.Faults
	fs.Uint64Var(&f.Seed, "seed", 1, "of the faults")
	fs.Float64Var(&f.Busy, "busy", 0, "share of requests answered 429")
	fs.Float64Var(&f.Break, "break", 0, "share answered 500")
	fs.Float64Var(&f.Reset, "reset", 0, "share whose connection is closed before the effect")
	fs.Float64Var(&f.Mute, "mute", 0, "share whose connection is closed after the effect")
	if err := fs.Parse(args); err != nil {
		return err
	}
	v, err := vendor.Open(*log, f)
	if err != nil {
		return err
	}
	srv := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", *port), Handler: v, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, v.Close())
	}
	return v.Close()
}

// service is a process that can be killed and started again on the same data and port.
type service struct {
	spec  proc.Spec
	ready func(ctx context.Context) error
	log   *os.File
	proc  *proc.Process
}

// self describes this program started again as one of the services, with its log in dir.
func self(name, dir string, args ...string) (*service, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(dir + "/" + name + ".log")
	if err != nil {
		return nil, err
	}
	return &service{log: log, spec: proc.Spec{Name: name, Path: exe, Args: append([]string{"serve-" + name}, args...), Log: log}}, nil
}

// start starts the process and waits until it is ready.
func (s *service) start(ctx context.Context) error {
	p, err := proc.Start(s.spec)
	if err != nil {
		return err
	}
	s.proc = p
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("%s: not ready in a minute", s.spec.Name))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := s.ready(ctx); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.Done():
			return fmt.Errorf("%s ended: %w; see %s", s.spec.Name, p.Err(), s.log.Name())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// kill ends the process with -9, its own children first: ClickHouse is a child of the
// process that holds it, and must not get the chance to end in order.
func (s *service) kill() error {
	var errs []error
	for _, pid := range proc.Children(s.proc.PID()) {
		if p, err := os.FindProcess(pid); err == nil {
			if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(append(errs, s.proc.Kill())...)
}

// listens reports whether somebody accepts connections at addr.
func listens(addr string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// answers reports whether the URL answers 200.
func answers(url string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", url, resp.Status)
		}
		return errors.Join(err, resp.Body.Close())
	}
}
