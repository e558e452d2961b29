package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// figures are what was measured of one variant.
type figures struct {
	ns     float64 // median over the rounds, per decision
	allocs float64
	p50    time.Duration
	p99    time.Duration
	faster map[string]float64 // than each variant: median of the rounds' ratios
}

type table map[string]figures

var order = []string{"stock", "tuned", "tuned-ast", "engine-no-index", "engine-ast", "engine"}

func (s *subject) measure(rounds int, slice time.Duration) table {
	ops := s.variants()
	times := map[string][]float64{}
	for _, name := range order { // warm up
		s.timed(ops[name], slice/4)
	}
	single := map[string][]time.Duration{}
	for range rounds {
		for _, name := range order {
			times[name] = append(times[name], s.timed(ops[name], slice))
			single[name] = append(single[name], s.latency(ops[name], slice/2)...)
		}
	}
	t := table{}
	for _, name := range order {
		f := figures{ns: median(times[name]), allocs: s.allocs(ops[name]), faster: map[string]float64{}}
		for _, base := range order {
			f.faster[base] = median(quotients(times[base], times[name]))
		}
		f.p50, f.p99 = quantiles(single[name])
		t[name] = f
	}
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

func (s *subject) allocs(op func(int)) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range s.events {
		op(i)
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(len(s.events))
}

// latency returns the processor time that single decisions took of the thread that
// made them, assisting the garbage collector included. The clock on the wall would
// tell how long the host lets a process wait.
func (s *subject) latency(op func(int), slice time.Duration) []time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all []time.Duration
	start := threadTime()
	for at := start; at-start < slice || len(all) < minSingle; {
		op(len(all) % len(s.events))
		done := threadTime()
		all = append(all, done-at)
		at = done
	}
	return all
}

// minSingle is how many single decisions a round measures at least: 7 rounds of it
// give a 99th percentile something to stand on.
const minSingle = 200

func quantiles(all []time.Duration) (p50, p99 time.Duration) {
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// scaled is how much more two goroutines decide than one.
type scaled struct {
	clock float64 // in the same time
	cpu   float64 // in the same time on a processor each; 2 if they do not hinder each other
	got   float64 // processors that the host gave two goroutines
}

// scaling measures one goroutine and two in turns; medians over the rounds.
func (s *subject) scaling(rounds int, slice time.Duration) scaled {
	var clock, cpu, got []float64
	for range rounds {
		one, two := s.rate(1, slice), s.rate(2, slice)
		clock = append(clock, two.perSecond/one.perSecond)
		cpu = append(cpu, 2*two.perCPU/one.perCPU)
		got = append(got, two.processors)
	}
	return scaled{median(clock), median(cpu), median(got)}
}

type rate struct{ perSecond, perCPU, processors float64 }

// rate lets workers decide on the engine for a while.
func (s *subject) rate(workers int, slice time.Duration) rate {
	var wg sync.WaitGroup
	counts := make([]int, workers)
	start, cpu := time.Now(), cpuTime()
	for w := range workers {
		op := s.variants()["engine"]
		wg.Go(func() {
			n := 0
			for time.Since(start) < slice {
				for i := range 64 {
					op(i)
				}
				n += 64
			}
			counts[w] = n
		})
	}
	wg.Wait()
	wall, spent := time.Since(start).Seconds(), (cpuTime() - cpu).Seconds()
	total := 0
	for _, c := range counts {
		total += c
	}
	return rate{float64(total) / wall, float64(total) / spent, spent / wall}
}

func (t table) write(r *report, p policy, s *subject, gain scaled) {
	w := &r.text
	fmt.Fprintf(w, "\n%s: %d rules, %d B of Rego, events of %d B\n", p.name, p.rules, len(p.source), s.size)
	fmt.Fprintf(w, "%s\n", s.report)
	fmt.Fprintf(w, "%-16s %12s %9s %10s %10s %10s %10s\n", "variant", "ns/decision", "vs stock", "vs tuned", "allocs", "p50", "p99")
	for _, name := range order {
		f := t[name]
		fmt.Fprintf(w, "%-16s %12.0f %8.1fx %9.1fx %10.1f %10v %10v\n", name, f.ns, f.faster["stock"], f.faster["tuned"], f.allocs,
			f.p50.Round(100*time.Nanosecond), f.p99.Round(100*time.Nanosecond))
	}
	fmt.Fprintf(w, "engine from bytes : tuned with the value ready = %.1f\n", t["engine"].faster["tuned-ast"])
	fmt.Fprintf(w, "two goroutines : one = %.2f per processor, %.2f by the clock; the host gave two %.2f processors\n", gain.cpu, gain.clock, gain.got)
}
