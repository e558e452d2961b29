package match

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/riposte-sec/riposte/pipeline"
)

const failedLogon = `# METADATA
# title: Failed logon
# custom:
#   id: auth.failed
#   severity: low
#   attack: [TA0006, T1110]
#   owner: soc
#   classes: [3002]
#   group_by: [src_endpoint.ip]
package riposte.detect.auth_failed

match if {
	input.class_uid == 3002
	input.status_id == 2
}
`

const clearedLog = `# METADATA
# title: Log cleared
# custom:
#   id: win.log_cleared
#   severity: high
#   attack: [TA0005, T1070.001]
#   owner: soc
package riposte.detect.log_cleared

match if input.unmapped.EventID == 1102
`

// conflict fails for every event: a complete rule with two values.
const conflict = `# METADATA
# title: Conflict
# custom:
#   id: test.conflict
#   severity: low
package riposte.detect.conflict

v := input.class_uid

v := 7

match if v > 0
`

func load(tb testing.TB, files ...string) *Set {
	tb.Helper()
	fsys := fstest.MapFS{}
	for i, f := range files {
		fsys["r"+string(rune('0'+i))+".rego"] = &fstest.MapFile{Data: []byte(f)}
	}
	s, err := Load(fsys, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func newStage(t *testing.T, s *Set, consumers ...pipeline.Consumer) *Stage {
	t.Helper()
	m, err := NewTopdown(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	st, err := New(Config{Rules: s, Matcher: m, Consumers: consumers})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func logon(status int64, ip string) pipeline.Event {
	e := pipeline.Event{
		ID: pipeline.HashID("event", ip), Tenant: "acme", Source: "okta", Class: pipeline.ClassAuthentication,
		Fate: pipeline.FateLive, At: 1000, Ingested: 2000, Flags: pipeline.FlagDemo, Unmapped: []byte(`{"id.orig_h":{"port":22},"n":1.5}`),
		Entities: []pipeline.Entity{{Kind: pipeline.EntityIP, Value: ip, Role: "src"}},
		Attrs:    []pipeline.Attr{{Field: pipeline.FieldStatusID, Value: pipeline.Value{Kind: pipeline.KindInt, Int: status}}},
	}
	if ip != "" {
		e.Attrs = append([]pipeline.Attr{{Field: pipeline.FieldSrcEndpointIP, Value: pipeline.Value{Kind: pipeline.KindString, Str: ip}}}, e.Attrs...)
	}
	return e
}

func TestMatchingRuleMakesOneSignalForItselfAndOnePerConsumer(t *testing.T) {
	t.Parallel()
	st := newStage(t, load(t, failedLogon, clearedLog),
		pipeline.Consumer{Step: "brute_force", Rule: "auth.failed", Group: []string{"entity.ip"}, Fields: []string{"unmapped.id.orig_h.port", "user.name"}},
		pipeline.Consumer{Step: "needs_user", Rule: "auth.failed", Group: []string{"user.name"}})
	b := &pipeline.Batch{Events: []pipeline.Event{logon(2, "10.0.0.1"), logon(1, "10.0.0.2")}}
	if err := st.Process(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.Signals) != 2 {
		t.Fatalf("%d signals, want 2: %+v", len(b.Signals), b.Signals)
	}
	own, step := b.Signals[0], b.Signals[1]
	if own.Step != "" || !slices.Equal(own.Group, []string{"10.0.0.1"}) || own.Severity != 2 || own.Flags[0] != "demo" {
		t.Errorf("own signal: %+v", own)
	}
	if step.Step != "brute_force" || step.Fields["unmapped.id.orig_h.port"] != "22" || len(step.Fields) != 1 {
		t.Errorf("signal of the correlation: %+v", step)
	}
	if own.ID == step.ID || own.ID != pipeline.SignalID(own.Event, "auth.failed", "") {
		t.Errorf("ids %v and %v", own.ID, step.ID)
	}
	if st.Stats().NoGroup != 1 {
		t.Errorf("%d matches without a group, want 1", st.Stats().NoGroup)
	}
}

func TestDuplicateAndRejectedEventsMakeNoSignal(t *testing.T) {
	t.Parallel()
	st := newStage(t, load(t, failedLogon))
	e := logon(2, "10.0.0.1")
	e.Fate = pipeline.FateDuplicate
	b := &pipeline.Batch{Events: []pipeline.Event{e}}
	if err := st.Process(t.Context(), b); err != nil || len(b.Signals) != 0 {
		t.Fatalf("%v, signals %+v", err, b.Signals)
	}
}

func TestFailingRuleDoesNotLoseTheOthers(t *testing.T) {
	t.Parallel()
	st := newStage(t, load(t, failedLogon, conflict))
	b := &pipeline.Batch{Events: []pipeline.Event{logon(2, "10.0.0.1")}}
	if err := st.Process(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.Signals) != 1 || b.Signals[0].Rule != "auth.failed" || st.Stats().Failures != 1 {
		t.Fatalf("stats %+v, signals %+v", st.Stats(), b.Signals)
	}
}

func TestRuleOfAnotherClassIsNotAsked(t *testing.T) {
	t.Parallel()
	s := load(t, failedLogon, clearedLog)
	m, err := NewTopdown(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := func(name, event string, want ...int) {
		t.Helper()
		got, err := m.Match(context.Background(), []byte(event), nil)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	f("class of the rule", `{"class_uid":3002,"status_id":2,"unmapped":{}}`, 0)
	f("other class", `{"class_uid":4001,"status_id":2,"unmapped":{}}`)
	f("rule without classes", `{"class_uid":1008,"unmapped":{"EventID":1102}}`, 1)
	f("both", `{"class_uid":3002,"status_id":2,"unmapped":{"EventID":1102}}`, 0, 1)
	f("undefined input", `{}`)
}

func TestBadDetectionIsRefusedWithItsLine(t *testing.T) {
	t.Parallel()
	f := func(name, src, want string) {
		t.Helper()
		_, err := Load(fstest.MapFS{"x.rego": {Data: []byte(src)}}, Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	f("package", strings.Replace(failedLogon, "riposte.detect.auth_failed", "foo", 1), "x.rego:10: package")
	f("unknown key", strings.Replace(failedLogon, "severity: low", "severity: low\n#   tactics: [TA0006]", 1), "x.rego: 1: METADATA custom.tactics: unknown key")
	f("severity", strings.Replace(failedLogon, "severity: low", "severity: lowish", 1), "x.rego: 1: METADATA custom.severity")
	f("technique", strings.Replace(failedLogon, "T1110", "X1110", 1), "neither a tactic")
	f("path", strings.Replace(failedLogon, "src_endpoint.ip", "src_ip", 1), `path "src_ip"`)
	f("banned function", strings.Replace(failedLogon, "input.status_id == 2", `http.send({"url": "x"})`, 1), "undefined function http.send")
	f("no match", strings.Replace(failedLogon, "match if", "hit if", 1), "no rule match")
	f("unused variable", strings.Replace(failedLogon, "input.status_id == 2", "x := 1", 1), "assigned var x unused")
}

func TestSchemaCatchesAMisspeltPath(t *testing.T) {
	t.Parallel()
	schema := map[string]any{
		"type": "object", "additionalProperties": false,
		"properties": map[string]any{"class_uid": map[string]any{"type": "integer"}, "status_id": map[string]any{"type": "integer"}},
	}
	bad := strings.Replace(failedLogon, "input.status_id", "input.statusid", 1)
	if _, err := Load(fstest.MapFS{"x.rego": {Data: []byte(bad)}}, Options{Schema: schema}); err == nil {
		t.Error("a path that the schema does not know was accepted")
	}
	if _, err := Load(fstest.MapFS{"x.rego": {Data: []byte(failedLogon)}}, Options{Schema: schema}); err != nil {
		t.Error(err)
	}
}

func FuzzJSONText(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), "a.b")
	f.Add([]byte(`{"id.orig_h":"x"}`), "id.orig_h")
	f.Fuzz(func(_ *testing.T, doc []byte, path string) { jsonText(doc, path) })
}

func BenchmarkTopdownPerEvent(b *testing.B) {
	s, err := Load(fstest.MapFS{"a.rego": {Data: []byte(failedLogon)}, "b.rego": {Data: []byte(clearedLog)}}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	m, err := NewTopdown(b.Context(), s, nil)
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
