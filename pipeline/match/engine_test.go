package match

import (
	"slices"
	"testing"

	"github.com/riposte-sec/riposte/policies/engine"
)

func engineOf(tb testing.TB, s *Set) *EngineMatcher {
	tb.Helper()
	e, err := NewEngine(tb.Context(), s, nil, EngineOptions{JudgeEvery: 1, OnDifference: func(d engine.Difference) {
		tb.Errorf("%s: the engine says %v, the interpreter %v", d.Entry, d.Machine, d.Topdown)
	}})
	if err != nil {
		tb.Fatal(err)
	}
	m, err := e.NewMatcher(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return m
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

func BenchmarkEnginePerEvent(b *testing.B) {
	s := load(b, failedLogon, clearedLog)
	e, err := NewEngine(b.Context(), s, nil, EngineOptions{JudgeEvery: -1})
	if err != nil {
		b.Fatal(err)
	}
	m, err := e.NewMatcher(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	event := []byte(`{"class_uid":3002,"status_id":2,"unmapped":{}}`)
	b.ReportAllocs()
	var dst []int
	for b.Loop() {
		if dst, err = m.Match(b.Context(), event, dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
