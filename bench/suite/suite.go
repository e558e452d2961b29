package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/bench/kafka"
	"github.com/riposte-sec/riposte/bench/line"
	"github.com/riposte-sec/riposte/bench/proc"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/pipeline/run/broker"
)

// partitions of the topics of the throughput measurements.
const partitions = 4

// children are the subcommands that this program starts itself with.
var children = map[string]func(ctx context.Context, args []string) error{
	"serve-broker": serveBroker,
	"serve-stages": serveStages,
	"keys":         keys,
	"whole":        whole,
	"soak":         soak,
}

// suite is what the measurements share.
type suite struct {
	o     options
	out   io.Writer
	dir   string
	addrs []string
	stop  func() error
	round int
	costs map[string]line.Cost // of this round, by program
	state string               // stage whose state topic the last exactly-once run filled
}

func newSuite(ctx context.Context, o options, out io.Writer) (s *suite, err error) {
	s = &suite{o: o, out: out, costs: map[string]line.Cost{}, stop: func() error { return nil }}
	if s.dir, err = os.MkdirTemp("", "riposte-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	for _, program := range []string{"bare", "lane"} {
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(s.dir, program), "./bench/"+program)
		if text, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", program, err, text)
		}
	}
	if err := s.startBroker(ctx); err != nil {
		return nil, err
	}
	return s, s.fill(ctx)
}

func (s *suite) close() error { return errors.Join(s.stop(), os.RemoveAll(s.dir)) }

// kafka is how lanes of this process reach the broker.
func (s *suite) kafka() run.Kafka { return run.Kafka{Brokers: s.addrs} }

func (s *suite) startBroker(ctx context.Context) error {
	if s.o.broker == "kafka" {
		c, err := kafka.Start(ctx, s.dir, 1, os.Stderr)
		if err != nil {
			return err
		}
		s.addrs, s.stop = c.Addrs(), c.Close
		return nil
	}
	if s.o.broker != "kfake" {
		return fmt.Errorf("broker %q: want kfake or kafka", s.o.broker)
	}
	ports, err := proc.FreePorts(1)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := proc.Start(proc.Spec{
		Name: "broker", Path: exe, Log: os.Stderr,
		Args: []string{"serve-broker", "-dir", filepath.Join(s.dir, "broker"), "-port", strconv.Itoa(ports[0])},
	})
	if err != nil {
		return err
	}
	s.addrs, s.stop = []string{fmt.Sprintf("127.0.0.1:%d", ports[0])}, p.Kill
	for {
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.addrs[0]); err == nil {
			return c.Close()
		}
		select {
		case <-p.Done():
			return fmt.Errorf("the broker ended: %w", p.Err())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func serveBroker(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("serve-broker", flag.ContinueOnError)
	dir := fs.String("dir", "", "data")
	port := fs.Int("port", 0, "port on 127.0.0.1")
	if err := fs.Parse(args); err != nil {
		return err
	}
	b, err := broker.Start(broker.Config{Dir: *dir, Port: *port, NoSync: true})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return b.Close()
}

// ensure creates topics that are missing.
func (s *suite) ensure(ctx context.Context, names ...string) error {
	var specs []run.TopicSpec
	for _, n := range names {
		specs = append(specs, run.TopicSpec{Name: n, Partitions: partitions})
	}
	return run.EnsureTopics(ctx, s.kafka(), specs...)
}

// program runs a measured program to its end and returns the cost it printed. It prints
// the cost as well.
func (s *suite) program(ctx context.Context, name string, args ...string) (line.Cost, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.dir, name), append([]string{"-brokers", strings.Join(s.addrs, ",")}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return line.Cost{}, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	var c line.Cost
	if err := json.Unmarshal(bytes.TrimSpace(stdout.Bytes()), &c); err != nil {
		return c, fmt.Errorf("%s: cannot read its cost %q: %w", name, stdout.String(), err)
	}
	return c, nil
}

// said prints what a program cost and keeps it for this round.
func (s *suite) said(what string, c line.Cost) {
	fmt.Fprintf(s.out, "  %-14s %8.0f events per CPU-second, %8.0f per second, %d records\n", what, c.PerCPUSecond(), float64(c.Records)/c.Wall, c.Records)
	s.costs[fmt.Sprintf("%s/%d", what, s.round)] = c
}

// rawTopic holds the input of the throughput measurements.
const rawTopic = pipeline.TopicRawPrefix + "suricata"
