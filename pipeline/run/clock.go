package run

import (
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// clock reads the machine's clock once, when the process starts to serve, and from then on
// lets time pass by the monotonic clock. A step of the wall clock, by NTP or by hand, so
// moves nothing: an hour ahead would end every window, deadline and lease of an hour at
// once, an hour back would hold them up. It is safe for concurrent use.
type clock struct {
	start time.Time // has a monotonic reading
	at    pipeline.Millis
}

func newClock(wall func() time.Time) clock {
	return clock{start: time.Now(), at: pipeline.MillisOf(wall())}
}

func (c *clock) now() pipeline.Millis { return c.at.Add(time.Since(c.start)) }
