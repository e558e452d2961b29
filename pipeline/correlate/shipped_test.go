package correlate

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the table of docs/correlations.md anew")

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

func TestDocsNameEachShippedCorrelation(t *testing.T) {
	t.Parallel()
	const page, begin, end = "../../docs/correlations.md", "<!-- table: go test ./pipeline/correlate -run Docs -rewrite -->\n", "<!-- end of table -->\n"
	src, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(src), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s: no table between %q and %q", page, begin, end)
	}
	var b strings.Builder
	b.WriteString("| Correlation | Title | Level | Type | Groups by | Timespan |\n|---|---|---|---|---|---|\n")
	for _, c := range loadDir(t, shipped).All() {
		span := strings.NewReplacer("m0s", "m", "h0m0s", "h").Replace(c.Span.String())
		fmt.Fprintf(&b, "| [%s](../policies/correlations/%s) | %s | %s | %s | `%s` | %s |\n", c.ID, c.File, c.Title, levels[c.Severity],
			c.Type, strings.Join(c.GroupBy, "`, `"), span)
	}
	want := head + begin + b.String() + end + tail
	if *rewrite {
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(src) {
		t.Errorf("%s is not what the documents say; go test ./pipeline/correlate -run Docs -rewrite", page)
	}
}
