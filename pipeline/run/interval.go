package run

import "time"

// pacer chooses how long a transaction lasts. Short transactions are quick to be seen,
// long ones cost less. While the lane is near the end of its input the transactions are
// short; when it is behind they grow to the longest. And none is shorter than what ending
// one took lately: below that, the markers that the broker writes would set the pace.
type pacer struct {
	shortest, longest time.Duration
	now               time.Duration
	endTook           time.Duration // moving average
}

func newPacer(shortest, longest time.Duration) pacer {
	return pacer{shortest: shortest, longest: longest, now: shortest}
}

// interval returns how long the next transaction shall last.
func (p *pacer) interval() time.Duration {
	return min(max(p.now, p.endTook), p.longest)
}

// ended takes what ending a transaction took and whether the lane is behind.
func (p *pacer) ended(took time.Duration, behind lagging) {
	p.endTook += (took - p.endTook) / 8
	if behind {
		p.now = min(2*p.now, p.longest)
		return
	}
	p.now = max(p.now/2, p.shortest)
}

// lagging says that a lane is behind the end of its input.
type lagging bool
