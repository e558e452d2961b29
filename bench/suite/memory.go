package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
)

// keyMemory is n7: what the resident memory of a process grows by, in MB, for a million
// events that the dedupe stage remembers.
func keyMemory(ctx context.Context, s *suite) (float64, error) {
	n := 1_000_000
	if s.o.smoke {
		n = 200_000
	}
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, exe, "keys", "-n", strconv.Itoa(n)).Output()
	if err != nil {
		return 0, fmt.Errorf("keys: %w", err)
	}
	grown, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("keys: %w", err)
	}
	fmt.Fprintf(s.out, "  memory: %.1f bytes per key at %d keys, whole process\n", float64(grown)/float64(n), n)
	return float64(grown) / float64(n), nil // bytes per key are MB per million keys
}

// keys is the measured process: it lets a stage remember n events and prints by how many
// bytes the process grew.
func keys(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("keys", flag.ContinueOnError)
	n := fs.Int("n", 1_000_000, "events")
	if err := fs.Parse(args); err != nil {
		return err
	}
	cfg := dedupe.Default()
	cfg.Budget = 4 << 30
	stage, err := dedupe.New(cfg)
	if err != nil {
		return err
	}
	b := &pipeline.Batch{Events: make([]pipeline.Event, batchSize)}
	before, err := resident()
	if err != nil {
		return err
	}
	for done := 0; done < *n; {
		b.Events = b.Events[:min(batchSize, *n-done)]
		for i := range b.Events {
			b.Events[i] = pipeline.Event{Fate: pipeline.FateLive, ID: number(done), Print: number(done), At: 1_700_000_000_000, Ingested: 1_700_000_000_000}
			done++
		}
		if err := stage.Process(ctx, b); err != nil {
			return err
		}
		stage.Commit()
	}
	after, err := resident()
	if err != nil {
		return err
	}
	if got := stage.Stats().Keys; got != *n {
		return fmt.Errorf("the stage remembers %d of %d events", got, *n)
	}
	fmt.Println(after - before)
	runtime.KeepAlive(stage)
	return nil
}

// number is an id that is as evenly spread as a hash.
func number(i int) pipeline.ID {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(i))
	return pipeline.HashID("bench", pipeline.View(b[:]))
}

// resident is the resident memory of this process in bytes, garbage returned.
func resident() (int64, error) {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("resident memory is read from Linux: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("no VmRSS in /proc/self/status")
}
