package correlate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

const goodDocument = `title: T
id: n
level: high
tags:
  - attack.credential-access
  - attack.t1110.003
correlation:
  type: event_count
  rules: [a]
  group-by: [g]
  timespan: 10m
  condition:
    gte: 3
`

func TestWrongDocumentIsRefusedWithFileAndLine(t *testing.T) {
	t.Parallel()
	f := func(name, old, changed, want string) {
		t.Helper()
		src := strings.Replace(goodDocument, old, changed, 1)
		if src == goodDocument {
			t.Fatalf("%s: nothing was changed", name)
		}
		_, err := Load(fstest.MapFS{"n.yml": {Data: []byte(src)}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "n.yml") {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	f("unknown key", "title: T", "titel: T", "line 1: field titel not found")
	f("unknown key below", "  timespan: 10m", "  time-span: 10m", `line 11: there is no key "time-span"`)
	f("no timespan", "  timespan: 10m\n", "", "timespan: want 1s to 90d")
	f("span", "10m", "10 minutes", `line 11: time span "10 minutes"`)
	f("type", "event_count", "event_counts", `n.yml:8: type "event_counts"`)
	f("operator", "gte: 3", "ge: 3", `line 13: condition has no operator "ge"`)
	f("number", "gte: 3", "gte: three", `"three" is no number`)
	f("true for zero", "gte: 3", "gte: 0", "holds for zero already")
	f("no rules", "rules: [a]", "rules: []", "rules: want 1 to 64")
	f("no group", "group-by: [g]", "group-by: []", "group-by is required")
	f("tag", "attack.t1110.003", "attack.t11", `tag "attack.t11"`)
	f("level", "level: high", "level: highest", `level "highest"`)
	f("field without a use", "    gte: 3", "    gte: 3\n    field: x", "field has no meaning")
	f("no field", "type: event_count", "type: value_count", "value_count: field is required")
	f("expression for a count", "condition:\n    gte: 3", "condition: a and b", "an expression is for temporal")
	f("alias without path", "timespan: 10m", "timespan: 10m\n  aliases: {g: {b: x}}", `alias "g" has no path for rule a`)
	f("fewer steps than there are", "type: event_count", "type: temporal_ordered", "temporal_ordered: at least two rules")
	f("percentile of a count", "gte: 3", "gte: 3\n    percentile: 50", "condition.percentile is for value_percentile")
	f("not YAML", "title: T", "title: [", "did not find expected")
}

func TestNegationAndUpperBoundsAreJudgedWhenTheSpanIsOver(t *testing.T) {
	t.Parallel()
	f := func(body string, want bool) {
		t.Helper()
		if got := documentOf(t, "n", body).rising(); got != want {
			t.Errorf("%s: rising %v, want %v", body, got, want)
		}
	}
	f("type: event_count; rules: [a]; timespan: 1m; condition: {gte: 2}", true)
	f("type: event_count; rules: [a]; timespan: 1m; condition: {gt: 2, lte: 9}", false)
	f("type: event_count; rules: [a]; timespan: 1m; condition: {eq: 2}", false)
	f("type: temporal; rules: [a, b]; timespan: 1m; condition: a and not b", false)
	f("type: temporal; rules: [a, b]; timespan: 1m; condition: a or 2 of them", true)
}

func TestRangeAndOperatorsHold(t *testing.T) {
	t.Parallel()
	f := func(body string, v float64, want bool) {
		t.Helper()
		c := documentOf(t, "n", "type: event_count; rules: [a]; timespan: 1m; condition: {"+body+"}")
		if got := c.Cond.Holds(v); got != want {
			t.Errorf("%s of %g: %v, want %v", body, v, got, want)
		}
	}
	f("gt: 100, lte: 200", 100, false)
	f("gt: 100, lte: 200", 101, true)
	f("gt: 100, lte: 200", 200, true)
	f("gt: 100, lte: 200", 201, false)
	f("lt: 3", 2, true)
	f("lt: 3", 3, false)
	f("eq: 3", 3, true)
	f("eq: 3", 4, false)
	f("neq: 3", 4, true)
	f("neq: 3", 3, false)
}

func TestExpressionIsReadAsWritten(t *testing.T) {
	t.Parallel()
	rules := []string{"a", "b", "x.c"}
	f := func(text string, counts [3]int, want bool) {
		t.Helper()
		e, err := ParseExpr(text, rules)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if got := e.Holds(counts[:]); got != want {
			t.Errorf("%s of %v: %v, want %v", text, counts, got, want)
		}
	}
	f("a AND b AND c", [3]int{1, 1, 1}, true)
	f("a and b or c", [3]int{0, 0, 1}, true)
	f("a and (b or c)", [3]int{0, 0, 1}, false)
	f("not a and b", [3]int{0, 1, 0}, true)
	f("not (a and b)", [3]int{1, 1, 0}, false)
	f("a>=3", [3]int{2, 0, 0}, false)
	f("2 of them", [3]int{1, 0, 2}, true)
	f("1 of x.*", [3]int{1, 1, 0}, false)
	bad := func(text, want string) {
		t.Helper()
		if _, err := ParseExpr(text, rules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	bad("a and", `"" is none of the rules`)
	bad("a b", `unexpected "b"`)
	bad("(a", "missing )")
	bad("d", `"d" is none of the rules`)
	bad("4 of them", "3 rules are meant")
	bad("a >= 0", "wants a number")
	bad(strings.Repeat("(", 100)+"a", "nested deeper")
}

func TestCorrelationsOfCorrelationsAreChecked(t *testing.T) {
	t.Parallel()
	chain := func(n int, last string) fstest.MapFS {
		fsys := fstest.MapFS{}
		for i := range n {
			rule := fmt.Sprint("c", i+1)
			if i == n-1 {
				rule = last
			}
			src := strings.NewReplacer("id: n", fmt.Sprint("id: c", i), "rules: [a]", "rules: ["+rule+"]").Replace(goodDocument)
			fsys[fmt.Sprint("c", i, ".yml")] = &fstest.MapFile{Data: []byte(src)}
		}
		return fsys
	}
	f := func(name string, fsys fstest.MapFS, want string) {
		t.Helper()
		_, err := Load(fsys)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	f("ten deep", chain(10, "a"), "")
	f("eleven deep", chain(11, "a"), "deeper than 10")
	f("cycle", chain(3, "c0"), "cycle: c0 -> c1 -> c2 -> c0")
	other := chain(2, "a")
	other["c0.yml"].Data = []byte(strings.Replace(string(other["c0.yml"].Data), "group-by: [g]", "group-by: [h]", 1))
	f("field that the inner one does not group by", other, "it has no h")
	twice := chain(2, "a")
	twice["c1.yml"] = twice["c0.yml"]
	f("same id", twice, `id "c0" is that of`)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(goodDocument))
	f.Add([]byte("title: t\nid: n\ncorrelation: {type: temporal, rules: [a, b], group-by: [g], timespan: 1m, condition: a and not b}"))
	f.Fuzz(func(_ *testing.T, src []byte) {
		if c, err := parse("f.yml", src); err == nil {
			_, _ = NewSet([]*Correlation{c})
		}
	})
}

func FuzzParseExpr(f *testing.F) {
	f.Add("a and not (b or 2 of them) or a >= 3")
	f.Fuzz(func(_ *testing.T, text string) {
		if e, err := ParseExpr(text, []string{"a", "b"}); err == nil {
			e.Holds([]int{1, 0})
			e.Rising()
		}
	})
}

func FuzzParseScenarios(f *testing.F) {
	f.Add([]byte("- name: x\n  timeline:\n    - {at: 0s, rule: a, event: {g: x}, repeat: 2, every: 1m}\n  expect: [{rule: n, from: 1h30m}]\n"))
	f.Fuzz(func(_ *testing.T, src []byte) { _, _ = ParseScenarios(src) })
}

func TestOrderedSequenceWantsAllOfItsRules(t *testing.T) {
	t.Parallel()
	f := func(condition string, ok bool) {
		t.Helper()
		src := strings.NewReplacer("event_count", "temporal_ordered", "[a]", "[a, b, c]", "condition:\n    gte: 3", "condition: "+condition).Replace(goodDocument)
		_, err := Load(fstest.MapFS{"n.yml": {Data: []byte(src)}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", condition, err)
		}
	}
	f("{gte: 3}", true)
	f("{eq: 3}", true)
	f("{gt: 2}", true)
	f("{gte: 2}", false)
	f("{gte: 4}", false)
	f("{lt: 5}", false)
	f("a and b and c", true)
	f("a and b", false)
	f("a or b or c", false)
}

func TestPathsThatNoEventHasAreToldWithTheirLine(t *testing.T) {
	t.Parallel()
	set, err := NewSet([]*Correlation{documentOf(t, "n", "type: value_count; rules: [a]; timespan: 1h; condition: {field: usr.name, gte: 2}")})
	if err != nil {
		t.Fatal(err)
	}
	err = set.CheckPaths(func(path string) error {
		if path == "g" {
			return nil
		}
		return errors.New("no " + path)
	})
	if want := "n.yml:4: rule a: no usr.name"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
