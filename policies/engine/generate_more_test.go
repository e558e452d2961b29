package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/util"
)

// moreKinds are the rules of level 2.
var moreKinds = []string{"patterns", "patterns", "choices", "over", "over", "deep", "deepset", "deepset", "calls"}

// more writes a rule of level 2.
func (g *generator) more(b *strings.Builder, r *rule) {
	switch r.kind {
	case "patterns": // a function of two arguments, by their shape
		for range 1 + g.r.IntN(4) {
			fmt.Fprintf(b, "%s(%s, y) := %s if {\n\t%s\n}\n\n", r.name,
				g.pick("1", `"abc"`, "null", "[a, b]", "[1, a]", `{"x": a}`, "a", "_", "[]"), g.pick("y", "a", "[y, a]", g.term(1)), g.pick("true", g.body(), "y > 0", "a == y"))
		}
		if g.chance(40) {
			fmt.Fprintf(b, "default %s(_, _) := %s\n\n", r.name, g.constant())
		}
		r.kind = "function2"
	case "choices": // a function with branches
		fmt.Fprintf(b, "%s(x) := %s if {\n\t%s\n} else := %s if {\n\t%s\n}%s\n\n", r.name, g.pick("x", g.term(1)), g.pick("x == 1", "x in input.l", g.expr(1)),
			g.pick("[x]", g.term(1)), g.pick("startswith(x, \"a\")", g.expr(1)), g.pick("", " else := x"))
		r.kind = "function"
	case "over": // over the members of another rule or of a collection
		k, v := g.newVar(), g.newVar()
		fmt.Fprintf(b, "%s[%s] contains %s if {\n\tsome %s, %s in %s\n\t%s\n}\n\n", r.name, g.pick(k, v, `"k"`), g.pick(k, v, g.term(1)), k, v, g.collection(), g.pick(g.guard(), g.expr(1), v+" != "+g.constant()))
		r.kind = "set"
	case "deep":
		for range 1 + g.r.IntN(3) {
			fmt.Fprintf(b, "%s.%s[%s].w := %s if {\n\t%s\n}\n\n", r.name, g.pick("p", "q"), g.pick(`"k"`, "input.s", "input.a", "input.o.x"), g.constant(), g.body())
		}
		r.kind = "set"
	case "deepset":
		for range 1 + g.r.IntN(6) {
			fmt.Fprintf(b, "%s[%s] contains %s if {\n\t%s\n\t%s\n}\n\n", r.name, g.pick(`"k"`, `"j"`, "input.s", "input.n"), g.term(1), g.guard(), g.expr(1))
		}
		r.kind = "set"
	case "calls": // calls first: what a guard stands behind may fail
		for i := range 4 + g.r.IntN(5) {
			v := g.newVar()
			fmt.Fprintf(b, "%s contains %d if {\n\t%s := %s\n\t%s\n\t%s\n}\n\n", r.name, i, v,
				g.pick(`contains(input.s, "a")`, "lower(input.t)", "input.a in {1, \"abc\"}", `startswith(input.t, "a")`, g.term(1)), g.guard(), g.pick(v, "not is_null("+v+")", "[x | x := "+v+"] != []"))
		}
		r.kind = "set"
	}
}

// collection is what can be gone through.
func (g *generator) collection() string {
	list := []string{"input.l", "input.o", "data.d.l", "data.d.m", "data.lists", "input", `["abc", 1, 1.0]`, `{"x": 1, "y": [2]}`}
	for i := range g.rules {
		if !strings.HasPrefix(g.rules[i].kind, "function") {
			list = append(list, g.rules[i].name)
		}
	}
	return g.pick(list...)
}

// moreTerm is a term of level 2.
func (g *generator) moreTerm(depth int) string {
	v, w := g.newVar(), g.newVar()
	switch g.r.IntN(10) {
	case 0:
		return fmt.Sprintf("[%s | some %s, %s in %s; %s]", g.pick(v, w, g.term(depth)), v, w, g.collection(), g.pick(v+" != "+w, w+" > 0", g.expr(0)))
	case 1:
		return fmt.Sprintf("{%s | %s := %s[_]; %s}", g.pick(v, "["+v+", 1]"), v, g.collection(), g.pick(v+" != 1", "not "+v+" == \"abc\"", "count("+v+") > 0"))
	case 2:
		return fmt.Sprintf("{%s: %s | %s = %s[%s]}", v, w, w, g.collection(), v)
	case 3:
		return fmt.Sprintf("[[%s, %s] | walk(%s, [%s, %s])]", v, w, g.pick("input.o", "input.l", "data.d.m"), v, w)
	case 4:
		return fmt.Sprintf("[%s | some %s in input.l; %s := [%s | some %s in data.d.l; %s == %s]]", w, v, w, v+"x", v+"x", v+"x", v)
	case 5:
		return fmt.Sprintf("object.union(%s, %s)", g.pick("input.o", `{"x": 1}`, "data.d.m"), g.pick("input.o", `{"x": {"y": 2}}`, "data.d.m"))
	case 6:
		return fmt.Sprintf("%s(%s, %s)", g.pick("object.remove", "object.filter", "array.slice", "strings.any_prefix_match", "replace", "regex.split", "intersection", "round"), g.atom(), g.term(depth))
	case 7:
		return fmt.Sprintf("%s[%s][%s]", g.collection(), g.pick(`"k"`, "0", "input.s", "input.a"), g.pick(`"x"`, "1", "input.n", "0"))
	case 8:
		return fmt.Sprintf("graph.reachable({%q: %s}, %s)", "abc", g.pick("input.l", `["x"]`), g.pick("input.l", `["abc"]`))
	}
	return fmt.Sprintf("%s(%s)", g.pick("json.marshal", "base64.encode", "sort", "any", "all", "numbers.range", "type_name", "object.keys", "max", "min", "sum"), g.term(depth))
}

// moreExpr is a condition of level 2.
func (g *generator) moreExpr(depth int) string {
	v, w := g.newVar(), g.newVar()
	switch g.r.IntN(14) {
	case 0:
		return fmt.Sprintf("every %s, %s in %s { %s; %s }", v, w, g.collection(), g.pick(v+" != 0", w+" != \"abc\"", v+" == "+w), g.pick("true", w+" in input.l", "not "+w+" == null"))
	case 1:
		return fmt.Sprintf("some %s, %s in %s\n\t%s", v, w, g.collection(), g.pick(v+" == "+w, w+" == "+g.atom(), "input.l["+v+"] == "+w, "not "+w+" in input.l"))
	case 2:
		return fmt.Sprintf("%s = %s\n\t%s", g.pick("["+v+", "+w+"]", "["+v+", 2, "+w+"]", `{"x": `+v+`, "y": `+w+`}`, `[`+v+`, `+w+`, "abc"]`), g.pick("input.l", "input.o", "data.d.l", g.term(1)), g.pick(v+" != "+w, "true", v+" == "+g.constant()))
	case 3:
		return fmt.Sprintf("%s, %s in %s", g.pick("0", `"x"`, "input.n"), g.atom(), g.collection())
	case 4:
		return fmt.Sprintf("%s[%s]\n\t%s", g.collection(), v, g.pick(v+" != 1", v+" == "+g.atom(), "count(["+v+"]) == 1"))
	case 5:
		return fmt.Sprintf("walk(%s, [%s, %s])\n\t%s == %s", g.pick("input.o", "input", "data.d.m"), v, w, w, g.constant())
	case 6:
		if len(g.rules) > 0 {
			r := g.rules[g.r.IntN(len(g.rules))]
			return fmt.Sprintf("%s with %s as %s", g.use(&r), g.pick("data.f."+g.rules[0].name, "data.f", "input.o.y.z", "data", "input.l"), g.pick(g.constant(), "input", "input.o", g.term(1)))
		}
	case 7:
		for i := range g.rules {
			if g.rules[i].kind == "function" {
				return fmt.Sprintf("%s(%s) == %s with %s as %s", g.pick("lower", "upper", "count"), g.ref(), g.constant(), g.pick("lower", "upper", "count"), g.rules[i].name)
			}
		}
	case 8:
		return fmt.Sprintf("not %s[%s]", g.collection(), g.pick("input.s", `"k"`, "0", "_"))
	case 9:
		return fmt.Sprintf("count({%s | some %s in %s; %s}) %s %d", v, v, g.collection(), g.pick(v+" > 0", g.guard(), v+" == input.a"), g.pick("==", ">", "<="), g.r.IntN(3))
	case 10:
		return fmt.Sprintf("%s == %s", g.term(max(depth, 1)), g.term(max(depth, 1)))
	case 11:
		return fmt.Sprintf("every %s in %s {\n\t\tsome %s in %s\n\t\t%s == %s\n\t}", v, g.collection(), w, g.collection(), v, w)
	case 12:
		return "not " + g.use2()
	}
	return fmt.Sprintf("%s := %s\n\t%s", v, g.term(max(depth, 1)), g.pick(g.guard(), v+" in "+g.collection(), "is_string("+v+")"))
}

// use2 asks for some rule, or for a field.
func (g *generator) use2() string {
	if len(g.rules) == 0 {
		return g.ref()
	}
	return g.use(&g.rules[g.r.IntN(len(g.rules))])
}

// mutate changes the event along the fields that the program reads.
func (g *generator) mutate(t *testing.T, event string, fields []Field) string {
	t.Helper()
	var doc any
	if err := util.UnmarshalJSON([]byte(event), &doc); err != nil {
		t.Fatal(err)
	}
	for range g.r.IntN(4) {
		if len(fields) > 0 {
			doc = g.put(doc, fields[g.r.IntN(len(fields))].Path)
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(g.chance(50))
	if err := enc.Encode(doc); err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(out.String())
	if rest, ok := strings.CutPrefix(text, "{"); ok && rest != "}" && len(fields) > 0 && g.chance(30) { // a member twice: the last counts
		if p := fields[g.r.IntN(len(fields))].Path; len(p) > 0 {
			return fmt.Sprintf("{%q: %s, %s", p[0], g.pick(oddJSON...), rest)
		}
	}
	return text
}

// oddJSON are values that a field may have instead of its own.
var oddJSON = []string{
	"null", "true", "false", "0", "1", "-0", "1.0", "1e0", "10e-1", "100", "1e2", "0.1", "12345678901234567890", "9007199254740993", "-1.5e3", "1e300",
	`""`, `"abc"`, `"ABC"`, `"abcabcx"`, `"\u00e9\ud83d\ude00"`, `"\ud800"`, `"a\u0000b"`, `"10.1.2.3"`, `"10.1.0.0/16"`, `"::ffff:10.1.2.3"`, `"\u017f\u212a"`,
	"[]", "[1]", `["abc", "x"]`, "[[]]", `[1, 2, "abc"]`, "{}", `{"x": 1}`, `{"y": {"z": "abc"}}`, `{"": null}`, `{"x": {"x": 1.0}}`,
}

// put returns doc with an odd value, or none, at path, or at a part of it.
func (g *generator) put(doc any, path []string) any {
	if len(path) == 0 || g.chance(15) {
		if len(path) == 0 && g.chance(80) {
			return doc // most events stay objects
		}
		return g.odd()
	}
	m, ok := doc.(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	m = maps.Clone(m)
	if len(path) == 1 && g.chance(20) {
		delete(m, path[0])
		return m
	}
	if len(path) == 1 {
		m[path[0]] = g.odd()
		return m
	}
	m[path[0]] = g.put(m[path[0]], path[1:])
	return m
}

func (g *generator) odd() any {
	var v any
	if err := util.UnmarshalJSON([]byte(g.pick(oddJSON...)), &v); err != nil {
		panic(err)
	}
	return v
}
