package match

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/riposte-sec/riposte/policies"
	"github.com/riposte-sec/riposte/policies/engine"
	"github.com/riposte-sec/riposte/sources/sample"
)

var rewrite = flag.Bool("rewrite", false, "write the table of docs/detections.md anew")

const shipped = "../../policies/detections"

func shippedData(tb testing.TB) map[string]any {
	tb.Helper()
	data, err := policies.Data(os.DirFS(shipped))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func shippedModules(tb testing.TB) map[string]*ast.Module {
	tb.Helper()
	modules := map[string]*ast.Module{}
	err := fs.WalkDir(os.DirFS(shipped), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".rego") {
			return err
		}
		src, err := os.ReadFile(filepath.Join(shipped, path))
		if err != nil {
			return err
		}
		m, err := ast.ParseModuleWithOpts(path, string(src), ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true, Capabilities: engine.Profile()})
		modules[path] = m
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return modules
}

// TestShippedDetectionsPassTheirTests runs them on OPA's own interpreter and on the engine:
// both must say the same.
func TestShippedDetectionsPassTheirTests(t *testing.T) {
	t.Parallel()
	engine.Register()
	for _, target := range []string{"rego", engine.Target} {
		passed := runShipped(t, target)
		for _, d := range loadShipped(t).Detections {
			if n := passed["data.riposte.detect."+d.Name+"_test"]; n < 3 {
				t.Errorf("%s has %d tests that pass on %s, want a hit, a near miss and an undefined input", d.ID, n, target)
			}
		}
	}
}

// runShipped runs all tests of the shipped detections and returns how many passed by
// package.
func runShipped(t *testing.T, target string) map[string]int {
	t.Helper()
	ctx := t.Context()
	store := inmem.NewFromObject(shippedData(t))
	txn, err := store.NewTransaction(ctx, storage.TransactionParams{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Abort(ctx, txn)
	runner := tester.NewRunner().SetStore(store).SetModules(shippedModules(t)).Target(target).CapturePrintOutput(true).SetTimeout(time.Minute)
	results, err := runner.RunTests(ctx, txn)
	if err != nil {
		t.Fatal(err)
	}
	passed := map[string]int{}
	for r := range results {
		if !r.Pass() {
			t.Errorf("%s on %s: %s.%s: %v %s", r.Location, target, r.Package, r.Name, r.Error, r.Output)
			continue
		}
		passed[r.Package]++
	}
	return passed
}

func loadShipped(tb testing.TB) *Set {
	tb.Helper()
	s, err := Load(os.DirFS(shipped), Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestShippedDetectionsAreDescribedWhole(t *testing.T) {
	t.Parallel()
	s := loadShipped(t)
	if len(s.Detections) < 20 {
		t.Errorf("%d detections, want at least 20", len(s.Detections))
	}
	notes := map[string]*ast.Annotations{}
	for path, m := range shippedModules(t) {
		for _, a := range m.Annotations {
			if a.Scope == "package" {
				notes[path] = a
			}
		}
	}
	covered := map[string]bool{}
	for _, d := range s.Detections {
		a := notes[d.File]
		fp, _ := a.Custom["false_positives"].([]any)
		switch {
		case d.ID != d.Name || d.File != d.Name+".rego":
			t.Errorf("%s: id %s, package %s: want all three the same", d.File, d.ID, d.Name)
		case len(d.Tactics) == 0 || len(d.Techniques) == 0:
			t.Errorf("%s: wants an ATT&CK tactic and technique", d.File)
		}
		for key, missing := range map[string]bool{
			"description": a.Description == "", "custom.owner": d.Owner == "", "custom.sources": len(d.Sources) == 0,
			"custom.group_by": len(d.GroupBy) == 0, "custom.false_positives": len(fp) == 0,
		} {
			if missing {
				t.Errorf("%s: METADATA has no %s", d.File, key)
			}
		}
		for _, src := range d.Sources {
			covered[src] = true
		}
	}
	for _, src := range []string{"cloudtrail", "okta", "suricata", "windows", "zeek"} {
		if !covered[src] {
			t.Errorf("no detection is for source %s", src)
		}
	}
}

func TestShippedDetectionsHaveTheOneFormat(t *testing.T) {
	t.Parallel()
	for path := range shippedModules(t) {
		src, err := os.ReadFile(filepath.Join(shipped, path))
		if err != nil {
			t.Fatal(err)
		}
		want, err := format.SourceWithOpts(path, src, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(src, want) {
			t.Errorf("%s is not formatted: opa fmt -w does it", path)
		}
	}
}

const docsPage = "../../docs/detections.md"

func TestDocsListTheShippedDetections(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	want := withTable(t, string(page), "detections", detectionTable(loadShipped(t)))
	want = withTable(t, want, "stories", storyTable())
	if *rewrite {
		if err := os.WriteFile(docsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != want {
		t.Errorf("%s is not what the detections say; go test ./pipeline/match -run Docs -rewrite", docsPage)
	}
}

// withTable returns page with the generated table of that name in place of the one that is
// there.
func withTable(t *testing.T, page, name, table string) string {
	t.Helper()
	begin, end := "<!-- "+name+": go test ./pipeline/match -run Docs -rewrite -->\n", "<!-- end of "+name+" -->\n"
	head, rest, ok1 := strings.Cut(page, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s: no table between %q and %q", docsPage, begin, end)
	}
	return head + begin + table + end + tail
}

func storyTable() string {
	var b strings.Builder
	b.WriteString("| Story | What happens | Detections | Responses |\n|---|---|---|---|\n")
	for _, s := range sample.Stories() {
		var responses []string
		for _, in := range s.Incidents {
			responses = append(responses, in.Responses...)
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` | `%s` |\n", s.Title, s.Text, strings.Join(s.Detections, "`, `"), strings.Join(responses, "`, `"))
	}
	return b.String()
}

func detectionTable(s *Set) string {
	var b strings.Builder
	b.WriteString("| Detection | Title | Severity | Sources | ATT&CK | Groups by |\n|---|---|---|---|---|---|\n")
	for _, d := range s.Detections {
		fmt.Fprintf(&b, "| [%s](../policies/detections/%s) | %s | %s | %s | %s | `%s` |\n", d.ID, d.File, d.Title, severities[d.Severity],
			strings.Join(d.Sources, ", "), strings.Join(slices.Concat(d.Tactics, d.Techniques), " "), strings.Join(d.GroupBy, "`, `"))
	}
	return b.String()
}
