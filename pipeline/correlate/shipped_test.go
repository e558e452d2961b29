package correlate

import (
	"os"
	"slices"
	"strings"
	"testing"
)

const shipped = "../../policies/correlations"

func TestShippedCorrelationsPassTheirScenarios(t *testing.T) {
	t.Parallel()
	cfg := Default()
	cfg.Rules = loadDir(t, shipped)
	results, err := Test(t.Context(), os.DirFS(shipped), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %s:\n%v", r.File, r.Name, r.Err)
		}
	}
	tests := map[string]int{}
	for _, r := range results {
		tests[strings.TrimSuffix(r.File, "_test.yml")]++
	}
	for _, c := range cfg.Rules.All() {
		if tests[c.ID] < 2 || c.File != c.ID+".yml" {
			t.Errorf("%s: %d scenarios in %s_test.yml, want a hit and a near miss", c.File, tests[c.ID], c.ID)
		}
	}
	if n := len(cfg.Rules.All()); n < 20 {
		t.Errorf("%d correlations, want at least 20", n)
	}
}

func TestShippedCorrelationsNameDetectionsThatAreThere(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("../../policies/detections")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".rego"); ok && !strings.HasSuffix(id, "_test") {
			ids = append(ids, id)
		}
	}
	set := loadDir(t, shipped)
	if err := set.CheckRules(ids); err != nil {
		t.Error(err)
	}
	if err := set.CheckRules(slices.DeleteFunc(ids, func(id string) bool { return id == "login_failed" })); err == nil {
		t.Error("a rule that is not there was not missed")
	}
}
