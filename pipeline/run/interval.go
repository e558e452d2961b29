package run

import "time"

// pacer chooses when a transaction ends: an interval after the one before it ended. So a
// busy lane fills its transactions, and a lane that gets a record now and then commits it
// at once. Short intervals are quick to be seen, long ones cost less. While the lane is near
// the end of its input they are short; when it is behind they grow to the longest. And none
// is shorter than what ending a transaction took lately: below that, the markers that the
// broker writes would set the pace.
type pacer struct {
	shortest, longest time.Duration
	now               time.Duration
	endTook           time.Duration // moving average
	last              time.Time     // when a transaction ended last
}

func newPacer(shortest, longest time.Duration) pacer {
	return pacer{shortest: shortest, longest: longest, now: shortest}
}

// due returns when a transaction that began at started shall end.
func (p *pacer) due(started time.Time) time.Time {
	if at := p.last.Add(p.interval()); at.After(started) {
		return at
	}
	return started
}

// interval returns how far apart the ends of transactions shall be.
func (p *pacer) interval() time.Duration {
	return min(max(p.now, p.endTook), p.longest)
}

// ended takes when a transaction ended, what that took and whether the lane is behind.
func (p *pacer) ended(at time.Time, took time.Duration, behind lagging) {
	p.last = at
	p.endTook += (took - p.endTook) / 8
	if behind {
		p.now = min(2*p.now, p.longest)
		return
	}
	p.now = max(p.now/2, p.shortest)
}

// lagging says that a lane is behind the end of its input.
type lagging bool
