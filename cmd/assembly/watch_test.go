package assembly

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/riposte-sec/riposte/pipeline/decide"
	"github.com/riposte-sec/riposte/policies"
)

// wrongRule is one on which the engine and OPA's interpreter really differ, the one known
// difference of policies/engine: the interpreter finds data.ports["4444"] under 4444.
const wrongRule = `# METADATA
# title: Port on the list
# custom:
#   id: test.port
#   severity: low
package riposte.detect.port

match if data.ports[4444] == input.name
`

const wrongDecision = `package riposte.decide

decision := {"priority": data.table[7]}
`

const wrongGuard = `package riposte.guard

document := {"decision": data.table[7]}
`

// wrongPolicies are the shipped policies with an answer in each that the engine gets wrong.
func wrongPolicies(t *testing.T) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(policies.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, "decide/") || strings.HasPrefix(path, "guard/") {
			return err
		}
		src, err := fs.ReadFile(policies.FS, path)
		files[path] = &fstest.MapFile{Data: src}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, src := range map[string]string{
		"detections/port.rego": wrongRule, "detections/data/ports.json": `{"ports": {"4444": "krb"}}`,
		"decide/decide.rego": wrongDecision, "decide/data.json": `{"table": {"7": "P1"}}`,
		"guard/guard.rego": wrongGuard, "guard/data.json": `{"table": {"7": "deny"}}`,
	} {
		files[path] = &fstest.MapFile{Data: []byte(src)}
	}
	return files
}

// gathered returns the values of the registry's metrics by name and policy.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			out[f.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return out
}

func TestWhereTheEngineDiffersOPAAnswersAndTheMetricsRise(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p, err := LoadPolicies(t.Context(), wrongPolicies(t), Watch{Now: func() time.Time { return now }, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(p.Collector())
	if got := gathered(t, reg); got["riposte_engine_differences_total detections"] != 0 || len(got) != 12 {
		t.Fatalf("before: %v, want 4 metrics of 3 policies, no differences", got)
	}

	rule := slices.Index(p.Detections.IDs(), "test.port")
	m := p.Matcher()
	for range len(p.Detections.Detections) + 1 { // a rule that does not match is judged in turn
		hits, err := m.Match(t.Context(), []byte(`{"name": "krb"}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		if gathered(t, reg)["riposte_engine_differences_total detections"] > 0 && !slices.Equal(hits, []int{rule}) {
			t.Errorf("the difference is known and the event matches %v, OPA says %d", hits, rule)
		}
	}
	for range 3 {
		wantAnswer(t, p.Decide, `{"priority":"P1"}`)
		wantAnswer(t, p.Guard, `{"decision":"deny"}`)
	}

	got := gathered(t, reg)
	for _, policy := range []string{policyDetections, policyDecide, policyGuard} {
		if got["riposte_engine_differences_total "+policy] != 1 || got["riposte_engine_distrusted_entries "+policy] != 1 ||
			got["riposte_engine_judged_total "+policy] < 1 || got["riposte_engine_topdown_total "+policy] < 2 {
			t.Errorf("%s: %v", policy, got)
		}
	}
	wantLogged(t, &log, map[string][3]string{
		policyDetections: {`{"name": "krb"}`, "undefined", "true"},
		policyDecide:     {"{}", "undefined", `{"priority": "P1"}`},
		policyGuard:      {"{}", "undefined", `{"decision": "deny"}`},
	})
}

func wantAnswer(t *testing.T, p decide.Policy, want string) {
	t.Helper()
	if out, err := p.Eval(t.Context(), []byte(`{}`)); err != nil || string(out) != want {
		t.Errorf("got %s, %v, want %s", out, err, want)
	}
}

// wantLogged checks that each policy's difference is logged once, with event, the engine's
// and OPA's result.
func wantLogged(t *testing.T, log *bytes.Buffer, want map[string][3]string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != len(want) {
		t.Errorf("%d lines logged, want %d:\n%s", len(lines), len(want), log)
	}
	for _, line := range lines {
		var l struct{ Level, Policy, Revision, Event, Engine, OPA string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if got := [3]string{l.Event, l.Engine, l.OPA}; got != want[l.Policy] || l.Level != "ERROR" || l.Revision == "" {
			t.Errorf("%s: got %v, want %v", l.Policy, got, want[l.Policy])
		}
	}
}

func TestEveryEventIsJudgedInTheFirstMinuteOfABundleAndThenASample(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p, err := LoadPolicies(t.Context(), policies.FS, Watch{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	m := p.Matcher()
	judged := func(events int) uint64 {
		before := p.matcher.Stats().Judged
		for range events {
			if _, err := m.Match(t.Context(), []byte(`{"class_uid": 4001}`), nil); err != nil {
				t.Fatal(err)
			}
		}
		return p.matcher.Stats().Judged - before
	}
	if n := judged(100); n != 100 {
		t.Errorf("%d of the first 100 were judged", n)
	}
	now = now.Add(time.Minute)
	if n := judged(3 * eventsPerJudged); n != 3 {
		t.Errorf("%d of %d were judged after a minute, want 3", n, 3*eventsPerJudged)
	}
}
