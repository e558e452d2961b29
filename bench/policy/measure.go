package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// figures are what was measured of one variant.
type figures struct {
	ns     float64 // median over the rounds, per decision
	allocs float64
	p50    time.Duration
	p99    time.Duration
	faster map[string]float64 // than each variant: median of the rounds' ratios
	gain   float64            // decisions per second of two goroutines : one
}

type table map[string]figures

var order = []string{"stock", "tuned", "tuned-ast", "engine-no-index", "engine-ast", "engine"}

func (s *subject) measure(rounds int, slice time.Duration) table {
	ops := s.variants()
	times := map[string][]float64{}
	for _, name := range order { // warm up
		s.timed(ops[name], slice/4)
	}
	for range rounds {
		for _, name := range order {
			times[name] = append(times[name], s.timed(ops[name], slice))
		}
	}
	t := table{}
	for _, name := range order {
		f := figures{ns: median(times[name]), allocs: s.allocs(ops[name]), faster: map[string]float64{}}
		for _, base := range order {
			f.faster[base] = median(quotients(times[base], times[name]))
		}
		f.p50, f.p99 = s.latency(ops[name], slice)
		t[name] = f
	}
	e := t["engine"]
	e.gain = s.scaling(slice * 2)
	t["engine"] = e
	return t
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// quotients divides round by round: what disturbs a round disturbs both.
func quotients(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

// timed returns the processor time per decision, collection of garbage included,
// with one P as on one core.
func (s *subject) timed(op func(int), slice time.Duration) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	n := 0
	start := cpuTime()
	for cpuTime()-start < slice {
		for range 16 {
			op(n % len(s.events))
			n++
		}
	}
	return float64((cpuTime() - start).Nanoseconds()) / float64(n)
}

// cpuTime is the time that the process has had on a processor. The wall clock
// would count what other processes took.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("BUG: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (s *subject) allocs(op func(int)) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range s.events {
		op(i)
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(len(s.events))
}

func (s *subject) latency(op func(int), slice time.Duration) (p50, p99 time.Duration) {
	var all []time.Duration
	for start := time.Now(); time.Since(start) < slice; {
		for i := range s.events {
			at := time.Now()
			op(i)
			all = append(all, time.Since(at))
		}
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// scaling returns how many times more two goroutines decide than one.
func (s *subject) scaling(slice time.Duration) float64 {
	rate := func(workers int) float64 {
		var wg sync.WaitGroup
		counts := make([]int, workers*64) // a cache line each
		start := time.Now()
		for w := range workers {
			op := s.variants()["engine"]
			wg.Go(func() {
				for time.Since(start) < slice {
					for i := range 64 {
						op(i)
					}
					counts[w*64] += 64
				}
			})
		}
		wg.Wait()
		total := 0
		for _, c := range counts {
			total += c
		}
		return float64(total) / time.Since(start).Seconds()
	}
	one, two := rate(1), rate(2)
	return two / one
}

func (t table) write(r *report, p policy, s *subject) {
	w := &r.text
	fmt.Fprintf(w, "\n%s: %d rules, %d B of Rego, events of %d B\n", p.name, p.rules, len(p.source), s.size)
	fmt.Fprintf(w, "%s\n", s.report)
	fmt.Fprintf(w, "%-16s %12s %10s %10s %10s %10s\n", "variant", "ns/decision", "vs stock", "allocs", "p50", "p99")
	for _, name := range order {
		f := t[name]
		fmt.Fprintf(w, "%-16s %12.0f %9.1fx %10.1f %10v %10v\n", name, f.ns, f.faster["stock"], f.allocs, f.p50, f.p99)
	}
	fmt.Fprintf(w, "two goroutines : one = %.2f\n", t["engine"].gain)
}
