package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// generator writes random policies and events about the same few fields.
type generator struct {
	r     *rand.Rand
	rules []rule // written so far: later ones may use them
	level int    // writes what was added after seeds of lower levels were kept, too
	vars  int
}

type rule struct {
	name string
	kind string // value, set, object, function, function2 (of two arguments)
}

func newGenerator(seed uint64) *generator {
	return &generator{r: rand.New(rand.NewPCG(seed, 99))}
}

func (g *generator) pick(list ...string) string { return list[g.r.IntN(len(list))] }

func (g *generator) kinds() []string {
	kinds := []string{"value", "value", "bool", "bool", "set", "object", "function", "else", "table", "table"}
	if g.level > 0 {
		kinds = append(kinds, "ladder", "ladder", "lists", "lists")
	}
	if g.level > 1 {
		kinds = append(kinds, moreKinds...)
	}
	return kinds
}

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

var genPaths = []string{"input.a", "input.b", "input.s", "input.t", "input.o.x", "input.o.y.z", "input.l", "input.l[0]", "input.o", "input.n", "input.ip", "input"}

const genData = `{"lists": {"nets": ["10.0.0.0/8", "10.1.2.0/24", "::/0", "11.0.0.1/32", "bad", "::ffff:12.0.0.0/104"], "words": ["abc", "bc", "zz", "com"], "mixed": ["abc", 1, null, "x"]}, "d": {"x": 1, "y": "abc", "l": [1, 2, "abc", null], "m": {"abc": 1, "x": {"z": 2}, "10.1.2.3": true}, "f": 1.50}, "base": {"k": [3, 1, 2]}}`

func (g *generator) constant() string {
	return g.pick("0", "1", "2", "1.0", "-1", "2.5", "1e2", "100", `"abc"`, `"x"`, `""`, `"ABC"`, `"é"`, "true", "false", "null",
		"[]", "[1, 2]", "{}", `{"x": 1}`, "set()", `{1, "abc"}`, "12345678901234567890")
}

// ref is a term without variables.
func (g *generator) ref() string {
	switch n := g.r.IntN(10); {
	case n < 5:
		return genPaths[g.r.IntN(len(genPaths))]
	case n < 7:
		return g.pick("data.d.x", "data.d.y", "data.d.l", "data.d.m", "data.d.f", "data.base.k", "data.d.m.x", "data.nope")
	case n < 9 && len(g.rules) > 0:
		return g.use(&g.rules[g.r.IntN(len(g.rules))])
	}
	return g.constant()
}

// use is a term that asks for r.
func (g *generator) use(r *rule) string {
	switch r.kind {
	case "function":
		return fmt.Sprintf("%s(%s)", r.name, g.atom())
	case "function2":
		return fmt.Sprintf("%s(%s, %s)", r.name, g.term(1), g.atom())
	}
	return r.name
}

func (g *generator) atom() string {
	if g.chance(40) {
		return g.constant()
	}
	return g.ref()
}

// term is a value of some shape.
func (g *generator) term(depth int) string {
	if depth <= 0 || g.chance(45) {
		return g.atom()
	}
	if g.level > 1 && g.chance(20) {
		return g.moreTerm(depth - 1)
	}
	switch g.r.IntN(13) {
	case 0:
		return fmt.Sprintf("[%s, %s]", g.term(depth-1), g.term(depth-1))
	case 1:
		return fmt.Sprintf(`{"k": %s, %q: %s}`, g.term(depth-1), g.pick("j", "x"), g.term(depth-1))
	case 2:
		return fmt.Sprintf("{%s, %s}", g.term(depth-1), g.term(depth-1))
	case 3:
		return fmt.Sprintf("count(%s)", g.pick("input.l", "input.s", "data.d.l", "input.o"))
	case 4:
		return fmt.Sprintf("%s(%s)", g.pick("lower", "upper", "trim_space", "to_number", "count", "sum", "max", "min", "abs", "is_string", "is_number", "type_name", "object.keys", "sort"), g.ref())
	case 5:
		return fmt.Sprintf("(%s %s %s)", g.atom(), g.pick("+", "-", "*", "/", "%", "&", "|"), g.atom())
	case 6:
		return fmt.Sprintf("object.get(%s, %s, %s)", g.pick("input", "input.o", "data.d", "data.d.m"), g.pick(`"x"`, `["y", "z"]`, `["m", "abc"]`, "input.s"), g.constant())
	case 7:
		return fmt.Sprintf("sprintf(%q, [%s, %s])", g.pick("%v-%v", "%s/%d", "%d%%%v", "%v"), g.atom(), g.atom())
	case 8:
		return g.comprehension(depth - 1)
	case 9:
		return fmt.Sprintf("%s(%s, %s)", g.pick("split", "trim", "array.concat", "indexof", "trim_prefix", "format_int"), g.atom(), g.atom())
	case 10:
		return fmt.Sprintf("substring(%s, %s, %s)", g.atom(), g.pick("0", "1", "-1", "9"), g.pick("0", "1", "-1", "9"))
	case 11:
		return fmt.Sprintf(`concat(%s, %s)`, g.pick(`","`, `""`, "input.s"), g.pick("input.l", `["a", "b"]`, `{"q", "p"}`))
	}
	return fmt.Sprintf("%s[%s]", g.pick("input.o", "input.l", "data.d.m", "data.d.l", "input"), g.pick("0", "1", `"x"`, "input.s", "input.n"))
}

func (g *generator) comprehension(depth int) string {
	v := g.newVar()
	body := fmt.Sprintf("some %s in %s", v, g.pick("input.l", "data.d.l", "input.o", "data.base.k", `{3, 1, "abc"}`))
	if g.chance(60) {
		body += fmt.Sprintf("; %s %s %s", v, g.pick("==", "!=", ">", "<="), g.atom())
	}
	switch g.r.IntN(3) {
	case 0:
		return fmt.Sprintf("[%s | %s]", g.pick(v, fmt.Sprintf("[%s, %s]", v, g.term(depth-1))), body)
	case 1:
		return fmt.Sprintf("{%s | %s}", v, body)
	}
	return fmt.Sprintf("{%s: %s | %s}", v, g.pick("1", v, g.atom()), body)
}

func (g *generator) newVar() string {
	g.vars++
	return fmt.Sprintf("v%d", g.vars)
}

// expr is one condition.
func (g *generator) expr(depth int) string {
	if g.level > 1 && g.chance(35) {
		return g.moreExpr(depth - 1)
	}
	switch g.r.IntN(16) {
	case 0, 1, 2:
		return fmt.Sprintf("%s %s %s", g.ref(), g.pick("==", "==", "!="), g.constant())
	case 3:
		return fmt.Sprintf("%s %s %s", g.term(depth), g.pick("<", "<=", ">", ">="), g.term(depth))
	case 4:
		return fmt.Sprintf("%s in %s", g.atom(), g.pick(`{1, 2, "abc"}`, `[1.0, null, "x"]`, "data.d.l", "input.l", "input.o", `{"a": 1, "b": "abc"}`))
	case 5:
		return fmt.Sprintf("%s(%s, %s)", g.pick("startswith", "endswith", "contains"), g.pick("input.s", "lower(input.s)", "input.t", "data.d.y", "lower(input.t)"), g.pick(`"a"`, `"abc"`, `"bc"`, `""`, "input.t"))
	case 6:
		return fmt.Sprintf("regex.match(%s, %s)", g.pick("`^a`", "`(?i)ABC`", "`b+c|x`", "`[a-z]+c$`", "`(`", "`ab(c|d)`"), g.pick("input.s", "input.t", "data.d.y"))
	case 7:
		return fmt.Sprintf("net.cidr_contains(%q, %s)", g.pick("10.0.0.0/8", "10.1.2.3/32", "::1/128", "bad"), g.pick("input.ip", "input.s"))
	case 8:
		return fmt.Sprintf("glob.match(%q, %s, %s)", g.pick("a*", "*.com", "?bc", "{abc,x}"), g.pick("[]", "null", `["."]`, `["/"]`), g.pick("input.s", "input.t"))
	case 9:
		if depth > 0 {
			return "not " + g.negatable(depth-1)
		}
	case 10:
		v := g.newVar()
		return fmt.Sprintf("every %s in %s { %s }", v, g.pick("input.l", "input.o", "data.d.l", "[]", `{"x", "y"}`), fmt.Sprintf("%s %s %s", v, g.pick("!=", "==", ">"), g.constant()))
	case 11:
		v := g.newVar()
		return fmt.Sprintf("some %s in %s\n\t%s %s %s", v, g.pick("input.l", "input.o", "data.d.l", "data.d.m"), v, g.pick("==", "!=", ">"), g.atom())
	case 12:
		if len(g.rules) > 0 {
			return g.withExpr()
		}
	case 13:
		return fmt.Sprintf("data.d.m[%s]", g.pick("input.s", "input.ip", `"abc"`, "input.t"))
	case 14:
		v := g.newVar()
		return fmt.Sprintf("%s := %s\n\t%s != %s", v, g.term(depth), v, g.constant())
	}
	return g.ref()
}

// guard is a condition that an index can use.
func (g *generator) guard() string {
	path := g.pick("input.a", "input.b", "input.s", "input.t", "input.o.x", "input.n")
	text := g.pick("input.s", "input.t", "lower(input.s)", "lower(input.t)", "input.o.y.z")
	switch g.r.IntN(8) {
	case 0, 1:
		return fmt.Sprintf("%s == %s", path, g.constant())
	case 2:
		return fmt.Sprintf("%s in {%s, %s}", path, g.constant(), g.constant())
	case 3:
		return fmt.Sprintf("%s %s %s", path, g.pick("<", "<=", ">", ">="), g.constant())
	case 4:
		return fmt.Sprintf("%s %s %s", g.constant(), g.pick("<", "<=", ">", ">="), path)
	case 5:
		return fmt.Sprintf("%s(%s, %q)", g.pick("startswith", "endswith", "contains"), text, g.pick("a", "abc", "bc", "x", "é", "c", "ab", "d", "com"))
	case 6:
		return fmt.Sprintf("regex.match(`%s`, %s)", g.pick("(?i)abc", "abc.*", "x?abc", "(abc)+", "a|b", "^.com"), text)
	}
	return fmt.Sprintf("net.cidr_contains(%q, %s)", g.pick("10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/31", "::/0"), g.pick("input.ip", "input.s"))
}

// ladder writes complete rules with many branches, each with guards.
func (g *generator) ladder(b *strings.Builder, name string) {
	for range 1 + g.r.IntN(2) {
		fmt.Fprintf(b, "%s := %s if {\n\t%s\n}", name, g.constant(), g.pick(g.guard(), g.listGuard(), g.body()))
		for range 3 + g.r.IntN(4) {
			fmt.Fprintf(b, " else := %s if {\n\t%s\n\t%s\n}", g.pick(g.constant(), g.term(1)), g.pick(g.guard(), g.guard(), g.listGuard()), g.expr(1))
		}
		fmt.Fprintf(b, "%s\n\n", g.pick("", " else := "+g.constant()))
	}
}

// listGuard is a condition on one of a list, and perhaps more.
func (g *generator) listGuard() string {
	v := g.newVar()
	list := g.pick("data.lists.nets", "data.lists.words", "data.lists.mixed", "input.l", `["ab", "ABC", "é"]`, `{"10.0.0.0/8", "::1/128"}`, "[]")
	text := g.pick("input.s", "input.t", "lower(input.s)", "input.ip")
	cond := g.pick(
		fmt.Sprintf("net.cidr_contains(%s, %s)", v, g.pick("input.ip", "input.s")),
		fmt.Sprintf("%s(%s, %s)", g.pick("contains", "startswith", "endswith"), text, v),
		fmt.Sprintf("%s == %s", g.pick(text, "input.a"), v),
		fmt.Sprintf("regex.match(%s, %s)", v, text),
		fmt.Sprintf("regex.match(`%s`, %s)", g.pick("abc|x?com", "(?i)(abc|com)", "a(bc|b)|xab", "(abc|xyz)+$"), text),
		g.guard(),
	)
	if g.chance(40) {
		cond = g.guard() + "\n\t" + cond
	}
	if g.chance(30) {
		cond += "\n\t" + g.expr(1)
	}
	return fmt.Sprintf("some %s in %s\n\t%s", v, list, cond)
}

func (g *generator) negatable(depth int) string {
	e := g.expr(depth)
	for strings.Contains(e, "\n") || strings.HasPrefix(e, "every") || strings.HasPrefix(e, "not ") {
		e = fmt.Sprintf("%s == %s", g.ref(), g.constant())
	}
	return e
}

func (g *generator) withExpr() string {
	call := g.use(&g.rules[g.r.IntN(len(g.rules))])
	e := fmt.Sprintf("%s with %s as %s", call, g.pick("input.a", "input.s", "input.o.x", "input.o.y", "data.d.x", "data.d.m", "input", "data.d.l"), g.atom())
	if g.chance(30) {
		e += fmt.Sprintf(" with %s as %s", g.pick("input.b", "input.o.q", "data.d.y"), g.constant())
	}
	if g.chance(20) {
		e += fmt.Sprintf(" with count as %s", g.pick("7", "3"))
	}
	return e
}

func (g *generator) body() string {
	var lines []string
	for range 1 + g.r.IntN(3) {
		lines = append(lines, g.expr(2))
	}
	return strings.Join(lines, "\n\t")
}

// policy writes a module of up to n rules, each of which is an entry point if it
// takes no arguments. Rules that do not compile are written anew.
func (g *generator) policy(n int) (source string, entries []string) {
	source = "package f\n\n"
	for i := range n {
		for range 10 {
			r := rule{name: fmt.Sprintf("r%d", i), kind: g.pick(g.kinds()...)}
			var b strings.Builder
			g.write(&b, &r)
			if !compiles(source + b.String()) {
				continue
			}
			source += b.String()
			g.rules = append(g.rules, r)
			if !strings.HasPrefix(r.kind, "function") {
				entries = append(entries, "f/"+r.name)
			}
			break
		}
	}
	if g.chance(30) && len(entries) > 0 {
		entries = append(entries, "f")
	}
	return source, entries
}

func compiles(source string) bool {
	_, err := ast.CompileModulesWithOpt(map[string]string{"f.rego": source}, ast.CompileOpts{
		ParserOptions: ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: Profile()},
	})
	return err == nil
}

func (g *generator) write(b *strings.Builder, r *rule) {
	switch r.kind {
	case "value":
		fmt.Fprintf(b, "%s := %s if {\n\t%s\n}\n\n", r.name, g.term(2), g.body())
		if g.chance(30) {
			fmt.Fprintf(b, "%s := %s if {\n\t%s\n}\n\n", r.name, g.term(1), g.body())
		}
	case "bool":
		for range 1 + g.r.IntN(6) {
			fmt.Fprintf(b, "%s if {\n\t%s\n}\n\n", r.name, g.body())
		}
		r.kind = "value"
	case "set":
		for range 1 + g.r.IntN(6) {
			fmt.Fprintf(b, "%s contains %s if {\n\t%s\n}\n\n", r.name, g.term(1), g.body())
		}
	case "table":
		for i := range 4 + g.r.IntN(9) {
			fmt.Fprintf(b, "%s contains %d if {\n\t%s\n\t%s\n}\n\n", r.name, i, g.guard(), g.pick(g.guard(), g.expr(1)))
		}
		r.kind = "set"
	case "ladder":
		g.ladder(b, r.name)
		r.kind = "value"
	case "lists":
		for i := range 1 + g.r.IntN(5) {
			fmt.Fprintf(b, "%s contains %d if {\n\t%s\n}\n\n", r.name, i, g.listGuard())
		}
		r.kind = "set"
	case "object":
		for range 1 + g.r.IntN(2) {
			fmt.Fprintf(b, "%s[%s] := %s if {\n\t%s\n}\n\n", r.name, g.pick(`"k"`, "input.s", "input.a", `"j"`), g.term(1), g.body())
		}
	case "else":
		fmt.Fprintf(b, "%s := %s if {\n\t%s\n} else := %s if {\n\t%s\n} else := %s\n\n", r.name, g.term(1), g.body(), g.term(1), g.body(), g.constant())
		r.kind = "value"
	case "function":
		fmt.Fprintf(b, "%s(x) := %s if {\n\tx %s %s\n\t%s\n}\n\n", r.name, g.pick("x", "[x, x]", g.term(1)), g.pick("==", "!=", ">"), g.constant(), g.body())
		return
	default:
		g.more(b, r)
	}
	if r.kind == "value" && g.chance(30) {
		fmt.Fprintf(b, "default %s := %s\n\n", r.name, g.pick("false", "0", `"none"`, "{}"))
	}
}

// event writes a JSON text about the fields of the policies, with missing, odd
// and repeated members.
func (g *generator) event() string {
	var parts []string
	put := func(key string, values ...string) {
		if g.chance(70) {
			parts = append(parts, fmt.Sprintf("%q: %s", key, g.pick(values...)))
		}
		if g.chance(4) {
			parts = append(parts, fmt.Sprintf("%q: %s", key, g.pick(values...)))
		}
	}
	scalars := []string{"0", "1", "1.0", "2", "-1", "2.50", "1e2", "100", "12345678901234567890", "1e-7", `"abc"`, `"ABC"`, `"x"`, `""`, `"\u00e9"`, `"a\ud800b"`, "true", "false", "null"}
	put("a", scalars...)
	put("b", append(scalars, "{}", "[1]")...)
	put("s", `"abc"`, `"ABCD"`, `"x"`, `""`, `"a.com"`, `"xabcx"`, "5", `"10.1.2.3"`, `"é abc \u00c9"`)
	put("t", `"a"`, `"abc"`, `"bc"`, "null", `"ſABC"`)
	put("o", `{"x": 1, "y": {"z": "abc"}}`, `{"x": "abc"}`, `{}`, `{"y": 5, "x": 1, "x": 2}`, `[1]`, `"abc"`, `{"y": {"z": 1.0}, "q": [1, {"w": null}]}`, `{"y": {"z": "xabc"}, "x": 1, "b": 3, "a": 2}`)
	put("l", `[1, 2, "abc"]`, `[]`, `[1.0, 1]`, `{"0": 1}`, `["b", "a"]`, `[null, [1], {"x": 1}]`, `{"z": 1, "y": 2, "x": "abc", "m": 0, "c": 5, "b": 3, "q": 2, "a": 1, "p": 9, "o": 1}`, `"abc"`, `[3, 1, 2]`)
	put("n", "0", "1", `"x"`, "1.0")
	put("ip", `"10.1.2.3"`, `"11.0.0.1"`, `"::1"`, `"10.0.0.0/9"`, `"zzz"`, "7", `"::ffff:10.0.0.1"`)
	if g.chance(3) {
		return g.pick("null", "[]", "5", `"abc"`, "{}")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
