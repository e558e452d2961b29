package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/riposte-sec/riposte/bench/kafka"
	"github.com/riposte-sec/riposte/bench/proc"
)

// brokers is a Kafka cluster whose brokers can be killed and started again.
type brokers interface {
	addrs() []string
	count() int
	kill(i int) error
	restart(ctx context.Context, i int) error
	process(i int) *proc.Process
	close() error
}

func startBrokers(ctx context.Context, o options, v variant) (brokers, error) {
	switch o.broker {
	case "kfake":
		return startFake(ctx, o, v)
	case "kafka":
		return startReal(ctx, o.dir, 1)
	case "kafka3":
		return startReal(ctx, o.dir, 3)
	}
	return nil, fmt.Errorf("broker %q: want kfake, kafka or kafka3", o.broker)
}

// fake is the embedded broker in a process of its own.
type fake struct {
	service
	addr string
}

func startFake(ctx context.Context, o options, v variant) (*fake, error) {
	ports, err := proc.FreePorts(1)
	if err != nil {
		return nil, err
	}
	args := append([]string{"-dir", filepath.Join(o.dir, "broker"), "-port", strconv.Itoa(ports[0]), "-seed", strconv.FormatUint(o.seed, 10)}, v.brokerArgs...)
	s, err := self("broker", o.dir, args...)
	if err != nil {
		return nil, err
	}
	f := &fake{service: *s, addr: fmt.Sprintf("127.0.0.1:%d", ports[0])}
	f.ready = listens(f.addr)
	return f, f.start(ctx)
}

func (f *fake) addrs() []string                          { return []string{f.addr} }
func (f *fake) count() int                               { return 1 }
func (f *fake) kill(int) error                           { return f.service.kill() }
func (f *fake) restart(ctx context.Context, _ int) error { return f.start(ctx) }
func (f *fake) process(int) *proc.Process                { return f.proc }
func (f *fake) close() error                             { return errors.Join(f.service.kill(), f.log.Close()) }

// apache is Apache Kafka.
type apache struct {
	*kafka.Cluster
	n int
}

func startReal(ctx context.Context, dir string, n int) (*apache, error) {
	c, err := kafka.Start(ctx, dir, n, os.Stderr)
	if err != nil {
		return nil, err
	}
	return &apache{c, n}, nil
}

func (r *apache) addrs() []string                          { return r.Addrs() }
func (r *apache) count() int                               { return r.n }
func (r *apache) kill(i int) error                         { return r.Kill(i) }
func (r *apache) restart(ctx context.Context, i int) error { return r.Restart(ctx, i) }
func (r *apache) process(i int) *proc.Process              { return r.Process(i) }
func (r *apache) close() error                             { return r.Close() }
