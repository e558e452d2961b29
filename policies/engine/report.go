package engine

import (
	"fmt"
	"slices"
	"strings"
)

// Report says what Load made of the policies.
type Report struct {
	// Rules are the rules of all modules, as references.
	Rules []string
	// Functions is how many functions the machine has.
	Functions int
	// Indexed counts the rules, and branches of else chains, that are tried only
	// when their guards hold, and Guarded those that have guards at all. A document
	// of few rules needs no index of its own; as an entry point of Machine.Match it
	// is part of the index over all.
	Indexed, Guarded int
	// Unguarded names the documents and functions with a rule that is tried each
	// time: nothing about its first conditions can be looked up.
	Unguarded []string
	// Native and Foreign name the builtins that are called: natively, and through
	// OPA with a conversion of the arguments.
	Native, Foreign []string
	// Nondeterministic names the builtins called whose answer is not a function
	// of the input.
	Nondeterministic []string
	// Fields are the input paths that are read.
	Fields []string
	// Fallback names the entry points that topdown evaluates, with the reason.
	Fallback map[string]error
}

// Report describes p.
func (p *Program) Report() Report {
	r := Report{Rules: slices.Clone(p.judge.names), Functions: len(p.code.fns), Fallback: map[string]error{}}
	for _, f := range p.code.fns {
		for _, g := range f.guards {
			if len(g) == 0 {
				r.Unguarded = append(r.Unguarded, f.path())
				continue
			}
			r.Guarded++
			if f.index != nil {
				r.Indexed++
			}
		}
	}
	for i := range p.code.sites {
		s := &p.code.sites[i]
		if s.nondet {
			r.Nondeterministic = append(r.Nondeterministic, s.name)
		}
		if s.native != nil {
			r.Native = append(r.Native, s.name)
		} else {
			r.Foreign = append(r.Foreign, s.name)
		}
	}
	for _, f := range p.code.fields.list() {
		r.Fields = append(r.Fields, strings.Join(append([]string{"input"}, f.Path...), "."))
	}
	for _, e := range p.entries {
		if e.plan < 0 {
			r.Fallback[e.name] = e.cause
		}
	}
	for _, list := range []*[]string{&r.Native, &r.Foreign, &r.Nondeterministic, &r.Fields, &r.Unguarded} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return r
}

// String is a summary in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d rules, %d functions, %d guarded, %d indexed, unguarded: %d, %d fields read, %d native builtins, foreign: %v, nondeterministic: %v, by topdown: %d",
		len(r.Rules), r.Functions, r.Guarded, r.Indexed, len(r.Unguarded), len(r.Fields), len(r.Native), r.Foreign, r.Nondeterministic, len(r.Fallback))
}
