package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// shortLateness is enough where few processes are killed: each run waits for it at its end.
const shortLateness = 25 * time.Second

// shortRuns are what fits into five minutes on two cores, with room.
var shortRuns = []struct {
	variant string
	kills   int
}{{"kills", 12}, {"faults", 0}, {"state", 0}}

// short runs some of every fault, one after the other, with one build of riposte. Kills
// come first: what they find matters most.
func short(ctx context.Context, o options, out io.Writer) error {
	for _, r := range shortRuns {
		o := o
		o.short, o.variant, o.kills, o.dir, o.lateness = false, r.variant, r.kills, "", shortLateness
		if err := one(ctx, o, out); err != nil {
			return fmt.Errorf("%s: %w", r.variant, err)
		}
	}
	return nil
}

// build builds riposte with crash points into a folder of its own, once for all variants
// of a run.
func build(ctx context.Context, o *options, out io.Writer) (clean func(), err error) {
	dir, err := os.MkdirTemp("", "riposte-chaos-bin-")
	if err != nil {
		return nil, err
	}
	o.riposte = filepath.Join(dir, "riposte")
	say(out, "building riposte with crash points")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "crashpoints", "-o", o.riposte, "./cmd/riposte")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build riposte: %w\n%s", err, text)
	}
	return func() { _ = os.RemoveAll(dir) }, nil
}
