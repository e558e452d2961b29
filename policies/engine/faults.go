package engine

import (
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"
)

var (
	// ErrBudget matches an evaluation that used up its instruction budget.
	ErrBudget = errors.New("instruction budget spent")
	// ErrMemory matches an evaluation that made more values than its memory cap.
	ErrMemory = errors.New("memory cap reached")
	// ErrCanceled matches an evaluation that was stopped by its context. It also
	// matches the context's own error.
	ErrCanceled = errors.New("evaluation canceled")
	// ErrInput matches an input that is no valid value: malformed JSON, a string
	// or nesting beyond the limits, or an AST value that is not ground.
	ErrInput = errors.New("invalid input")
	// ErrEntry matches an entry point that the program does not have.
	ErrEntry = errors.New("unknown entry point")

	// errMemory unwinds the machine when the memory cap is reached.
	errMemory = errors.New("memory cap")
)

// conflict returns OPA's conflict error for the statement at loc.
func conflict(loc *ast.Location, msg string) error {
	return &topdown.Error{Code: topdown.ConflictErr, Message: msg, Location: loc}
}

const msgObject = "object keys must be unique"

// location converts a plan's location; files holds the plan's file names.
func location(l *ir.Location, files []*ir.StringConst) *ast.Location {
	loc := &ast.Location{Row: l.Row, Col: l.Col}
	if l.File >= 0 && l.File < len(files) {
		loc.File = files[l.File].Value
	}
	return loc
}

// ruleConflict returns OPA's error for rules of f that produce different values.
func ruleConflict(f *function, pc int32) error {
	path := f.path()
	if len(f.params) > 2 {
		return conflict(f.locs[pc], "function "+path+" produced conflicting values for the same inputs")
	}
	return conflict(f.locs[pc], "rule "+path+" produced conflicting values")
}
