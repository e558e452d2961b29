package engine

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// nativeArgs are the arguments that each native builtin is tried with.
var nativeArgs = []string{
	`null`, `true`, `false`, `0`, `1`, `-1`, `2`, `7`, `10`, `16`, `1.0`, `2.5`, `-0.0`, `1e2`, `3000000000`, `999999999999999999`,
	`-999999999999999999`, `9223372036854775807`, `-9223372036854775808`, `12345678901234567890123`, `1e400`,
	`""`, `"a"`, `"abc"`, `"ABC"`, `"aXbXc"`, `"X"`, `" a b "`, `"é"`, `"ÉA"`, `"İ"`, `"%s"`, `"%d-%v"`, `"%5d"`, `"100%%"`, `"%"`, `"12"`, `"012"`, `"-7"`, `"1e3"`, `"x1"`,
	`"10.0.0.0/8"`, `"10.1.2.3"`, `"11.1.2.3"`, `"010.1.2.3"`, `"::1"`, `"::/0"`, `"::ffff:10.0.0.1"`, `"10.0.0.0/33"`, `"2024-01-02T03:04:05Z"`, `"2024-01-02T03:04:05.123456789+02:00"`, `"1800-01-01T00:00:00Z"`,
	`[]`, `[1]`, `[1, 2, 3]`, `["b", "a"]`, `[1, "x"]`, `[1.0, 1]`, `[1, 1.0]`, `[2.5, 1]`, `[[1], [1.0]]`, `["a"]`, `[9223372036854775807, 1]`, `["x", 0]`,
	`{}`, `{"a": 1}`, `{"a": {"b": [1, 2]}}`, `{"x": [5]}`, `{1: 2, "k": null}`, `set()`, `{1}`, `{1.0, 2}`, `{1, 2, 3}`, `{"b", "a"}`, `{"a", 1}`, `{[1], {"a"}}`, `{10, 2}`,
	`{"a": ["b", "c"], "b": ["a", "d", "X"], "c": {"X", "a"}, "d": [], "X": 5, "abc": {"a": "b"}}`, `{1: [2, 1.0], 2: {1, 3}, 3: [1.0, 4]}`, `["a", "abc", "none"]`,
}

func TestNativeBuiltinsAnswerAsOPA(t *testing.T) {
	t.Parallel()
	var pool []ast.Value
	for _, s := range nativeArgs {
		pool = append(pool, ast.MustParseTerm(s).Value)
	}
	for name, fn := range nativeTable {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := builtinCase{name: name, fn: fn, handled: 0, m: wholeInput()}
			switch arity := ast.BuiltinMap[name].Decl.Arity(); arity {
			case 1:
				for _, a := range pool {
					c.check(t, a)
				}
			case 2:
				for _, a := range pool {
					for _, b := range pool {
						c.check(t, a, b)
					}
				}
			case 3:
				r := rand.New(rand.NewPCG(1, 2))
				for range 20_000 {
					c.check(t, pool[r.IntN(len(pool))], pool[r.IntN(len(pool))], pool[r.IntN(len(pool))])
				}
			default:
				t.Fatalf("arity %d", arity)
			}
			if c.handled == 0 {
				t.Error("never handled anything")
			}
		})
	}
}

// specialArgs are constant first arguments of the builtins that are prepared at load.
var specialArgs = map[string][]string{
	"regex.match":       {`""`, `"a"`, `"^a"`, `"(?i)ABC$"`, `"[a-z]+\\d"`, `"("`, `"\\d+\\.\\d+"`, `"(a|b)*c"`, `"."`, `"\\pL"`, `5`, `null`},
	"glob.match":        {`""`, `"*"`, `"a*"`, `"*.1.*.3"`, `"**.3"`, `"?bc"`, `"[a-c]*"`, `"{abc,X}"`, `"{a"`, `"["`, `"\\*"`, `"*é*"`, `5`},
	"net.cidr_contains": {`"10.0.0.0/8"`, `"10.1.2.3/32"`, `"10.1.2.3"`, `"::1/128"`, `"::/0"`, `"0.0.0.0/0"`, `"::ffff:10.0.0.0/104"`, `"10.0.0.1/8"`, `"010.0.0.0/8"`, `"10.0.0.0/33"`, `"fe80::1%eth0/64"`, `""`, `5`},
}

func TestNativesPreparedForAConstantAnswerAsOPA(t *testing.T) {
	t.Parallel()
	delimiters := []string{`null`, `[]`, `["."]`, `[".", "/"]`, `["ab"]`, `[""]`, `["é"]`, `[1]`, `"."`, `{"."}`, `{}`}
	for name, firsts := range specialArgs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handled := 0
			for _, first := range firsts {
				for _, last := range nativeArgs {
					lists := [][]string{{first, last}}
					if name == "glob.match" {
						lists = nil
						for _, d := range delimiters {
							lists = append(lists, []string{first, d, last})
						}
					}
					for _, l := range lists {
						handled += checkPrepared(t, name, l)
					}
				}
			}
			if handled < 10 {
				t.Errorf("handled %d calls", handled)
			}
		})
	}
}

// checkPrepared checks one call of which all arguments but the last are constant.
func checkPrepared(t *testing.T, name string, list []string) (handled int) {
	t.Helper()
	c := builtinCase{name: name, m: wholeInput()}
	var terms []ast.Value
	var consts []Value
	for _, s := range list {
		terms = append(terms, ast.MustParseTerm(s).Value)
		v, err := c.m.fromAST(terms[len(terms)-1])
		if err != nil {
			t.Fatal(err)
		}
		consts = append(consts, v)
	}
	consts[len(consts)-1] = Value{}
	if c.fn = specialise(name, consts); c.fn != nil {
		c.check(t, terms...)
	}
	return c.handled
}

type builtinCase struct {
	name    string
	fn      native
	handled int
	m       *Machine
}

func (c *builtinCase) check(t *testing.T, args ...ast.Value) {
	t.Helper()
	c.m.begin(t.Context(), 1000)
	vals := make([]Value, len(args))
	terms := make([]*ast.Term, len(args))
	for i, a := range args {
		v, err := c.m.fromAST(a)
		if err != nil {
			t.Fatal(err)
		}
		vals[i], terms[i] = v, ast.NewTerm(a)
	}
	got, ok := c.fn(c.m, slices.Clone(vals))
	if !ok {
		return
	}
	c.handled++
	var want ast.Value
	err := topdown.GetBuiltin(c.name)(topdown.BuiltinContext{Context: t.Context()}, terms, func(r *ast.Term) error {
		want = r.Value
		return nil
	})
	if err != nil {
		t.Fatalf("%s%v: got %v, OPA says error %v", c.name, args, got.AST(), err)
	}
	if (want == nil) != !got.Defined() || (want != nil && !sameSpelling(got.AST(), want)) {
		t.Fatalf("%s%v: got %v, OPA says %v", c.name, args, got.AST(), want)
	}
}
