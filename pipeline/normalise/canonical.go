package normalise

import (
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// Canonical brings values from elsewhere into the form that entities of events have, so that
// equal things are equal byte by byte. Not safe for concurrent use.
type Canonical struct {
	canon canon
	arena pipeline.Arena
	stats CacheStats
}

// NewCanonical returns a Canonical.
func NewCanonical() *Canonical {
	c := &Canonical{}
	c.canon = newCanon(&c.stats)
	c.canon.arena = &c.arena
	return c
}

// Entity returns the canonical form of text as an entity of that kind, in memory of its own,
// and whether it has one.
func (c *Canonical) Entity(kind pipeline.EntityKind, text string) (string, bool) {
	form, ok := c.canon.entity(kind, text)
	form = strings.Clone(form)
	c.arena.Reset()
	return form, ok
}
