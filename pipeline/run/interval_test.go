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
		p.ended(time.Millisecond, true)
	}
	if got := p.interval(); got != 200*time.Millisecond {
		t.Errorf("behind: got %v, want the longest", got)
	}
	for range 6 {
		p.ended(time.Millisecond, false)
	}
	if got := p.interval(); got != 15*time.Millisecond {
		t.Errorf("caught up: got %v, want the shortest", got)
	}
}

func TestIntervalIsNotShorterThanEndingTook(t *testing.T) {
	t.Parallel()
	p := newPacer(15*time.Millisecond, 200*time.Millisecond)
	for range 50 {
		p.ended(60*time.Millisecond, false)
	}
	if got := p.interval(); got < 55*time.Millisecond || got > 60*time.Millisecond {
		t.Errorf("got %v, want about 60ms", got)
	}
	for range 50 {
		p.ended(5*time.Second, false)
	}
	if got := p.interval(); got != 200*time.Millisecond {
		t.Errorf("got %v, want at most the longest", got)
	}
}
