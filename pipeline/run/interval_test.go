package run

import (
	"testing"
	"time"
)

func TestIntervalGrowsWhileBehindAndShrinksWhenCaughtUp(t *testing.T) {
	t.Parallel()
	p := newPacer(15*time.Millisecond, 200*time.Millisecond)
	if got := p.interval(); got != 15*time.Millisecond {
		t.Fatalf("at the start: got %v, want the shortest", got)
	}
	for range 6 {
		p.ended(time.Time{}, time.Millisecond, true)
	}
	if got := p.interval(); got != 200*time.Millisecond {
		t.Errorf("behind: got %v, want the longest", got)
	}
	for range 6 {
		p.ended(time.Time{}, time.Millisecond, false)
	}
	if got := p.interval(); got != 15*time.Millisecond {
		t.Errorf("caught up: got %v, want the shortest", got)
	}
}

func TestIntervalIsNotShorterThanEndingTook(t *testing.T) {
	t.Parallel()
	p := newPacer(15*time.Millisecond, 200*time.Millisecond)
	for range 50 {
		p.ended(time.Time{}, 60*time.Millisecond, false)
	}
	if got := p.interval(); got < 55*time.Millisecond || got > 60*time.Millisecond {
		t.Errorf("got %v, want about 60ms", got)
	}
	for range 50 {
		p.ended(time.Time{}, 5*time.Second, false)
	}
	if got := p.interval(); got != 200*time.Millisecond {
		t.Errorf("got %v, want at most the longest", got)
	}
}

func TestRareRecordIsCommittedAtOnceAndBusyLaneFillsTransactions(t *testing.T) {
	t.Parallel()
	p := newPacer(15*time.Millisecond, 200*time.Millisecond)
	noon := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	f := func(name string, began time.Duration, want time.Duration) {
		t.Helper()
		if got := p.due(noon.Add(began)).Sub(noon); got != want {
			t.Errorf("%s: it ends at %v, want %v", name, got, want)
		}
	}
	f("first of all", 0, 0)
	p.ended(noon, 2*time.Millisecond, false)
	f("right after another", time.Millisecond, 15*time.Millisecond)
	f("within the interval", 14*time.Millisecond, 15*time.Millisecond)
	f("after a pause", 40*time.Millisecond, 40*time.Millisecond)
	p.ended(noon, 2*time.Millisecond, true)
	f("behind", time.Millisecond, 30*time.Millisecond)
}
