// Command correlate measures pipeline/correlate: what one signal costs for each kind of
// correlation against an increment in a hash map, distinct counting in small and large
// windows, bytes per group, a hot group, and the restore of a large state against reading
// its topic bare. All ratios are taken within one run, by processor time; absolute times
// mean nothing on a busy host. The last line of the output begins with "bench-correlate:".
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// options are the flags.
type options struct {
	rounds, signals, keys int
	out                   string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; the median of them counts")
	flag.IntVar(&o.signals, "signals", 20_000, "signals of each variant in a round")
	flag.IntVar(&o.keys, "keys", 1_000_000, "groups in the state that is restored")
	flag.StringVar(&o.out, "out", "bench/results/correlate.txt", "file for the result; empty: none")
	smoke := flag.Bool("smoke", false, "everything once and small; nothing is written")
	flag.Parse()
	if *smoke {
		o = options{rounds: 1, signals: 2000, keys: 10_000}
	}
	if err := measure(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// result is what the last line names.
type result struct {
	name  string
	value float64
	goal  string
}

func measure(ctx context.Context, o options) error {
	var text strings.Builder
	say := func(format string, args ...any) {
		fmt.Printf(format, args...)
		fmt.Fprintf(&text, format, args...)
	}
	say("correlate, %s, %s %s/%s, %d CPUs, %d rounds of %d signals, load %s", time.Now().UTC().Format(time.DateOnly),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.rounds, o.signals, load())
	var all []result
	for _, part := range []func(context.Context, options, func(string, ...any)) ([]result, error){updates, distinct, hotGroup, sizes, restore} {
		rs, err := part(ctx, o, say)
		if err != nil {
			return err
		}
		all = append(all, rs...)
	}
	say("load %sbench-correlate:", load())
	for _, r := range all {
		say(" %s=%.2f(%s)", r.name, r.value, r.goal)
	}
	say("\n")
	if o.out == "" {
		return nil
	}
	return os.WriteFile(o.out, []byte(text.String()), 0o644)
}

// cpuTime is the time that the process has had on processors. The clock on the wall would
// count what other processes took.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic("BUG: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown\n"
	}
	return string(text)
}
