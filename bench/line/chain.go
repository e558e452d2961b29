// Package line puts the stages of the pipeline together for measurements and replays, the
// way the program does.
package line

import (
	"context"
	"fmt"

	"github.com/riposte-sec/riposte/pipeline"
)

// Chain is stages that work on a batch one after the other, of which at most one has
// state.
type Chain struct {
	stages []pipeline.Stage
}

// Stateful is a Chain with state.
type Stateful struct {
	Chain
	pipeline.Stateful
}

var (
	_ pipeline.Stage    = Chain{}
	_ pipeline.Stateful = Stateful{}
)

// Join makes one stage of several. It is Stateful if one of them is; two such are an error.
func Join(stages ...pipeline.Stage) (pipeline.Stage, error) {
	c := Chain{stages: stages}
	var state pipeline.Stateful
	for _, s := range stages {
		if st, ok := s.(pipeline.Stateful); ok {
			if state != nil {
				return nil, fmt.Errorf("stages %T and %T both have state", state, st)
			}
			state = st
		}
	}
	if state == nil {
		return c, nil
	}
	return Stateful{c, state}, nil
}

// Process lets each stage work on b in turn.
func (c Chain) Process(ctx context.Context, b *pipeline.Batch) error {
	for _, s := range c.stages {
		if err := s.Process(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// Process is that of the Chain.
func (s Stateful) Process(ctx context.Context, b *pipeline.Batch) error {
	return s.Chain.Process(ctx, b)
}
