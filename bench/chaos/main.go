package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/riposte-sec/riposte/bench/record"
	"github.com/riposte-sec/riposte/internal/crash"
	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

// options are the flags.
type options struct {
	kills   int
	most    time.Duration
	seed    uint64
	broker  string
	workers int
	rate    int
	records int
	variant string
	short   bool
	dir     string
	keep    bool
	riposte string
	store   string
	tally   string

	lateness time.Duration // of the workers, 0: as much as the broker needs
}

func main() {
	embedded.Main() // does not return in the process that becomes ClickHouse
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// errOff says that the oracle found faults; its findings are printed already.
var errOff = errors.New("the oracle found faults")

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		if serve, ok := services[args[0]]; ok {
			return serve(ctx, args[1:])
		}
	}
	o, err := parse(args, out)
	if err != nil || o == nil {
		return err
	}
	if !crash.Enabled {
		return errors.New("the crash points are not compiled in: go run -tags crashpoints ./bench/chaos")
	}
	if o.riposte == "" {
		clean, err := build(ctx, o, out)
		if err != nil {
			return err
		}
		defer clean()
	}
	if o.short {
		return short(ctx, *o, out)
	}
	return one(ctx, *o, out)
}

// parse reads the flags; a nil result means that there is nothing left to do.
func parse(args []string, out io.Writer) (*options, error) {
	var o options
	fs := flag.NewFlagSet("chaos", flag.ContinueOnError)
	fs.IntVar(&o.kills, "kills", 100, "end after so many kills; of the variant kills")
	fs.DurationVar(&o.most, "most", 0, "stop killing earlier, after so long; 0: never")
	fs.Uint64Var(&o.seed, "seed", 1, "decides about the schedule, see below")
	fs.StringVar(&o.broker, "broker", "kfake", "kfake, kafka (Apache Kafka) or kafka3 (three brokers of it)")
	fs.IntVar(&o.workers, "workers", 2, "riposte processes")
	fs.IntVar(&o.rate, "rate", 500, "records per second")
	fs.IntVar(&o.records, "records", 0, "records to send at most; 0: a minute's worth, or three seconds' for each kill")
	fs.StringVar(&o.variant, "variant", "kills", "the fault, see below; list prints them")
	fs.BoolVar(&o.short, "short", false, "kills, faults and state one after the other, small: for CI")
	fs.StringVar(&o.dir, "dir", "", "folder for data and logs; default a temporary one")
	fs.BoolVar(&o.keep, "keep", false, "keep the folder; it is kept anyway when something is off")
	fs.StringVar(&o.riposte, "riposte", "", "a riposte built with -tags crashpoints; default: it is built")
	fs.StringVar(&o.store, "store", "", "append the summary to this file, with time and commit")
	fs.StringVar(&o.tally, "tally", "", "run nothing: add up the summaries of this file, such as bench/results/chaos.txt")
	fs.Usage = usage(fs)
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if o.variant == "list" {
		listVariants(out)
		return nil, nil
	}
	if o.tally != "" {
		return nil, printTally(o.tally, out)
	}
	if o.kills < 0 || o.workers < 1 || o.rate < 1 || o.records < 0 {
		return nil, errors.New("kills and records must not be negative, workers and rate must be at least 1")
	}
	return &o, nil
}

// one runs one variant in a folder of its own.
func one(ctx context.Context, o options, out io.Writer) (err error) {
	v, err := variantOf(o.variant)
	if err != nil {
		return err
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "riposte-chaos-"); err != nil {
			return err
		}
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	defer func() {
		if err == nil && !o.keep {
			err = os.RemoveAll(o.dir)
			return
		}
		fmt.Fprintln(out, "chaos: data and logs are in", o.dir)
	}()
	began := time.Now()
	fmt.Fprintf(out, "chaos: %s on %s, seed %d\n", o.variant, o.broker, o.seed)
	report, err := play(ctx, o, v, out)
	if err != nil {
		return err
	}
	report.Print(out)
	if o.store != "" {
		line := fmt.Sprintf("%s broker=%s variant=%s seconds=%d behind=%d; %s", report.Line(), o.broker, o.variant,
			int(time.Since(began).Seconds()), int(report.Behind.Seconds()), report.Kinds)
		if err := record.Append(o.store, line); err != nil {
			return err
		}
	}
	if !report.OK() {
		return errOff
	}
	return nil
}
