package engine

// Limits bound one evaluation. Zero fields take the defaults.
type Limits struct {
	// Instructions is the budget of machine instructions, counted in loop
	// bodies, calls and rules tried. Default 20,000,000.
	Instructions int
	// Bytes is the most memory, in bytes, for values made by one evaluation.
	// Default 64 MiB. Memory inside OPA's own builtins is not counted.
	Bytes int
	// String is the longest string of the input, in bytes. Default 1 MiB.
	String int
	// Depth is the deepest nesting of the input. Default 128.
	Depth int
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Instructions, 20_000_000)
	def(&l.Bytes, 64<<20)
	def(&l.String, 1<<20)
	def(&l.Depth, 128)
	return l
}

// Program is a compiled set of policies with its data. It is immutable and safe
// for concurrent use.
type Program struct {
	code   *code
	limits Limits
}

// NewMachine returns a machine for p.
func (p *Program) NewMachine() *Machine {
	m := &Machine{}
	m.bind(p)
	return m
}

// bind makes m run p from now on.
func (m *Machine) bind(p *Program) {
	m.prog, m.code, m.consts = p, p.code, p.code.consts
	m.slots = make([]Value, len(p.code.fields.nodes))
	m.memo = make([]memoEntry, p.code.memos)
	m.limit = p.limits.Bytes
}
