package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Fault says what must be done about an error. An error is classified where it is born,
// once per dependency, in that package's faults.go; an unmarked error means FaultStop.
type Fault uint8

// The classes of faults.
const (
	// FaultNone is the class of nil and of context.Canceled, which is never a fault.
	FaultNone Fault = iota
	// FaultReject: this input will never do. It goes to the dead-letter topic.
	FaultReject
	// FaultRetry: the world is not ready. Back off, then the same input again.
	FaultRetry
	// FaultUnknown: it may have happened. Check before anything else.
	FaultUnknown
	// FaultStop: we are wrong. Stop the lane and commit nothing.
	FaultStop
)

// String returns the class as a metric label: none, reject, retry, unknown or stop.
func (f Fault) String() string {
	switch f {
	case FaultNone:
		return "none"
	case FaultReject:
		return "reject"
	case FaultRetry:
		return "retry"
	case FaultUnknown:
		return "unknown"
	case FaultStop:
		return "stop"
	}
	return fmt.Sprintf("fault(%d)", uint8(f))
}

type faultError struct {
	fault  Fault
	reason string
	after  time.Duration
	err    error
}

func (e *faultError) Error() string { return e.err.Error() }
func (e *faultError) Unwrap() error { return e.err }

// AsReject marks err: this input will never do. reason is one of a closed set that the
// caller's package documents; it labels a metric. A nil err gives nil.
func AsReject(reason string, err error) error { return mark(FaultReject, reason, 0, err) }

// AsRetry marks err: try the same input again, not before after has passed (zero leaves
// the pace to the caller). A nil err gives nil.
func AsRetry(reason string, after time.Duration, err error) error {
	return mark(FaultRetry, reason, after, err)
}

// AsUnknown marks err: the effect may have happened. A nil err gives nil.
func AsUnknown(reason string, err error) error { return mark(FaultUnknown, reason, 0, err) }

// AsStop marks err as our own fault, with a reason for the metric. A nil err gives nil.
func AsStop(reason string, err error) error { return mark(FaultStop, reason, 0, err) }

func mark(f Fault, reason string, after time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &faultError{fault: f, reason: reason, after: after, err: err}
}

// FaultOf returns the class and the reason of the outermost mark on err. Nil and
// context.Canceled give FaultNone; an unmarked error gives FaultStop with the reason
// "unmarked".
func FaultOf(err error) (Fault, string) {
	if err == nil {
		return FaultNone, ""
	}
	if fe, ok := errors.AsType[*faultError](err); ok {
		return fe.fault, fe.reason
	}
	if errors.Is(err, context.Canceled) {
		return FaultNone, "canceled"
	}
	return FaultStop, "unmarked"
}

// RetryAfter returns how long the other side asked to be left alone, or zero.
func RetryAfter(err error) time.Duration {
	if fe, ok := errors.AsType[*faultError](err); ok {
		return fe.after
	}
	return 0
}
