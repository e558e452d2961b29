package decide_test

import (
	"io/fs"
	"path/filepath"
	"slices"
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

// TestEveryShippedRuleHasARoute keeps the routes and the shipped rules together: a rule that
// the routes do not name is routed by its techniques, which is for rules of users.
func TestEveryShippedRuleHasARoute(t *testing.T) {
	t.Parallel()
	var doc struct {
		Routes struct {
			Rules map[string]string `json:"rules"`
			Order []string          `json:"order"`
		} `json:"routes"`
	}
	raw, err := fs.ReadFile(playbooks.FS, "data.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := util.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	shipped := map[string]bool{}
	for _, pattern := range []string{"detections/*.rego", "correlations/*.yml"} {
		paths, err := filepath.Glob(filepath.Join("..", "..", "policies", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			name := strings.TrimSuffix(filepath.Base(p), filepath.Ext(p))
			if !strings.HasSuffix(name, "_test") && !strings.HasPrefix(name, "lib_") {
				shipped[name] = true
			}
		}
	}
	for name := range shipped {
		if doc.Routes.Rules[name] == "" {
			t.Errorf("rule %s has no route in policies/decide/data.json", name)
		}
	}
	for rule, playbook := range doc.Routes.Rules {
		if !shipped[rule] {
			t.Errorf("the routes name the rule %s, which is not shipped", rule)
		}
		if playbook != "triage" && !slices.Contains(doc.Routes.Order, playbook) {
			t.Errorf("the route of %s leads to %s, which has no place in the order", rule, playbook)
		}
	}
}
