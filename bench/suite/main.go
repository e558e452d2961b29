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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/riposte-sec/riposte/bench/record"
	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

// options are the flags.
type options struct {
	smoke   bool
	rounds  int
	records int
	broker  string
	only    string
	results string
	profile string
}

func main() {
	embedded.Main() // does not return in the process that becomes ClickHouse
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		if child, ok := children[args[0]]; ok {
			return child(ctx, args[1:])
		}
	}
	o := options{}
	fs := flag.NewFlagSet("suite", flag.ContinueOnError)
	fs.BoolVar(&o.smoke, "smoke", false, "run everything once, small; store nothing")
	fs.IntVar(&o.rounds, "rounds", 3, "rounds; the median counts")
	fs.IntVar(&o.records, "records", 400_000, "records of the throughput measurements")
	fs.StringVar(&o.broker, "broker", "kfake", "kfake or kafka (Apache Kafka)")
	fs.StringVar(&o.only, "only", "", "numbers to measure, such as n1,n5; default all")
	fs.StringVar(&o.results, "results", "bench/results", "folder for the result file; empty stores nothing")
	fs.StringVar(&o.profile, "profile", "", "start of the names of CPU profiles of the whole path; empty makes none")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if o.smoke {
		o.rounds, o.records, o.results = 1, 100_000, ""
	}
	if o.rounds < 1 || o.records < 100_000 {
		return errors.New("want at least one round and 100,000 records")
	}
	return measure(ctx, o, out)
}

// measurement is one number of the design.
type measurement struct {
	name string
	goal string
	run  func(ctx context.Context, s *suite) (float64, error)
}

// measurements in the order in which a round makes them.
var measurements = []measurement{
	{"n10", ">= 8", parserRatio},
	{"n7", "<= 96 MB", keyMemory},
	{"n1", ">= 0.60", ingestRatio},
	{"n5", ">= 0.90", onceRatio},
	{"n9", ">= 0.5", restoreRatio},
	{"n6", "<= 10", latencyRatio},
	{"lanes", "-", wholeRatio},
}

// measure makes the rounds, prints the table and the last line, and stores both.
func measure(ctx context.Context, o options, out io.Writer) (err error) {
	var text strings.Builder
	out = io.MultiWriter(out, &text)
	fmt.Fprint(out, record.Head(ctx))
	s, err := newSuite(ctx, o, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	values := map[string][]float64{}
	for round := range o.rounds {
		for _, m := range measurements {
			if o.only != "" && !slices.Contains(strings.Split(o.only, ","), m.name) {
				continue
			}
			s.round = round
			v, failed := m.run(ctx, s)
			if failed != nil {
				failed = fmt.Errorf("%s, round %d: %w", m.name, round+1, failed)
				fmt.Fprintln(out, failed)
				err = errors.Join(err, failed) // the other numbers are worth keeping
				continue
			}
			fmt.Fprintf(out, "round %d: %s = %.3f\n", round+1, m.name, v)
			values[m.name] = append(values[m.name], v)
		}
	}
	for _, m := range measurements {
		if len(values[m.name]) > 0 {
			fmt.Fprintf(out, "%-4s median %8.3f   goal %-9s of %.3f\n", m.name, median(values[m.name]), m.goal, values[m.name])
		}
	}
	fmt.Fprintln(out, lastLine(values))
	if o.results == "" {
		return err
	}
	name := fmt.Sprintf("suite-%s-%s.txt", o.broker, time.Now().UTC().Format("20060102-150405"))
	return errors.Join(err, os.WriteFile(filepath.Join(o.results, name), []byte(text.String()), 0o644))
}

// lastLine is what scripts read. A number that was not measured is "-".
func lastLine(values map[string][]float64) string {
	line := "bench:"
	var pairs strings.Builder
	for _, n := range []string{"n1", "n5", "n6", "n7", "n9", "n10"} {
		if len(values[n]) == 0 {
			pairs.WriteString(" " + n + "=-")
			continue
		}
		fmt.Fprintf(&pairs, " %s=%.3g", n, median(values[n]))
	}
	line += pairs.String()
	return line
}

// median of at least one value.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
