package pipeline_test

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestReplayClockIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []pipeline.ReplayClock{{Start: 1}, {Start: 1_790_000_000_000, Shift: -time.Hour}, {Start: 5, Shift: 90 * 365 * 24 * time.Hour}} {
		if got, ok := pipeline.ParseReplayClock(c.AppendText(nil)); !ok || got != c {
			t.Errorf("%s: got %+v %v, want %+v", c.AppendText(nil), got, ok, c)
		}
	}
	big := strconv.FormatInt(math.MaxInt64, 10)
	for _, text := range []string{"", " ", "1", "0 0", "-1 0", "1 ", " 1", "1 x", "1 2 3", big + " 0", "1 " + big, "1 -" + big} {
		if c, ok := pipeline.ParseReplayClock([]byte(text)); ok {
			t.Errorf("%q: got %+v, want no clock", text, c)
		}
	}
}

func TestReplayClockMovesTheBusiestWeekToNow(t *testing.T) {
	t.Parallel()
	const start = pipeline.Millis(1_790_000_000_000)
	const day = 24 * time.Hour
	f := func(name string, kept int, shifted bool, ago ...time.Duration) {
		t.Helper()
		var times pipeline.ReplayTimes
		times.Add(0) // a record without a time changes nothing
		for _, d := range ago {
			times.Add(start.Add(-d))
		}
		c := times.Clock(start)
		if c.Start != start || (c.Shift != 0) != shifted {
			t.Fatalf("%s: got %+v", name, c)
		}
		got := 0
		for _, d := range ago {
			at := start.Add(-d).Add(c.Shift)
			if _, replaced := pipeline.Clamp(at, start); !replaced {
				got++
			}
			if last := ago[len(ago)-1]; d == last && shifted && (at > start || at < start.Add(-pipeline.MaxPast)) {
				t.Errorf("%s: the last of the week is moved to %s before the start", name, start.Sub(at))
			}
		}
		if got != kept {
			t.Errorf("%s: %d of %d times are kept, want %d; %+v", name, got, len(ago), kept, c)
		}
	}
	f("none", 0, false)
	f("of this week", 2, false, 6*day, time.Hour)
	f("of a month ago", 3, true, 36*day, 31*day, 30*day)
	f("years ago, and one of yesterday", 2, true, day, 700*day, 699*day)
	f("from a clock that is ahead", 2, true, -30*day, -31*day)
	f("two equal weeks: the last", 1, true, 30*day, 10*day)
	f("seven days exactly", 2, true, 37*day, 30*day+time.Hour)
}

func FuzzReplayClock(f *testing.F) {
	f.Add([]byte("1790000000000 -3600000"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, ok := pipeline.ParseReplayClock(text)
		if !ok {
			return
		}
		if again, ok := pipeline.ParseReplayClock(c.AppendText(nil)); !ok || again != c {
			t.Errorf("%q: got %+v, then %+v", text, c, again)
		}
		at, _ := pipeline.Clamp(pipeline.Millis(1).Add(c.Shift), c.Start)
		if at < c.Start.Add(-pipeline.MaxPast) || at > c.Start.Add(pipeline.MaxFuture) {
			t.Errorf("%q: event time %d is outside the band", text, at)
		}
	})
}
