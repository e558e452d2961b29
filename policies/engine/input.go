package engine

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// Source supplies the input in the caller's own representation.
type Source interface {
	// Lookup returns the value of the field with the given ID (see
	// Program.Fields), undefined if the input has none. Values of strings may
	// point into the caller's memory: they must not change before the result of
	// the evaluation is no longer used. Lookup is called at most once per field
	// and evaluation that defines it, from the goroutine that evaluates.
	Lookup(id int) Value
}

// Input is the input document of one evaluation. The zero Input is undefined.
type Input struct {
	raw []byte
	val ast.Value
	src Source
}

// JSON makes an input of a JSON text. Only what the program reads is decoded;
// the whole text is checked. It must not change until the result of the
// evaluation is no longer used.
func JSON(text []byte) Input { return Input{raw: text} }

// AST makes an input of a ground value. It is not changed.
func AST(v ast.Value) Input { return Input{val: v} }

// From makes an input of the caller's own representation.
func From(s Source) Input { return Input{src: s} }
