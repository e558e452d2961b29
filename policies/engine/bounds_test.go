package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/types"
)

// unplannable is a policy that OPA cannot plan: topdown evaluates p/t. Its result has
// input.l as often as body says.
func unplannable(body string) map[string]string {
	return map[string]string{"p.rego": "package p\n\nt[k].v := " + body + " if some k in [\"x\"]\n\nt.y.w := data.p.t.x.v\n"}
}

func onesJSON(n int) string { return "[" + strings.Repeat("1,", n-1) + "1]" }

// squares multiplies input.n by itself again and again.
func squares(n int) string {
	var b strings.Builder
	b.WriteString("a0 := input.n\n\n")
	for i := range n {
		fmt.Fprintf(&b, "a%d := a%d * a%d\n\n", i+1, i, i)
	}
	fmt.Fprintf(&b, "x := a%d\n", n)
	return b.String()
}

// complete is a graph in which n nodes all have edges to all.
func complete(n int) string {
	var nodes, graph []string
	for i := range n {
		nodes = append(nodes, fmt.Sprintf(`"%d"`, i))
	}
	for _, k := range nodes {
		graph = append(graph, k+":["+strings.Join(nodes, ",")+"]")
	}
	return "{" + strings.Join(graph, ",") + "}"
}

// What a policy can do with one event is bounded in time and memory, although the
// builtins have no bounds of their own.
func TestWhatCostsTooMuchEndsWithATypedError(t *testing.T) {
	f := func(name, rules, input string, l Limits, want error) {
		t.Helper()
		p := mustLoad(t, Config{
			Modules: map[string]string{"p.rego": "package p\n\n" + rules}, Entrypoints: []string{"p/x"}, Limits: l,
			Capabilities: ast.CapabilitiesForThisVersion(),
		})
		m := p.NewMachine()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		r, err := m.Eval(t.Context(), 0, JSON([]byte(input)))
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, want) {
			t.Errorf("%s: got defined=%v, %v, want %v", name, r.Defined(), err, want)
		}
		if made := after.TotalAlloc - before.TotalAlloc; made > 600<<20 || took > 20*time.Second {
			t.Errorf("%s: took %v and made %d MB", name, took, made>>20)
		}
	}
	long := strings.Repeat("ab", 2_500_000)
	f("multiplying huge integers", squares(20), `{"n": `+strings.Repeat("7", 999)+`}`, Limits{}, ErrBudget)
	f("a huge integer", "x := input.n * input.n * input.n\n", `{"n": `+strings.Repeat("7", 1<<20)+`}`, Limits{}, ErrInput)
	f("a huge integer that is let in", "x := input.n * input.n\n", `{"n": `+strings.Repeat("7", 1<<20)+`}`, Limits{Digits: 2 << 20}, ErrBudget)
	f("splitting 5 MB", `x := split(input.s, "b")`, `{"s": "`+long+`"}`, Limits{}, ErrInput)
	f("splitting 5 MB that are let in", `x := split(input.s, "b")`, `{"s": "`+strings.Repeat("b", 5<<20)+`"}`, Limits{String: 8 << 20}, ErrMemory)
	f("splitting 5 MB into characters", `x := split(input.s, "")`, `{"s": "`+strings.Repeat("b", 5<<20)+`"}`, Limits{String: 8 << 20}, ErrMemory)
	f("all paths of a graph", `x := graph.reachable_paths(input.g, ["0"])`, `{"g": `+complete(14)+`}`, Limits{}, ErrMemory)
	f("a range", `x := count(numbers.range(1, 100000000))`, `{}`, Limits{}, ErrBudget)
	f("nested loops", "x if {\n\tsome a in input.l\n\tsome b in input.l\n\tsome c in input.l\n\ta + b + c < 0\n}\n", `{"l": `+onesJSON(1000)+`}`, Limits{}, ErrBudget)
	f("a long string scanned often", "x := count([1 | some i in input.l; contains(input.s, concat(\"\", [\"b\", sprintf(\"%d\", [i])]))])\n",
		`{"s": "`+long[:1<<20]+`", "l": `+onesJSON(2000)+`}`, Limits{}, ErrBudget)
	f("a regular expression on a long string", "x := count([1 | some i in input.l; regex.match(\"(a|b)*c\", input.s); i > 0])\n",
		`{"s": "`+long[:1<<20]+`", "l": `+onesJSON(2000)+`}`, Limits{Instructions: 4_000_000}, ErrBudget)
	f("text made of nothing", "x := [y | some i in input.l; y := sprintf(\"%999999d\", [i])]\n", `{"l": `+onesJSON(2000)+`}`, Limits{}, ErrMemory)
	f("upper case", "x := [y | some i in input.l; y := upper(input.s)]\n", `{"s": "`+long[:1<<20]+`", "l": `+onesJSON(200)+`}`, Limits{}, ErrMemory)
	f("membership in a long list", "x if {\n\tsome i in input.l\n\tnot i in input.m\n}\n", `{"l": `+onesJSON(100_000)+`, "m": `+strings.TrimSuffix(strings.Repeat("2,", 100_000), ",")+"", Limits{}, ErrInput)
	f("membership in a long list", "x if {\n\tsome i in input.l\n\ti + 5 in input.m\n}\n", `{"l": `+onesJSON(100_000)+`, "m": `+onesJSON(100_000)+`}`, Limits{}, ErrBudget)
}

// Topdown has no bounds but the context. The engine gives it the same budget.
func TestTopdownHasABudgetToo(t *testing.T) {
	t.Parallel()
	rules := unplannable("count([1 | some a in input.l; some b in input.l; some c in input.l; a + b + c < 0])")
	p := mustLoad(t, Config{Modules: rules, Entrypoints: []string{"p/t"}, Limits: Limits{Instructions: 100_000}})
	if p.Report().Fallback["p/t"] == nil {
		t.Fatal("the machine runs p/t: this test needs another policy")
	}
	event := []byte(`{"l": ` + onesJSON(300) + `}`)
	if _, err := p.NewMachine().Eval(t.Context(), 0, JSON(event)); !errors.Is(err, ErrBudget) {
		t.Errorf("eval: got %v, want ErrBudget", err)
	}
	if _, err := p.NewMachine().Match(t.Context(), JSON(event), nil); !errors.Is(err, ErrBudget) {
		t.Errorf("match: got %v, want ErrBudget", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.NewMachine().Eval(ctx, 0, JSON(event)); !errors.Is(err, ErrCanceled) || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v, want ErrCanceled and context.Canceled", err)
	}
}

// The memory cap unwinds by panic. Outside the machine that once ended the process.
func TestAResultOfTopdownBeyondTheCapIsAnError(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, Config{Modules: unplannable("array.concat(input.l, input.l)"), Entrypoints: []string{"p/t"}, Limits: Limits{Bytes: 100_000}})
	if _, err := p.NewMachine().Eval(t.Context(), 0, JSON([]byte(`{"l": `+onesJSON(3000)+`}`))); !errors.Is(err, ErrMemory) {
		t.Errorf("got %v, want ErrMemory", err)
	}
}

// The cap is for what an evaluation makes, not for the data of a query.
func TestAQueryOfOPAReadsDataOfAnySize(t *testing.T) {
	if testing.Short() {
		t.Skip("makes three million values")
	}
	l := make([]any, 3_000_000)
	for i := range l {
		l[i] = "x"
	}
	store := inmem.NewFromObjectWithOpts(map[string]any{"l": l}, inmem.OptRoundTripOnWrite(false))
	rs, err := rego.New(rego.Query("x = data.l[5]"), rego.Target(Target), rego.Store(store)).Eval(t.Context())
	if err != nil || len(rs) != 1 || rs[0].Bindings["x"] != "x" {
		t.Errorf("got %v, %v", rs, err)
	}
}

// A builtin that OPA declares and does not have is an error of topdown when it is called.
func TestAnEntryPointThatTheMachineCannotRunIsLeftToTopdown(t *testing.T) {
	t.Parallel()
	caps := ast.CapabilitiesForThisVersion()
	caps.Builtins = append(caps.Builtins, &ast.Builtin{Name: "acme.score", Decl: types.NewFunction(types.Args(types.S), types.N)})
	p := mustLoad(t, Config{
		Modules:     map[string]string{"p.rego": "package p\n\na := acme.score(input.x)\n\nb := 1 if input.x\n\nc := a if input.y\n"},
		Entrypoints: []string{"p/a", "p/b", "p/c"}, Capabilities: caps,
	})
	if why := p.Report().Fallback; len(why) != 2 || !strings.Contains(fmt.Sprint(why["p/a"]), "acme.score") || why["p/c"] == nil {
		t.Errorf("fallback: %v", why)
	}
	f := func(entry, input, want string, topdowns bool) {
		t.Helper()
		e, _ := p.Entry(entry)
		r, err := p.NewMachine().Eval(t.Context(), e, JSON([]byte(input)))
		got := verdict(r.AST(), err)
		if by := r.ByTopdown() != nil; got != want || (err == nil && by != topdowns) {
			t.Errorf("%s: got %s (%v), by topdown %v, want %s", entry, got, err, by, want)
		}
	}
	f("p/a", `{"x": "s"}`, "error "+topdown.InternalErr, true)
	f("p/b", `{"x": "s"}`, "1", false)
	f("p/c", `{"x": "s"}`, "undefined", true)
}

// Strict: nothing is skipped for a guard that stands behind a builtin that fails.
func TestStrictEvaluationsRunIntoTheErrorsBeforeAGuard(t *testing.T) {
	t.Parallel()
	f := func(first, guard, event string) {
		t.Helper()
		var b strings.Builder
		for i := range 6 {
			fmt.Fprintf(&b, "r contains %d if {\n\t%s\n\t%s\n}\n\n", i, first, fmt.Sprintf(guard, i))
		}
		for _, off := range []Feature{0, FeatureIndex} {
			p := mustLoad(t, Config{
				Modules: map[string]string{"p.rego": "package p\n\n" + b.String()}, Data: []byte(`{"words": ["x", "y"]}`),
				Entrypoints: []string{"p/r"}, StrictBuiltinErrors: true, LaxCompile: true, Without: off,
			})
			_, err := p.NewMachine().Eval(t.Context(), 0, JSON([]byte(event)))
			if codeOf(err) != topdown.TypeErr && codeOf(err) != topdown.BuiltinErr {
				t.Errorf("%s, %s, without %b: got %v, want the error of the builtin", first, guard, off, err)
			}
		}
	}
	for _, first := range []string{
		`a := contains(input.s, "x")`, `not startswith(input.s, "x")`, `a := net.cidr_contains("10.0.0.0/8", input.s)`,
		`a := regex.match("abcd", input.s)`, `a := lower(input.s)`,
	} {
		f(first, "input.c > %d", `{"s": 5, "c": -1}`)
		f(first, "contains(input.t, \"word%d\")", `{"s": 5, "t": "none"}`)
		f(first, "some w in data.words\n\tinput.t == w\n\tinput.c > %d", `{"s": 5, "t": "none", "c": 9}`)
	}
}
