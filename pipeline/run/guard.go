package run

import (
	"fmt"
	"runtime/debug"
)

// panicError is a panic of a stage or a connector, caught by guard.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// guard calls f and turns a panic into an error. It is the one place that recovers: a
// stage or a connector that panics over one input must not take the others with it.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return f()
}
