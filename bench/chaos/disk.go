package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// playDisk fills the file system of the broker's data to the last byte for a while. The
// folder is a file system of its own (see startFake), so that nothing else suffers.
func playDisk(ctx context.Context, g *game) error {
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	ballast := filepath.Join(g.o.dir, "broker", "ballast")
	if err := fill(ballast); err != nil {
		return err
	}
	say(g.out, "the broker's disk is full")
	if err := errors.Join(pause(ctx, 6*time.Second), os.Remove(ballast)); err != nil {
		return err
	}
	// A broker that ended over it is started again, as its supervisor would.
	if isClosed(g.brokers.process(0).Done()) {
		say(g.out, "the broker ended; starting it again")
		if err := g.brokers.restart(ctx, 0); err != nil {
			return err
		}
	}
	return pause(ctx, 5*time.Second)
}

// fill writes a file until no space is left.
func fill(path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block := make([]byte, 1<<20)
	for size := len(block); size > 0; {
		switch _, err := f.Write(block[:size]); {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		case err != nil:
			return fmt.Errorf("fill the disk: %w", err)
		}
	}
	return nil
}
