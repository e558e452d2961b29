package match

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/policies/engine"
)

// unwatched engines are for measuring: nothing is judged.
var unwatched = engine.LiveConfig{Every: -1, Probation: -1}

func engineOf(tb testing.TB, s *Set) *EngineMatcher {
	tb.Helper()
	e, err := NewEngine(tb.Context(), s, nil, EngineOptions{Watch: engine.LiveConfig{Every: 1, OnDifference: func(d engine.Difference) {
		tb.Errorf("%s: the engine says %v, the interpreter %v", d.Entry, d.Machine, d.Topdown)
	}}})
	if err != nil {
		tb.Fatal(err)
	}
	return e.NewMatcher()
}

func TestEngineAndInterpreterMatchTheSame(t *testing.T) {
	t.Parallel()
	s := load(t, failedLogon, clearedLog)
	fast := engineOf(t, s)
	slow, err := NewTopdown(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{
		`{"class_uid":3002,"status_id":2,"unmapped":{}}`, `{"class_uid":3002,"status_id":1,"unmapped":{}}`,
		`{"class_uid":1008,"unmapped":{"EventID":1102}}`, `{"class_uid":3002,"status_id":2,"unmapped":{"EventID":1102}}`, `{}`,
	} {
		want, err := slow.Match(t.Context(), []byte(event), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fast.Match(t.Context(), []byte(event), nil)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", event, got, err, want)
		}
	}
}

func TestFailingRuleDoesNotLoseTheOthersOnTheEngine(t *testing.T) {
	t.Parallel()
	m := engineOf(t, load(t, failedLogon, conflict))
	got, err := m.Match(t.Context(), []byte(`{"class_uid":3002,"status_id":2}`), nil)
	if !slices.Equal(got, []int{0}) || failures(err) != 1 {
		t.Errorf("got %v, %v, want rule 0 and one failure", got, err)
	}
}

// greedy runs out of its budget when an event has a long list.
const greedy = `# METADATA
# title: Greedy
# custom:
#   id: test.greedy
#   severity: low
package riposte.detect.greedy

match if {
	some a in input.list
	some b in input.list
	some c in input.list
	a + b + c < 0
}
`

func TestRuleThatRunsOutOfItsBudgetDoesNotLoseTheOthers(t *testing.T) {
	t.Parallel()
	m := engineOf(t, load(t, failedLogon, greedy))
	list := strings.TrimSuffix(strings.Repeat("1,", 300), ",")
	got, err := m.Match(t.Context(), []byte(`{"class_uid":3002,"status_id":2,"list":[`+list+`]}`), nil)
	if !slices.Equal(got, []int{0}) || failures(err) != 1 || !errors.Is(err, engine.ErrBudget) {
		t.Errorf("got %v, %v, want rule 0 and one failure for the budget", got, err)
	}
}

func TestPaddingDoesNotHideAnEvent(t *testing.T) {
	t.Parallel()
	m := engineOf(t, load(t, failedLogon, clearedLog))
	deep := strings.Repeat("[", 500) + strings.Repeat("]", 500)
	for name, pad := range map[string]string{"long string": `"` + strings.Repeat("x", 3<<20) + `"`, "deep nesting": deep, "huge number": "1e9999999", "long number": strings.Repeat("9", 1<<20)} {
		got, err := m.Match(t.Context(), []byte(`{"unmapped":{"EventID":1102,"pad":`+pad+`}}`), nil)
		if !slices.Equal(got, []int{1}) || err != nil {
			t.Errorf("%s: got %v, %v, want rule 1", name, got, err)
		}
	}
}

func BenchmarkEnginePerEvent(b *testing.B) {
	s := load(b, failedLogon, clearedLog)
	e, err := NewEngine(b.Context(), s, nil, EngineOptions{Watch: unwatched})
	if err != nil {
		b.Fatal(err)
	}
	m := e.NewMatcher()
	event := []byte(`{"class_uid":3002,"status_id":2,"unmapped":{}}`)
	b.ReportAllocs()
	var dst []int
	for b.Loop() {
		if dst, err = m.Match(b.Context(), event, dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
