package run

import (
	"sync"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// census counts what the stages of a lane have begun and not ended. The stages belong to
// the lane's goroutine, which counts while somebody asks: whenever something was committed,
// so that what leaves the effects under way is in the count before. It is safe for
// concurrent use.
type census struct {
	mu    sync.Mutex
	asked time.Time
	known bool
	n     int
}

// censusLasts is for how long after a question the count is kept.
const censusLasts = 5 * time.Second

// look returns the count, and whether it is known yet: asking makes it so.
func (c *census) look() (n int, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = time.Now()
	return c.n, c.known
}

// take counts if somebody asked lately.
func (c *census) take(count func() int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known = time.Since(c.asked) < censusLasts; c.known {
		c.n = count()
	}
}

// forget makes the count unknown, because there are stages that were not counted.
func (c *census) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = false
}

// unsettled counts over the partitions that are served.
func (s *session) unsettled() int {
	var stages []pipeline.Unsettled
	s.eachPart(func(p *part) {
		if u, ok := p.state.(pipeline.Unsettled); ok {
			stages = append(stages, u)
		}
	})
	n := 0
	for _, u := range stages {
		n += u.Unsettled()
	}
	return n
}
