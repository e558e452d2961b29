package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/print"
	"github.com/open-policy-agent/opa/v1/util"
)

func mustLoad(tb testing.TB, cfg Config) *Program {
	tb.Helper()
	p, err := Load(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

const shopPolicy = `package shop

default decision := {"allow": false}

decision := {"allow": true, "why": r} if {
	input.user.role in {"admin", "owner"}
	r := data.reasons[input.user.role]
} else := {"allow": true, "why": "public"} if {
	startswith(input.path, "/public/")
}

conflict := 1 if input.a
conflict := 2 if input.b

loop contains x if some x in numbers.range(1, input.n)
bad := to_number(input.text)
whole := input
`

func shop(tb testing.TB, strict bool, l Limits) *Program {
	tb.Helper()
	return mustLoad(tb, Config{
		Modules:     map[string]string{"shop.rego": shopPolicy},
		Data:        []byte(`{"reasons": {"admin": "power", "owner": 1.50}}`),
		Entrypoints: []string{"shop/decision", "shop/conflict", "shop/loop", "shop/bad", "shop/whole"},
		Revision:    "r1", StrictBuiltinErrors: strict, Limits: l, Capabilities: ast.CapabilitiesForThisVersion(),
	})
}

func TestEvalAnswersAsTopdownForEachKindOfInput(t *testing.T) {
	t.Parallel()
	p := shop(t, false, Limits{})
	m := p.NewMachine()
	f := func(entry, input, want string) {
		t.Helper()
		e, ok := p.Entry(entry)
		if !ok {
			t.Fatalf("no entry %s", entry)
		}
		in := ast.MustParseTerm(input).Value
		judged, err := p.Topdown(t.Context(), e, in)
		if err != nil {
			t.Fatal(err)
		}
		for name, i := range map[string]Input{"json": JSON([]byte(input)), "ast": AST(in), "source": From(pathSource{p, in})} {
			r, err := m.Eval(t.Context(), e, i)
			if err != nil {
				t.Fatalf("%s %s of %s: %v", name, entry, input, err)
			}
			got := "undefined"
			if r.Defined() {
				got = string(r.Value().AppendJSON(nil))
			}
			if got != want || (judged == nil) != !r.Defined() || (judged != nil && !sameSpelling(judged, r.AST())) {
				t.Errorf("%s %s of %s: got %s, want %s, topdown says %v", name, entry, input, got, want, judged)
			}
			if r.Revision() != "r1" {
				t.Errorf("revision %q", r.Revision())
			}
		}
	}
	f("shop/decision", `{"user": {"role": "admin"}}`, `{"allow":true,"why":"power"}`)
	f("shop/decision", `{"user": {"role": "owner"}, "x": [1]}`, `{"allow":true,"why":1.50}`)
	f("shop/decision", `{"user": {"role": "guest"}, "path": "/public/a"}`, `{"allow":true,"why":"public"}`)
	f("shop/decision", `{"user": 7}`, `{"allow":false}`)
	f("shop/conflict", `{"a": true}`, `1`)
	f("shop/conflict", `{}`, `undefined`)
	f("shop/loop", `{"n": 3}`, `[1,2,3]`)
	f("shop/bad", `{"text": "x"}`, `undefined`)
	f("shop/whole", `{"b": 1.0, "a": ["<é>", {}]}`, `{"a":["\u003cé\u003e",{}],"b":1.0}`)
}

// pathSource supplies the fields of a value.
type pathSource struct {
	p *Program
	v ast.Value
}

func (s pathSource) Lookup(id int) Value {
	for _, f := range s.p.Fields() {
		if f.ID != id {
			continue
		}
		v := s.v
		for _, p := range f.Path {
			if v = memberOf(v, ast.StringTerm(p)); v == nil {
				return Value{}
			}
		}
		out, err := FromAST(v)
		if err != nil {
			panic(err)
		}
		return out
	}
	panic("unknown field")
}

func TestErrorsOfTheMachineAreJudgedByTopdown(t *testing.T) {
	t.Parallel()
	p := shop(t, true, Limits{})
	m := p.NewMachine()
	f := func(entry, input, code string) {
		t.Helper()
		e, _ := p.Entry(entry)
		_, err := m.Eval(t.Context(), e, JSON([]byte(input)))
		te, ok := errors.AsType[*topdown.Error](err)
		if !ok || te.Code != code {
			t.Errorf("%s of %s: got %v, want %s", entry, input, err, code)
		}
	}
	f("shop/conflict", `{"a": 1, "b": 1}`, topdown.ConflictErr)
	f("shop/bad", `{"text": "x"}`, topdown.BuiltinErr)
}

func TestLimitsEndAnEvaluationWithTheirError(t *testing.T) {
	t.Parallel()
	f := func(l Limits, input string, want error) {
		t.Helper()
		p := shop(t, false, l)
		e, _ := p.Entry("shop/loop")
		if _, err := p.NewMachine().Eval(t.Context(), e, JSON([]byte(input))); !errors.Is(err, want) {
			t.Errorf("%s with %+v: got %v, want %v", input, l, err, want)
		}
	}
	f(Limits{Instructions: 10_000}, `{"n": 5000}`, ErrBudget)
	f(Limits{Bytes: 1 << 16}, `{"n": 5000}`, ErrMemory)
	f(Limits{String: 10}, `{"n": "0123456789ab"}`, ErrInput)
	f(Limits{Digits: 3}, `{"n": 1, "m": 1234}`, ErrInput)
	f(Limits{Depth: 3}, `{"n": [[[[1]]]]}`, ErrInput)
	f(Limits{}, `{"n": 1`, ErrInput)
}

func TestACanceledContextEndsTheEvaluation(t *testing.T) {
	t.Parallel()
	p := shop(t, false, Limits{})
	e, _ := p.Entry("shop/loop")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.NewMachine().Eval(ctx, e, JSON([]byte(`{"n": 100000}`)))
	if !errors.Is(err, ErrCanceled) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want ErrCanceled and context.Canceled", err)
	}
}

func TestAnEntryPointThatDoesNotExistIsAnError(t *testing.T) {
	t.Parallel()
	_, err := Load(t.Context(), Config{Modules: map[string]string{"s.rego": shopPolicy}, Capabilities: ast.CapabilitiesForThisVersion(), Entrypoints: []string{"shop/nope"}})
	if !errors.Is(err, ErrEntry) {
		t.Errorf("load: got %v, want ErrEntry", err)
	}
	p := shop(t, false, Limits{})
	if _, err := p.NewMachine().Eval(t.Context(), 99, Input{}); !errors.Is(err, ErrEntry) {
		t.Errorf("eval: got %v, want ErrEntry", err)
	}
}

// printed collects what policies print.
type printed struct{ lines []string }

func (p *printed) Print(_ print.Context, msg string) error {
	p.lines = append(p.lines, msg)
	return nil
}

func TestPrintReachesTheHook(t *testing.T) {
	t.Parallel()
	hook := &printed{}
	p := mustLoad(t, Config{
		Modules:     map[string]string{"p.rego": "package p\n\nok if {\n\tprint(\"user\", input.user, input.nope)\n\tinput.user\n}\n"},
		Entrypoints: []string{"p/ok"}, Print: hook,
	})
	r, err := p.NewMachine().Eval(t.Context(), 0, JSON([]byte(`{"user": "ann"}`)))
	if err != nil || !r.Defined() {
		t.Fatalf("got %v, %v", r.AST(), err)
	}
	if len(hook.lines) != 1 || hook.lines[0] != "user ann <undefined>" {
		t.Errorf("printed %q", hook.lines)
	}
}

func TestASchemaMakesATypoALoadError(t *testing.T) {
	t.Parallel()
	ss := ast.NewSchemaSet()
	ss.Put(ast.SchemaRootRef, util.MustUnmarshalJSON([]byte(`{"type": "object", "properties": {"user": {"type": "string"}}, "additionalProperties": false}`)))
	_, err := Load(t.Context(), Config{Modules: map[string]string{"p.rego": "package p\n\nx := input.usr\n"}, Entrypoints: []string{"p/x"}, Schemas: ss})
	if err == nil || !strings.Contains(err.Error(), "usr") {
		t.Errorf("got %v, want a complaint about usr", err)
	}
}

func TestWhatCannotBePlannedIsLeftToTopdown(t *testing.T) {
	t.Parallel()
	// OPA plans rules that share a path up to a variable as one function, and
	// cannot plan a reference from one of them to another.
	p := mustLoad(t, Config{
		Modules: map[string]string{"p.rego": `package p

t[k].v := 1 if some k in ["x"]

t.y.w := data.p.t.x.v + input.n

good := input.n + 1
`},
		Entrypoints: []string{"p/good", "p/t", "p/t/y/w"},
	})
	if len(p.Report().Fallback) == 0 {
		t.Fatal("everything was planned: this test needs another policy")
	}
	m := p.NewMachine()
	f := func(entry, want string) {
		t.Helper()
		e, _ := p.Entry(entry)
		r, err := m.Eval(t.Context(), e, JSON([]byte(`{"n": 4}`)))
		if err != nil {
			t.Fatalf("%s: %v", entry, err)
		}
		by := r.ByTopdown() != nil
		if got := string(r.Value().AppendJSON(nil)); got != want || by != (p.Report().Fallback[entry] != nil) {
			t.Errorf("%s: got %s, by topdown: %v, want %s", entry, got, by, want)
		}
	}
	f("p/good", "5")
	f("p/t", `{"x":{"v":1},"y":{"w":5}}`)
}

// A with statement keeps what it replaces in a register of its own. That register
// was once one that a statement inside used too.
func TestWhatWithReplacedIsThereAgainBehindIt(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, Config{Modules: map[string]string{"w.rego": `package w

one := 1

inner contains "first" if one with input.x as input.n

inner contains input.s if one

outer := v if v := inner with input.y as 7
`}, Entrypoints: []string{"w/outer"}})
	r, err := p.NewMachine().Eval(t.Context(), 0, JSON([]byte(`{"n": 1, "s": "second"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Value().AppendJSON(nil)); got != `["first","second"]` {
		t.Errorf("got %s", got)
	}
}

// Of equal values under one key, spelled 1.0 and 1, a comprehension keeps the last
// and a rule the first.
func TestOfEqualValuesUnderOneKeyTheSpellingIsThatOfTopdown(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, Config{Modules: map[string]string{"e.rego": `package e

comprehension := {"k": v | some v in input.list}

rule[k] := v if {
	some v in input.list
	k := "k"
}
`}, Entrypoints: []string{"e/comprehension", "e/rule"}})
	m := p.NewMachine()
	for e, want := range []string{`{"k":1}`, `{"k":1.0}`} {
		r, err := m.Eval(t.Context(), Entry(e), JSON([]byte(`{"list": [1.0, 1]}`)))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.Value().AppendJSON(nil)); got != want {
			t.Errorf("%s: got %s, want %s", p.Name(Entry(e)), got, want)
		}
	}
}

// Eleven bytes of an event must not keep a policy busy for minutes.
func TestNumbersThatAreTooBigAreNoInput(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, Config{Modules: map[string]string{"n.rego": "package n\n\ncube := input.n * input.n * input.n\n"}, Entrypoints: []string{"n/cube"}})
	m := p.NewMachine()
	for _, n := range []string{"1e10000000", "1e-10000000", "1e99999999999999999999", "0.1e5000", strings.Repeat("9", 1001)} {
		for _, event := range []string{`{"n": ` + n + `}`, `{"n": 1, "not_read": [` + n + `]}`} {
			if _, err := m.Eval(t.Context(), 0, JSON([]byte(event))); !errors.Is(err, ErrInput) {
				t.Errorf("%.40s: got %v, want ErrInput", event, err)
			}
		}
	}
	r, err := m.Eval(t.Context(), 0, JSON([]byte(`{"n": `+strings.Repeat("9", 1000)+`}`)))
	if err != nil || r.Value().Kind() != KindNumber {
		t.Errorf("a thousand digits: got %v, %v", r.Value().Kind(), err)
	}
}
