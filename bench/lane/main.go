// Command lane runs the ingest stage of riposte over a raw topic to its end and prints what
// that cost: exactly-once in a lane of pipeline/run, or, with -mode alo, the same stage on
// the same batches in an at-least-once loop without state frames, accounts and transactions.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/riposte-sec/riposte/bench/line"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// options are the flags.
type options struct {
	brokers  string
	topic    string
	prefix   string
	group    string
	records  int
	lanes    int
	interval time.Duration
	profile  string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := start(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lane:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context) (err error) {
	var o options
	mode := flag.String("mode", "eos", "eos: exactly-once; alo: at-least-once")
	flag.StringVar(&o.brokers, "brokers", "127.0.0.1:9092", "host:port, separated by commas")
	flag.StringVar(&o.topic, "topic", "raw.suricata", "topic to consume, without prefix")
	flag.StringVar(&o.prefix, "prefix", "", "of topics, group and transactional ids")
	flag.StringVar(&o.group, "stage", "ingest", "stage name or consumer group")
	flag.IntVar(&o.records, "records", 0, "end after so many")
	flag.IntVar(&o.lanes, "lanes", 1, "lanes in this process (eos)")
	flag.DurationVar(&o.interval, "interval", 200*time.Millisecond, "between commits (alo), longest transaction (eos)")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if o.profile != "" {
		stop, err := profile(o.profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	cfg := dedupe.Default()
	cfg.Budget = 1 << 30 // the measurement is about the work, not about forgetting
	stage, err := line.Ingest(cfg)
	if err != nil {
		return err
	}
	switch *mode {
	case "eos":
		return exactlyOnce(ctx, o, stage)
	case "alo":
		return atLeastOnce(ctx, o, stage)
	}
	return fmt.Errorf("mode %q: want eos or alo", *mode)
}

// exactlyOnce runs the lanes until they have committed all records.
func exactlyOnce(ctx context.Context, o options, stage line.Factory) error {
	k := run.Kafka{Brokers: strings.Split(o.brokers, ","), Prefix: o.prefix}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lanes := make([]*run.Lane, o.lanes)
	for i := range lanes {
		c := run.DefaultLane(k, o.group, o.topic)
		c.New, c.Worker, c.Lane, c.MaxInterval = stage, "bench", i, o.interval
		c.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
		var err error
		if lanes[i], err = run.NewLane(c); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(lanes))
	for i, l := range lanes {
		wg.Go(func() {
			defer cancel()
			errs[i] = l.Run(ctx)
		})
	}
	err := watch(ctx, lanes, o.records)
	cancel()
	wg.Wait()
	return errors.Join(errors.Join(errs...), err)
}

// watch prints the cost once the lanes have committed n records. The clock starts with the
// first commit: what was read before it is not counted.
func watch(ctx context.Context, lanes []*run.Lane, n int) error {
	var clock line.Clock
	before := 0
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		var sum run.Stats
		for _, l := range lanes {
			sum.Add(l.Stats())
		}
		read := int(sum.Read)
		if before == 0 && read > 0 {
			clock, before = line.Start(), read
		}
		if read >= n {
			return clock.Print(os.Stdout, read-before, sum.Bytes)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("the lanes ended early")
		}
	}
}
