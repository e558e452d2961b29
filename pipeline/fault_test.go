package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

func TestFaultOfReadsTheOutermostMark(t *testing.T) {
	t.Parallel()
	f := func(name string, err error, want Fault, reason string) {
		t.Helper()
		got, r := FaultOf(err)
		if got != want || r != reason {
			t.Errorf("%s: FaultOf = %v %q, want %v %q", name, got, r, want, reason)
		}
	}
	f("nil", nil, FaultNone, "")
	f("canceled", fmt.Errorf("poll: %w", context.Canceled), FaultNone, "canceled")
	f("unmarked", io.EOF, FaultStop, "unmarked")
	f("reject", AsReject("depth", io.EOF), FaultReject, "depth")
	f("wrapped", fmt.Errorf("insert: %w", AsRetry("refused", time.Second, io.EOF)), FaultRetry, "refused")
	f("marked twice", AsUnknown("timeout", AsRetry("refused", 0, io.EOF)), FaultUnknown, "timeout")
	f("stop", AsStop("broken", io.EOF), FaultStop, "broken")
	f("marked nil", AsReject("depth", nil), FaultNone, "")
}

func TestMarksKeepTheCauseAndTheDelay(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("call: %w", AsRetry("rate", 3*time.Second, io.ErrUnexpectedEOF))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got := RetryAfter(err); got != 3*time.Second {
		t.Errorf("RetryAfter = %v, want 3s", got)
	}
}

func TestClampReplacesTimesOutsideTheBand(t *testing.T) {
	t.Parallel()
	now := MillisOf(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	f := func(name string, at, want Millis, skewed bool) {
		t.Helper()
		if got, s := Clamp(at, now); got != want || s != skewed {
			t.Errorf("%s: Clamp = %d %v, want %d %v", name, got, s, want, skewed)
		}
	}
	f("inside", now-1000, now-1000, false)
	f("seven days ago", now.Add(-MaxPast), now.Add(-MaxPast), false)
	f("longer ago", now.Add(-MaxPast)-1, now, true)
	f("five minutes ahead", now.Add(MaxFuture), now.Add(MaxFuture), false)
	f("further ahead", now.Add(MaxFuture)+1, now, true)
	f("none", 0, now, true)
}
