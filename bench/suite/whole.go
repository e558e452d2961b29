package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/bench/line"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// wholeRatio tells what the path from raw records to committed intents takes in, with one
// and with two lanes for each stage, and returns by how much two are faster on the wall. The
// broker is a process of its own and shares the cores.
func wholeRatio(ctx context.Context, s *suite) (float64, error) {
	var walls []float64
	for lanes := 1; lanes <= 2; lanes++ {
		prefix := fmt.Sprintf("whole%d-%d.", s.round, lanes)
		if err := s.fillTopic(ctx, prefix, s.o.records/4); err != nil {
			return 0, err
		}
		c, err := s.whole(ctx, prefix, lanes)
		if err != nil {
			return 0, err
		}
		s.said(fmt.Sprintf("whole path x%d", lanes), c)
		walls = append(walls, float64(c.Records)/c.Wall)
	}
	return walls[1] / walls[0], nil
}

// whole runs the stages in a process of their own until all is done.
func (s *suite) whole(ctx context.Context, prefix string, lanes int) (c line.Cost, err error) {
	exe, err := os.Executable()
	if err != nil {
		return c, err
	}
	args := []string{"whole", "-brokers", strings.Join(s.addrs, ","), "-prefix", prefix, "-lanes", strconv.Itoa(lanes), "-records", strconv.Itoa(s.o.records / 4)}
	if s.o.profile != "" {
		args = append(args, "-profile", fmt.Sprintf("%s-%d.pprof", s.o.profile, lanes))
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return c, fmt.Errorf("whole path: %w\n%s", err, stderr.String())
	}
	return c, json.Unmarshal(stdout.Bytes(), &c)
}

// whole is the measured process: it runs the stages until they have committed all records
// and what follows from them, and prints the cost since the first commit.
func whole(ctx context.Context, args []string) error {
	var f stageFlags
	fs := flag.NewFlagSet("whole", flag.ContinueOnError)
	f.register(fs)
	records := fs.Int("records", 0, "to read")
	profile := fs.String("profile", "", "file for a CPU profile")
	if err := fs.Parse(args); err != nil {
		return err
	}
	s, err := newStages(ctx, f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	if err := s.cost(ctx, *records, *profile, ended); err != nil {
		return err
	}
	cancel()
	return <-ended
}

// cost waits for the records and prints what they cost.
func (s *stages) cost(ctx context.Context, records int, profile string, ended <-chan error) (err error) {
	wait := func(n int) error {
		for s.read() < n {
			select {
			case <-time.After(2 * time.Millisecond):
			case err := <-ended:
				return errors.Join(errors.New("the lanes ended early"), err)
			}
		}
		return nil
	}
	if err := wait(1); err != nil {
		return err
	}
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return errors.Join(err, file.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, file.Close())
		}()
	}
	clock, before := line.Start(), s.read()
	if err := wait(records); err != nil {
		return err
	}
	if err := run.Drained(ctx, s.kafka, nil, s.inputs...); err != nil {
		return err
	}
	return clock.Print(os.Stdout, records-before, 0)
}
