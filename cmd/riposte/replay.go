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
	"time"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/pipeline/run"
	sources "github.com/riposte-sec/riposte/sources/all"
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
	clock, err := a.replayClock(ctx, replay, paths)
	if err != nil {
		return 0, err
	}
	if replay.Done() > 0 {
		fmt.Fprintf(a.stderr, "going on after %d records that are there already\n", replay.Done())
	}
	show := newProgress(a.stderr, "replayed")
	send := func(ctx context.Context, m pipeline.Message) error {
		m.Headers = []pipeline.Header{{Key: pipeline.HeaderReplay, Value: clock}}
		return replay.Send(ctx, m)
	}
	total, err := sendAll(ctx, reader, replay.Done(), send, func(sent int64) {
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

// replayClock returns the header with the times of the replay. It is chosen when the replay
// begins and is the same ever after, so that whoever goes on with it gets equal times.
func (a *app) replayClock(ctx context.Context, replay *run.Replay, paths []string) ([]byte, error) {
	if note := replay.Note(); note != nil {
		return note, nil
	}
	times, err := a.claimedTimes(ctx, paths)
	if err != nil {
		return nil, err
	}
	clock := times.Clock(pipeline.MillisOf(time.Now()))
	if clock.Shift != 0 {
		end := clock.Start.Add(-clock.Shift).Time()
		fmt.Fprintf(a.stderr, "not all events are of the last 7 days: all are moved by %s, so that the 7 days up to %s end now; the others get the time of the replay\n",
			clock.Shift.Round(time.Minute), end.Format(time.RFC3339))
	}
	note := clock.AppendText(nil)
	return note, replay.Begin(ctx, note)
}

// claimedTimes reads the files for the event times that their records claim.
func (a *app) claimedTimes(ctx context.Context, paths []string) (times pipeline.ReplayTimes, err error) {
	mappings, err := normalise.New(sources.Formats())
	if err != nil {
		return times, err
	}
	reader, err := file.Open(paths, file.Options{})
	if err != nil {
		return times, usagef("--replay: %w", err)
	}
	defer reader.Close()
	show := newProgress(a.stderr, "looked at the times of")
	parsers := map[string]*normalise.Parser{}
	for n := int64(1); ctx.Err() == nil; n++ {
		rec, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return times, nil
		}
		if err != nil {
			return times, err
		}
		if parsers[rec.Source] == nil {
			parsers[rec.Source], _ = mappings.Parser(rec.Source) // the reader knows no other sources
		}
		times.Add(parsers[rec.Source].Claimed(rec.Value))
		done, of := reader.Progress()
		show.update(n, done, of)
	}
	return times, ctx.Err()
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
