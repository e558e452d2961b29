package main

import (
	"io"
	"math"
	"strings"
	"testing"
)

// minutes are samples of a process that keeps perRecord bytes beyond its state, with a heap
// that swings by noise.
func minutes(n int, perRecord, noise float64) (m []sample) {
	for i := range n {
		read := float64(i) * 60_000
		swing := noise * math.Sin(float64(i)*2.4)
		m = append(m, sample{read: read, state: 96 * read, heap: 80e6 + 96*read + perRecord*read + swing, rss: 2e8})
	}
	return m
}

func TestGrowthBeyondTheStateIsALeak(t *testing.T) {
	t.Parallel()
	f := func(name string, perRecord, noise float64, want string) {
		t.Helper()
		w := watcher{out: io.Discard, minutes: minutes(30, perRecord, noise)}
		got := "none"
		if err := w.judge(); err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	f("state alone", 0, 0, "none")
	f("garbage that comes and goes", 0, 8e6, "none")
	f("a kilobyte for each record", 1000, 8e6, "grows by")
	f("a pointer for each record", 8, 1e6, "none")
	f("a pointer for each record of a noisy heap", 8, 8e6, "too short")
	f("slow but steady", 64, 1e6, "grows by")
	stuck := watcher{out: io.Discard, minutes: make([]sample, 9)}
	if stuck.judge() == nil {
		t.Error("a process that reads nothing passes")
	}
}
