package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/sources/all"
	"github.com/riposte-sec/riposte/sources/file"
)

// feedFlags are what `riposte feed` was asked.
type feedFlags struct {
	source string
	rate   float64
}

func (a *app) feedCommand() *cobra.Command {
	var f feedFlags
	c := &cobra.Command{
		Use:   "feed FILE...",
		Short: "produce files into raw topics",
		Long: `feed produces each line of the files (.jsonl, .ndjson, .log, also .gz) as a
record to raw.<source>. The source is given with --source, or is the folder that a
file lies in. Every record is acknowledged by all replicas before feed ends.`,
		Example: `  riposte feed eve.json --source suricata
  riposte feed logs/ --rate 5000 --brokers k1:9092
  riposte feed archive/2026-11/*.gz --source zeek`,
		Args: someArgs("a file"),
		RunE: func(c *cobra.Command, args []string) error { return a.feed(c.Context(), f, args) },
	}
	c.Flags().StringVar(&f.source, "source", "", "source of the files: "+strings.Join(sourceNames(), ", "))
	c.Flags().StringArrayVar(&a.brokers, "brokers", nil, "Kafka brokers (default: from the configuration)")
	c.Flags().Float64Var(&f.rate, "rate", 0, "records per second at most (default: as fast as they are taken)")
	return c
}

func sourceNames() []string {
	formats := all.Formats()
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.Name
	}
	return names
}

func (a *app) feed(ctx context.Context, f feedFlags, paths []string) error {
	if f.source != "" && !slices.Contains(sourceNames(), f.source) {
		return usagef("--source %q: want one of %s", f.source, strings.Join(sourceNames(), ", "))
	}
	if f.rate < 0 {
		return usagef("--rate %g: must not be negative", f.rate)
	}
	k, err := a.kafkaOf()
	if err != nil {
		return err
	}
	reader, err := file.Open(paths, file.Options{Source: f.source})
	if err != nil {
		return failWith(exitUsage, err)
	}
	defer reader.Close()
	for _, n := range reader.Notes() {
		fmt.Fprintln(a.stderr, n)
	}
	return a.feedFrom(ctx, k, reader, f.rate)
}

// feedFrom feeds all that reader has.
func (a *app) feedFrom(ctx context.Context, k run.Kafka, reader *file.Reader, rate float64) error {
	there, err := rawTopicsOf(ctx, k)
	if err != nil {
		return err
	}
	feeder, err := run.NewFeeder(k)
	if err != nil {
		return err
	}
	defer feeder.Close()
	show := newProgress(a.stderr, "fed")
	pace := newPacer(rate)
	send := func(ctx context.Context, m pipeline.Message) error {
		if there[m.Topic] == 0 {
			return fmt.Errorf("topic %s does not exist: `riposte run` creates it", k.Topic(m.Topic))
		}
		if err := pace.wait(ctx); err != nil {
			return err
		}
		return feeder.Send(ctx, m)
	}
	total, err := sendAll(ctx, reader, 0, send, func(int64) {
		done, of := reader.Progress()
		show.update(feeder.Progress().Acked, done, of)
	})
	if err == nil {
		err = failWith(exitNotConnected, feeder.Flush(ctx))
	}
	show.finish(feeder.Progress().Acked)
	if acked := feeder.Progress().Acked; err != nil {
		return fmt.Errorf("%d of %d records are in Kafka: %w", acked, total, err)
	}
	_, err = fmt.Fprintf(a.stdout, "%d records of %d files are in Kafka\n", total, reader.Stats().Files)
	return err
}

// rawTopicsOf returns the partitions of the raw topics that exist. A producer would wait for
// ever for a broker that is away, or that does not let us in.
func rawTopicsOf(ctx context.Context, k run.Kafka) (map[string]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	there, err := run.Partitions(ctx, k, rawTopics(sourceNames())...)
	return there, failWith(exitNotConnected, err)
}

// pacer spreads records over time.
type pacer struct {
	every time.Duration
	next  time.Time
}

// newPacer lets rate records pass per second; zero lets all pass.
func newPacer(rate float64) *pacer {
	if rate <= 0 {
		return &pacer{}
	}
	return &pacer{every: time.Duration(float64(time.Second) / rate), next: time.Now()}
}

// wait returns when the next record may pass. What was missed is made up for, up to a
// second of it.
func (p *pacer) wait(ctx context.Context) error {
	if p.every == 0 {
		return nil
	}
	now := time.Now()
	if behind := now.Add(-time.Second); p.next.Before(behind) {
		p.next = behind
	}
	until := p.next.Sub(now)
	p.next = p.next.Add(p.every)
	if until < time.Millisecond {
		return nil
	}
	return sleepFor(ctx, until)
}

// sleepFor waits, or returns the error of ctx.
func sleepFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
