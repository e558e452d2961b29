package run

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestStepOfTheWallClockMovesNothing(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			off := time.Duration(0)
			c := newClock(func() time.Time { return time.Now().Add(off).Round(0) })
			began := pipeline.MillisOf(time.Now())
			time.Sleep(time.Second)
			off = step
			time.Sleep(2 * time.Second)
			if got, want := c.now(), began.Add(3*time.Second); got != want {
				t.Errorf("step of %v: the clock shows %v, want %v", step, got.Time(), want.Time())
			}
		})
	}
}
