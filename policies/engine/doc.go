// Package engine evaluates Rego at stream speed, with the meaning of OPA.
//
// OPA's compiler turns policies into an intermediate representation (IR, a
// query plan). Load compiles such a plan into a Program for a small register
// machine; a Machine runs it over one input at a time. The stock interpreter
// (topdown) stays beside it: it answers what the machine cannot, and it is the
// judge of what the right answer is.
//
// # Loading and evaluating
//
//	prog, err := engine.Load(ctx, engine.Config{
//		Modules:     map[string]string{"decide.rego": src},
//		Data:        []byte(`{"assets": {}}`),
//		Entrypoints: []string{"riposte/decide/decision"},
//		Revision:    "42",
//	})
//	entry, ok := prog.Entry("riposte/decide/decision")
//	m := prog.NewMachine()                       // one per goroutine
//	res, err := m.Eval(ctx, entry, engine.JSON(event))
//	if res.Defined() {
//		prio := res.Value().Get("priority")      // a view: valid until the next Eval
//	}
//
// A Program is immutable and safe for concurrent use. A Machine is not: give
// each goroutine its own. Everything that an evaluation returns (Result, Value)
// lives in the machine's arenas and is valid until that machine's next
// evaluation; Value.AST and Value.AppendJSON copy.
//
// # Input
//
// JSON decodes just the paths that the plan reads. AST takes a parsed value.
// From takes a Source, the caller's own representation, which is asked for a
// path by its Field number (Program.Fields lists them), so that an event needs
// not become a map.
//
// # Many rules, one event
//
// Machine.Match evaluates every entry point of a Program for one input in one
// call and returns those that matched, in order of their numbers. An index over
// the leading conditions of all rules finds the ones that can match; the rest
// cost nothing.
//
// # Live policies
//
// Live holds the current Program behind an atomic pointer. A Worker (one per
// goroutine) reads the pointer once per decision, so that each decision carries
// exactly one revision, sends what the machine cannot run to topdown, and has a
// sample of the decisions judged by topdown; an entry point that ever differs is
// answered by topdown from then on. LiveConfig.OnDifference is told of it, and
// Live.Stats counts for metrics.
//
// # Bounds
//
// Config.Limits bounds each evaluation in instructions, memory and the shape of its
// input, the same on every host; the context ends it earlier. Topdown has the same
// budget of instructions where it answers. The README says what is left.
//
// # Errors
//
// Errors are *topdown.Error where OPA has one (Code eval_conflict_error,
// eval_builtin_error, ...), and otherwise match ErrBudget, ErrMemory,
// ErrCanceled, ErrInput or ErrEntry with errors.Is.
//
// # OPA itself
//
// Register makes the engine an OPA target, so that rego.Target("riposte") and
// tester.Runner.Target("riposte") run queries and test suites on it.
package engine
