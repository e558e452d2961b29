package decide_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/util"

	playbooks "github.com/riposte-sec/riposte/policies/decide"
	guardrules "github.com/riposte-sec/riposte/policies/guard"
)

func TestPoliciesPassTheirOwnTests(t *testing.T) {
	t.Parallel()
	f := func(name string, files fs.FS, atLeast int) {
		t.Helper()
		modules, data := map[string]*ast.Module{}, map[string]any{}
		paths, _ := fs.Glob(files, "*.rego")
		for _, p := range paths {
			src, err := fs.ReadFile(files, p)
			if err != nil {
				t.Fatal(err)
			}
			if modules[p], err = ast.ParseModuleWithOpts(p, string(src), ast.ParserOptions{ProcessAnnotation: true}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		raw, err := fs.ReadFile(files, "data.json")
		if err != nil {
			t.Fatal(err)
		}
		if err := util.Unmarshal(raw, &data); err != nil {
			t.Fatalf("%s: data.json: %v", name, err)
		}
		results, err := tester.NewRunner().SetModules(modules).SetStore(inmem.NewFromObject(data)).
			CapturePrintOutput(true).RunTests(t.Context(), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ran := 0
		for r := range results {
			ran++
			if !r.Pass() {
				t.Errorf("%s: %s: %s fail=%v error=%v\n%s", name, r.Location, r.Name, r.Fail, r.Error, strings.TrimSpace(string(r.Output)))
			}
		}
		if ran < atLeast {
			t.Errorf("%s: %d tests ran, want at least %d", name, ran, atLeast)
		}
	}
	f("guard", guardrules.FS, 20)
	f("decide", playbooks.FS, 20)
}
