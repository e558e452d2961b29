package correlate

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

func loadDir(t *testing.T, dir string) *Set {
	t.Helper()
	set, err := Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestEachKindGivesTheEpisodesThatItsScenariosExpect(t *testing.T) {
	t.Parallel()
	playDir(t, "testdata/kinds", 40)
}

func TestExamplesOfSigmasSpecificationMeanWhatItSays(t *testing.T) {
	t.Parallel()
	playDir(t, "testdata/sigma", 25)
	types := map[Type]bool{}
	for _, c := range loadDir(t, "testdata/sigma").All() {
		types[c.Type] = true
	}
	for _, typ := range []Type{EventCount, ValueCount, ValueSum, ValueAvg, ValuePercentile, Temporal, TemporalOrdered} {
		if !types[typ] {
			t.Errorf("no example of %s", typ)
		}
	}
}

func playDir(t *testing.T, dir string, least int) {
	t.Helper()
	cfg := Default()
	cfg.Rules = loadDir(t, dir)
	results, err := Test(t.Context(), os.DirFS(dir), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) < least {
		t.Errorf("%d scenarios, want at least %d", len(results), least)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %s:\n%v", r.File, r.Name, r.Err)
		}
	}
}

func TestScenarioTellsWhatIsMissingAndWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	cfg := Default()
	cfg.Rules = loadDir(t, "testdata/kinds")
	f := func(src, want string) {
		t.Helper()
		list, err := ParseScenarios([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		err = list[0].Run(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(`[{name: x, expect: [{rule: failures, group: [a]}]}]`, `missing: failures ["a"]`)
	f(`[{name: x, timeline: [{at: 0s, rule: auth.failed, event: {src_endpoint.ip: a}, repeat: 5, every: 1s}]}]`,
		`unexpected: failures ["a"], 5 signals, from 0s, triggered 4s`)
	f(`[{name: x, timeline: [{at: 0s, rule: failures}]}]`, "only detections match")
	f(`[{name: x, timeline: [{at: 0s, rule: nobody}]}]`, "no correlation names the rule nobody")
}

func TestJUnitNamesEachFailure(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := WriteJUnit(&b, []Result{{File: "a_test.yml", Name: "ok"}, {File: "a_test.yml", Name: "bad", Err: errors.New("missing: x")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`tests="2" failures="1"`, `classname="a" name="bad"`, "missing: x"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}
