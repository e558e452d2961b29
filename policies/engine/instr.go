package engine

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// opcode is what one instruction does.
type opcode uint8

const (
	opNop        opcode = iota
	opJump              // go to f
	opMove              // c = a
	opAssignOnce        // c = a; conflict if c is defined and differs
	opReset             // c = undefined
	opDot               // c = a[b], else f
	opLen               // c = size of a, else f
	opEqual             // a == b, else f
	opNotEqual          // a != b, else f
	opIsArray           // a is an array, else f
	opIsObject          // a is an object, else f
	opIsSet             // a is a set, else f
	opDefined           // a is defined, else f
	opUndefined         // a is undefined, else f
	opMakeArray         // c = [] with room for d
	opMakeObject        // c = {}
	opMakeSet           // c = set()
	opAppend            // append b to array a
	opInsert            // a[b] = d
	opInsertOnce        // a[b] = d if nothing is there; conflict if there is another value
	opCollect           // a[b] = d, also over an equal value; conflict if there is another
	opMerge             // c = a merged with b; conflict if they overlap
	opAdd               // add b to set a
	opScan              // iterator d over a
	opNext              // next of iterator d: b = key, c = value; f when done
	opWith              // save c into d, put b at path a of it
	opEndWith           // c = d
	opCall              // c = function a(args b), else f
	opBuiltin           // c = builtin site a(args b), else f
	opDynamic           // c = function found by site a; f: not found, d: undefined
	opReturn            // return a
	opResult            // add a to the query's result set
	opSelect            // compute the candidates of index a, go to the first
	opSegment           // go to the next candidate of index a, or to f
	opCover             // count block a
)

// instr is one instruction. Operands are registers (>= 0), constants (< 0, the
// bitwise complement of their number) or input slots (>= slotBase).
type instr struct {
	op         opcode
	a, b, c, d int32
	f          int32 // where to go when the instruction is undefined
}

// slotBase is the first operand that names an input slot.
const slotBase = 1 << 24

// function is a compiled function or plan.
type function struct {
	name    string
	code    []instr
	locs    []*ast.Location // by instruction; shared, nil where none is known
	regs    int             // registers
	iters   int             // nested iterators
	params  []int32         // registers of the parameters
	memo    int             // slot in the memo table, or -1
	index   *blockIndex     // candidates among the blocks, or nil
	charges int             // instructions charged per call
	guards  [][]guard       // of each rule; nil if none were looked for
	fixed   bool            // reads the unchanged input and data documents, takes no arguments
	total   bool            // may return something although no rule does anything
}

// path is the document or function of the policies that f computes.
func (f *function) path() string {
	_, path, _ := strings.Cut(f.name, ".") // without the planner's generation, "g0."
	return path
}

// site is one place that calls a builtin.
type site struct {
	name     string
	call     topdown.BuiltinFunc
	native   native // nil: only call
	relation bool
	void     bool
	nondet   bool
	bytesPer int // of an argument, for one instruction
	loc      *ast.Location
}

// native is a builtin on Values. ok is false when it does not handle these
// arguments, which then go to OPA's builtin; an undefined result means that the
// call is undefined.
type native func(m *Machine, args []Value) (result Value, ok bool)

// dynamic is one place that calls a function by a path that is known at run time.
type dynamic struct {
	path    []int32
	args    []int32
	targets map[string]int32 // path joined by zero bytes -> function
}

// code is everything that is compiled of a plan. It is immutable.
type code struct {
	fns      []*function
	entries  []int32 // functions of the plans
	names    []string
	consts   []Value
	args     [][]int32
	sites    []site
	dynamics []dynamic
	paths    [][]Value // of with statements
	memos    int
	fields   *fieldTrie
	static   arena // owns consts
}
