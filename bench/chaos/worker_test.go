package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/internal/crash"
)

func TestEveryCrashPointComesOnceBeforeAnyComesAgain(t *testing.T) {
	t.Parallel()
	s := &stack{}
	s.crashPoints.Store(true)
	fates := func(seed uint64) (all []string) {
		w := &worker{s: s, rand: rand.New(rand.NewPCG(seed, 1))}
		for run := range 200 {
			if point, _ := w.fate(run); point != "" {
				all = append(all, point)
			}
		}
		return all
	}
	got := fates(7)
	points := crash.Points()
	for len(got) >= len(points) {
		var round []string
		for _, p := range got[:len(points)] {
			name, _, _ := strings.Cut(p, ":")
			round = append(round, name)
		}
		slices.Sort(round)
		if want := slices.Sorted(slices.Values(points)); !slices.Equal(round, want) {
			t.Fatalf("got the round %v, want each of %v", round, want)
		}
		got = got[len(points):]
	}
	if !slices.Equal(fates(8), fates(8)) || slices.Equal(fates(8), fates(9)) {
		t.Error("the seed does not decide about the schedule")
	}
}
