package engine

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// meter tells OPA's interpreter and builtins, which ask it over and over, whether to
// stop: when the context is done, or when a budget is spent. The budget makes no
// difference between fast and slow hosts, as a deadline would.
type meter struct {
	ctx   context.Context //nolint:containedctx // lives as long as one evaluation
	left  *int            // instructions
	asked int
	other topdown.Cancel // asked too, if not nil
}

var _ topdown.Cancel = (*meter)(nil)

// questionCost is what a question costs, in instructions: OPA asks before each expression
// and, in builtins that can run long, for each value that they make.
const questionCost = 16

// askEvery is the distance of looks at the context, in questions.
const askEvery = 64

// Cancel ends what asks.
func (c *meter) Cancel() { *c.left = -1 }

// Cancelled reports whether to stop, and charges for the question.
func (c *meter) Cancelled() bool {
	*c.left -= questionCost
	c.asked++
	if *c.left < 0 || (c.other != nil && c.other.Cancelled()) {
		return true
	}
	return c.asked%askEvery == 1 && c.ctx.Err() != nil
}

// explain returns the error that err means if it is that of something which stopped
// because of the meter, else err.
func (c *meter) explain(err error) error {
	if !topdown.IsCancel(err) {
		return err
	}
	if *c.left < 0 {
		return ErrBudget
	}
	if cause := c.ctx.Err(); cause != nil {
		return fmt.Errorf("%w: %w", ErrCanceled, cause)
	}
	return err
}

// work is what it costs a builtin to read v, in instructions, besides its call: of a
// string a part of its bytes, of a number that is not small the square of its length,
// as multiplying and writing it out goes. Members of collections are charged for where
// they are read.
func work(v *Value, bytesPer int) int {
	switch v.k {
	case KindString:
		return int(v.n) / bytesPer
	case kindText:
		words := int(v.n) / 8
		return words * words / 64
	default:
	}
	return 0
}

// Bytes of a string that a builtin reads for one instruction: looking for a byte is
// ten times as fast as a step of a regular expression.
const (
	bytesPerStep    = 32
	bytesPerPattern = 2
)
