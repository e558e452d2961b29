package main

import (
	"context"
	"errors"
	"fmt"
)

// exitCode is how the program ended, for scripts. docs/cli.md has the same table.
type exitCode int

const (
	exitDone         exitCode = 0   // done
	exitFailed       exitCode = 1   // a finding: a test failed, a count was off
	exitUsage        exitCode = 2   // flags or arguments were wrong
	exitWarnings     exitCode = 3   // warnings, where warnings were asked to fail
	exitNotConnected exitCode = 4   // a service could not be reached, or it took too long
	exitRefused      exitCode = 5   // refused by guard or role
	exitConfig       exitCode = 78  // the configuration is bad (EX_CONFIG of sysexits)
	exitInterrupted  exitCode = 130 // ended by a signal before the work was done
)

// exitError is an error that knows the exit code.
type exitError struct {
	code exitCode
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// failWith marks err with the code it shall end the program with. Nil gives nil.
func failWith(code exitCode, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

func usagef(format string, args ...any) error {
	return failWith(exitUsage, fmt.Errorf(format, args...))
}

// codeOf is the exit code for an error.
func codeOf(err error) exitCode {
	if err == nil {
		return exitDone
	}
	if ee, ok := errors.AsType[*exitError](err); ok {
		return ee.code
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return exitNotConnected
	}
	return exitFailed
}
