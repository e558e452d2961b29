package assembly

import (
	"context"

	"github.com/riposte-sec/riposte/pipeline"
)

// chain runs several links one after the other over the same batch. Exactly one of them has
// state, and the chain's state is its own.
type chain struct {
	pipeline.Stateful // the link with state; its Process is replaced
	links             []pipeline.Stage
}

var _ pipeline.Counted = (*chain)(nil)

// Counters implements [pipeline.Counted] with what the link with state counts.
func (c *chain) Counters(emit func(name string, n uint64)) {
	if s, ok := c.Stateful.(pipeline.Counted); ok {
		s.Counters(emit)
	}
}

// Process runs the links in order.
func (c *chain) Process(ctx context.Context, b *pipeline.Batch) error {
	for _, l := range c.links {
		if err := l.Process(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// Commit passes the end of a transaction on to the links that want to know.
func (c *chain) Commit() {
	c.Stateful.Commit()
	for _, l := range c.links {
		if p, ok := l.(*pipeline.Pulse); ok {
			p.Commit()
		}
	}
}

// Rollback does the same.
func (c *chain) Rollback() {
	c.Stateful.Rollback()
	for _, l := range c.links {
		if p, ok := l.(*pipeline.Pulse); ok {
			p.Rollback()
		}
	}
}
