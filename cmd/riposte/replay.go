package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/sources/file"
)

// replayID names the replay of a list of paths: the same command is the same replay.
func replayID(paths []string) (string, error) {
	abs := make([]string, len(paths))
	for i, p := range paths {
		a, err := filepath.Abs(p)
		if err != nil {
			return "", err
		}
		abs[i] = a
	}
	slices.Sort(abs)
	sum := sha256.Sum256([]byte(strings.Join(abs, "\x00")))
	return hex.EncodeToString(sum[:6]), nil
}

// replayFiles feeds files into the raw topics exactly once, however often it is killed on
// the way. It returns how many records there are.
func (a *app) replayFiles(ctx context.Context, k run.Kafka, paths []string) (int64, error) {
	id, err := replayID(paths)
	if err != nil {
		return 0, err
	}
	reader, err := file.Open(paths, file.Options{})
	if err != nil {
		return 0, usagef("--replay: %w", err)
	}
	defer reader.Close()
	for _, n := range reader.Notes() {
		fmt.Fprintln(a.stderr, n)
	}
	replay, err := run.NewReplay(ctx, k, id)
	if err != nil {
		return 0, err
	}
	defer replay.Close()
	if replay.Done() > 0 {
		fmt.Fprintf(a.stderr, "going on after %d records that are there already\n", replay.Done())
	}
	show := newProgress(a.stderr, "replayed")
	total, err := sendAll(ctx, reader, replay.Done(), replay.Send, func(sent int64) {
		done, of := reader.Progress()
		show.update(sent, done, of)
	})
	if err != nil {
		return total, err
	}
	err = replay.Commit(ctx)
	show.finish(total)
	return total, err
}

// sendAll sends the records of a reader from position skip on, and returns how many there
// are in all.
func sendAll(ctx context.Context, r *file.Reader, skip int64, send func(context.Context, pipeline.Message) error, progress func(int64)) (int64, error) {
	for n := int64(0); ; n++ {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if n < skip {
			continue
		}
		if err := send(ctx, pipeline.Message{Topic: assembly.RawTopic(rec.Source), Key: rec.Key, Value: rec.Value}); err != nil {
			return n, err
		}
		progress(n + 1)
	}
}
