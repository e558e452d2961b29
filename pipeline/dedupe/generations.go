package dedupe

import (
	"slices"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// generation is the entries of a stretch of append time. Entries carry its number.
type generation struct {
	num         uint32
	first, last pipeline.Millis // append times of its records
	keys        int
}

// clock is what decides which entries count: everything of the state but the table. It
// depends on the records alone.
type clock struct {
	seq    uint64          // deltas written so far
	newest pipeline.Millis // highest event time of a live event
	gens   []generation    // oldest first; the last one is being filled
}

func (c *clock) clone() clock {
	d := *c
	d.gens = slices.Clone(c.gens)
	return d
}

// floor is the number of the oldest generation that counts.
func (c *clock) floor() uint32 {
	if len(c.gens) == 0 {
		return 0
	}
	return c.gens[0].num
}

func (c *clock) keys() int {
	n := 0
	for i := range c.gens {
		n += c.gens[i].keys
	}
	return n
}

// advance lets time pass to now, the append time of a record. Append times of a partition
// rise, but for a change of the leader; going back is no step.
func (c *clock) advance(now pipeline.Millis, ttl time.Duration) {
	if len(c.gens) == 0 {
		c.gens = append(c.gens, generation{num: 1, first: now, last: now})
		return
	}
	current := &c.gens[len(c.gens)-1]
	if now <= current.last {
		return
	}
	if now.Sub(current.first) >= ttl/6 {
		c.next(now)
	} else {
		current.last = now
	}
	for len(c.gens) > 1 && now.Sub(c.gens[0].last) > ttl {
		c.gens = slices.Delete(c.gens, 0, 1)
	}
}

// next begins a generation.
func (c *clock) next(now pipeline.Millis) {
	c.gens = append(c.gens, generation{num: c.gens[len(c.gens)-1].num + 1, first: now, last: now})
}

// reserve makes room for one more key and returns its generation, and whether the oldest
// generation was forgotten before its time. maxKeys is at least 8.
func (c *clock) reserve(maxKeys int) (gen uint32, shed bool) {
	current := &c.gens[len(c.gens)-1]
	if current.keys >= maxKeys/8 {
		c.next(current.last)
		current = &c.gens[len(c.gens)-1]
	}
	if c.keys() >= maxKeys {
		c.gens = slices.Delete(c.gens, 0, 1)
		current = &c.gens[len(c.gens)-1]
		shed = true
	}
	current.keys++
	return current.num, shed
}
