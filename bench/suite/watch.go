package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxGrowth is how many bytes of heap an event may leave behind beyond the state that the
// stages account for. The state itself is bounded by budgets.
const maxGrowth = 16.0

// watcher looks at the memory of a process.
type watcher struct {
	pid     int
	url     string // of its metrics
	out     io.Writer
	minutes []sample
}

// sample is the memory in one minute: the least of what was seen. Of the heap it is what the
// last collection found alive. The garbage above it may grow to as much again, so it grows
// with the state and would look like a leak.
type sample struct {
	rss, heap, state float64 // bytes
	read, lag        float64 // records: read by ingest so far, behind in all
}

// watch samples until the time is over.
func (w *watcher) watch(ctx context.Context, length time.Duration) error {
	fmt.Fprintf(w.out, "minute  rss MB  live MB  state MB  read  behind\n")
	end := time.Now().Add(length)
	for time.Now().Before(end) {
		least := sample{rss: math.Inf(1), heap: math.Inf(1)}
		for range 20 {
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			s, err := w.look(ctx)
			if err != nil {
				return err
			}
			s.rss, s.heap = min(s.rss, least.rss), min(s.heap, least.heap)
			least = s
		}
		w.minutes = append(w.minutes, least)
		const mb = 1 << 20
		fmt.Fprintf(w.out, "%6d  %6.1f  %7.1f  %8.1f  %d  %d\n", len(w.minutes), least.rss/mb, least.heap/mb, least.state/mb, int(least.read), int(least.lag))
	}
	return nil
}

// look reads the memory once.
func (w *watcher) look(ctx context.Context) (s sample, err error) {
	page, err := get(ctx, w.url)
	if err != nil {
		return s, err
	}
	percent := 100.0 // GOGC
	for line := range strings.Lines(string(page)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue // a comment
		}
		switch {
		case name == "go_memstats_next_gc_bytes":
			s.heap = v
		case name == "go_gc_gogc_percent":
			percent = v
		case strings.HasPrefix(name, "riposte_run_state_bytes"):
			s.state += v
		case strings.HasPrefix(name, "riposte_run_lag_records"):
			s.lag += v
		case strings.HasPrefix(name, "riposte_run_records_total") && strings.Contains(name, `"ingest"`) && strings.Contains(name, `"read"`):
			s.read += v
		}
	}
	s.heap /= 1 + percent/100 // the next collection begins when that much was added
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid))
	if err != nil {
		return s, err
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			s.rss = float64(kb << 10)
			return s, err
		}
	}
	return s, errors.New("no VmRSS in the status of the process")
}

// judge fits a line through the heap beyond the state, over the records read, after a
// third of the time was left for pools and caches to fill. A slope above maxGrowth by two
// standard errors is a leak; one that is not below it by as much proves nothing.
func (w *watcher) judge() error {
	rest := w.minutes[len(w.minutes)/3:]
	beyond, all := make([]float64, len(rest)), make([]float64, len(rest))
	read := make([]float64, len(rest))
	for i, m := range rest {
		read[i], beyond[i], all[i] = m.read, m.heap-m.state, m.rss
	}
	slope, fault := fit(read, beyond)
	rss, _ := fit(read, all)
	fmt.Fprintf(w.out, "soak: live heap beyond state %+.1f +- %.1f bytes per record, resident memory %+.1f, over %d minutes and %d records; limit %.0f\n",
		slope, 2*fault, rss, len(rest), int(read[len(read)-1]-read[0]), maxGrowth)
	switch {
	case read[len(read)-1] == read[0]:
		return errors.New("soak: nothing was read")
	case slope-2*fault > maxGrowth:
		return fmt.Errorf("soak: memory grows by %.1f bytes per record that no state explains", slope)
	case slope+2*fault > maxGrowth:
		return fmt.Errorf("soak: too short to tell whether memory grows by %.1f bytes per record", slope)
	}
	fmt.Fprintln(w.out, "soak: no growth beyond the state")
	return nil
}

// fit returns the slope of the line through the points by least squares, and its standard
// error.
func fit(x, y []float64) (slope, fault float64) {
	n := float64(len(x))
	var mx, my float64
	for i := range x {
		mx, my = mx+x[i]/n, my+y[i]/n
	}
	var xx, xy float64
	for i := range x {
		xx, xy = xx+(x[i]-mx)*(x[i]-mx), xy+(x[i]-mx)*(y[i]-my)
	}
	if xx == 0 || n < 3 {
		return 0, 0
	}
	slope = xy / xx
	var off float64
	for i := range x {
		d := y[i] - my - slope*(x[i]-mx)
		off += d * d
	}
	return slope, math.Sqrt(off / (n - 2) / xx)
}
