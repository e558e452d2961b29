package engine

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/test/cases/testdata"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/types"
	"github.com/open-policy-agent/opa/v1/util"
	"go.yaml.in/yaml/v3"
)

//go:embed testdata/exceptions.yaml
var exceptionFile embed.FS

// maxExceptions is how many conformance cases may be excused. Both are on the
// exception list of OPA's own wasm backend too.
const maxExceptions = 2

func exceptions(t *testing.T) map[string]string {
	t.Helper()
	text, err := exceptionFile.ReadFile("testdata/exceptions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	if err := yaml.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	for name, reason := range out {
		if len(reason) < 20 {
			t.Errorf("exception %q has no reason", name)
		}
	}
	if len(out) > maxExceptions {
		t.Fatalf("%d exceptions, at most %d are allowed", len(out), maxExceptions)
	}
	return out
}

// The cases of OPA 1.22. A new version brings more: change the numbers then.
const (
	casesV1 = 2400
	casesV0 = 2027
)

func loadCases(t *testing.T, fsys fs.FS, want int) []cases.TestCase {
	t.Helper()
	var all []cases.TestCase
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		text, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		var set cases.Set
		if err := util.Unmarshal(text, &set); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, set.Cases...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != want {
		t.Fatalf("%d conformance cases, want %d", len(all), want)
	}
	return all
}

// countedTarget is Target, for the test that all statements of plans are met.
const countedTarget = "riposte-counted"

// planned are the names of the statements that countedTarget saw.
var planned sync.Map

type counted struct{ plugin }

func (counted) IsTarget(name string) bool { return name == countedTarget }

func (c counted) PrepareForEval(ctx context.Context, pol *ir.Policy, opts ...rego.PrepareOption) (rego.TargetPluginEval, error) {
	if err := ir.Walk(c, pol); err != nil {
		return nil, err
	}
	return c.plugin.PrepareForEval(ctx, pol, opts...)
}

func (counted) Before(any) {}
func (counted) After(any)  {}
func (c counted) Visit(x any) (ir.Visitor, error) {
	if _, ok := x.(ir.Stmt); ok {
		planned.Store(strings.TrimPrefix(fmt.Sprintf("%T", x), "*ir."), true)
	}
	return c, nil
}

// statements lists the statements that plans can have, read off OPA's source.
func statements(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(sourceOf(ir.Pretty)), "ir.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^type (\w+Stmt) struct`).FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	if len(out) != 34 {
		t.Fatalf("%d statements, want 34: %v", len(out), out)
	}
	return out
}

func TestMain(m *testing.M) {
	Register()
	rego.RegisterPlugin(countedTarget, counted{})
	rego.RegisterBuiltin1(&rego.Function{
		Name: "test.sleep",
		Decl: types.NewFunction(types.Args(types.S), types.NewNull()),
	}, func(rego.BuiltinContext, *ast.Term) (*ast.Term, error) { return ast.NullTerm(), nil })
	os.Exit(m.Run())
}

func TestConformanceWithRegoV1(t *testing.T) {
	runConformance(t, loadCases(t, testdata.V1, casesV1), ast.RegoV1)
	for _, name := range statements(t) {
		if _, ok := planned.Load(name); !ok && name != "NopStmt" { // which OPA's planner never writes
			t.Errorf("no case has a %s", name)
		}
	}
}

func TestConformanceWithRegoV0(t *testing.T) {
	// Only the v1 cases are embedded in OPA's module; the others lie beside them. Built
	// with -trimpath, this test cannot find them, and fails.
	dir := filepath.Join(filepath.Dir(sourceOf(cases.Load)), "testdata", "v0")
	runConformance(t, loadCases(t, os.DirFS(dir), casesV0), ast.RegoV0)
}

// sourceOf returns the file that has the function fn.
func sourceOf(fn any) string {
	file, _ := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()).FileLine(0)
	return file
}

// runConformance runs each case or, if it is excused, skips it: no other is left out.
func runConformance(t *testing.T, all []cases.TestCase, version ast.RegoVersion) {
	t.Helper()
	excused := exceptions(t)
	var ran atomic.Int64
	t.Run("cases", func(t *testing.T) { runCases(t, all, excused, version, &ran) })
	skipped := 0
	for _, tc := range all {
		if excused[tc.Note] != "" {
			skipped++
		}
	}
	if skipped > maxExceptions || int(ran.Load()) != len(all)-skipped {
		t.Errorf("%d of %d cases ran to their end, %d are excused", ran.Load(), len(all), skipped)
	}
}

func runCases(t *testing.T, all []cases.TestCase, excused map[string]string, version ast.RegoVersion, ran *atomic.Int64) {
	t.Helper()
	for _, tc := range all {
		if tc.Env != nil {
			t.Run(tc.Note, func(t *testing.T) {
				for k, v := range tc.Env {
					t.Setenv(k, v)
				}
				checkCase(t, tc, version)
				ran.Add(1)
			})
			continue
		}
		t.Run(tc.Note, func(t *testing.T) {
			t.Parallel()
			if reason, ok := excused[tc.Note]; ok {
				t.Skip(reason)
			}
			checkCase(t, tc, version)
			ran.Add(1)
		})
	}
}

// checkCase holds the engine to what the case wants, and in the other strictness
// to what topdown answers.
func checkCase(t *testing.T, tc cases.TestCase, version ast.RegoVersion) {
	t.Helper()
	got, err := evalCase(t, tc, version, countedTarget, tc.StrictError)
	switch {
	case tc.WantError != nil || tc.WantErrorCode != nil:
		checkWantedError(t, tc, err)
	case err != nil:
		t.Fatalf("unexpected error: %v", err)
	case tc.WantResult != nil:
		if want := wantedResult(t, tc); want.Compare(got) != 0 {
			t.Fatalf("got %v, want %v", got, want)
		}
	default:
		t.Fatal("case wants nothing")
	}
	got, err = evalCase(t, tc, version, Target, !tc.StrictError)
	want, wantErr := evalCase(t, tc, version, "rego", !tc.StrictError)
	if codeOf(err) != codeOf(wantErr) {
		t.Fatalf("strict=%v: got error %v, want %v", !tc.StrictError, err, wantErr)
	}
	if err == nil && !deterministic(tc) {
		return
	}
	if err == nil && want.Compare(got) != 0 {
		t.Fatalf("strict=%v: got %v, topdown says %v", !tc.StrictError, got, want)
	}
}

// deterministic reports whether two evaluations of tc must agree.
func deterministic(tc cases.TestCase) bool {
	for _, m := range tc.Modules {
		for _, b := range []string{"rand.", "uuid.", "time.now_ns", "io.jwt.encode", "opa.runtime"} {
			if strings.Contains(m, b) {
				return false
			}
		}
	}
	return true
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*topdown.Error](err); ok {
		return e.Code
	}
	return "other: " + err.Error()
}

func checkWantedError(t *testing.T, tc cases.TestCase, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	if tc.WantErrorCode != nil && codeOf(err) != *tc.WantErrorCode {
		t.Fatalf("got error %v, want code %q", err, *tc.WantErrorCode)
	}
	if tc.WantError != nil && !strings.Contains(err.Error(), *tc.WantError) {
		t.Fatalf("got error %q, want %q in it", err, *tc.WantError)
	}
}

func wantedResult(t *testing.T, tc cases.TestCase) ast.Set {
	t.Helper()
	want := ast.NewSet()
	for _, b := range *tc.WantResult {
		want.Add(ast.NewTerm(ast.MustInterfaceToValue(b)))
	}
	return want
}

func evalCase(t *testing.T, tc cases.TestCase, version ast.RegoVersion, target string, strict bool) (ast.Set, error) {
	t.Helper()
	modules := map[string]string{}
	for i, m := range tc.Modules {
		modules[fmt.Sprintf("test-%d.rego", i)] = m
	}
	// Compiled here and not by rego.New, which would refuse the cases in which
	// rules and data meet at one path.
	popts := ast.ParserOptions{RegoVersion: version}
	popts.Capabilities = ast.CapabilitiesForThisVersion(ast.CapabilitiesExperimentalKeywords(tc.ExperimentalKeywords))
	compiler, err := ast.CompileModulesWithOpt(modules, ast.CompileOpts{ParserOptions: popts})
	if err != nil {
		t.Fatal(err)
	}
	opts := []func(*rego.Rego){
		rego.Query(tc.Query), rego.SetRegoVersion(version), rego.Target(target), rego.StrictBuiltinErrors(strict),
		rego.Compiler(compiler),
	}
	if tc.Data != nil {
		opts = append(opts, rego.Store(inmem.NewFromObject(*tc.Data)))
	}
	switch {
	case tc.InputTerm != nil:
		opts = append(opts, rego.ParsedInput(ast.MustParseTerm(*tc.InputTerm).Value))
	case tc.Input != nil:
		opts = append(opts, rego.Input(*tc.Input))
	}
	rs, err := rego.New(opts...).Eval(context.Background())
	if err != nil {
		return nil, err
	}
	return bindings(tc, rs), nil
}

func bindings(tc cases.TestCase, rs rego.ResultSet) ast.Set {
	out := ast.NewSet()
	for _, r := range rs {
		obj := ast.NewObject()
		for name, v := range r.Bindings {
			if list, ok := v.([]any); ok && tc.SortBindings {
				slices.SortFunc(list, util.Compare)
			}
			if tc.IgnoreGeneratedVars && strings.HasPrefix(name, "__localq") {
				continue
			}
			obj.Insert(ast.StringTerm(name), ast.NewTerm(ast.MustInterfaceToValue(v)))
		}
		out.Add(ast.NewTerm(obj))
	}
	return out
}

// resultSet is what a query that binds x to doc returns.
func resultSet(doc any) rego.ResultSet {
	return rego.ResultSet{rego.Result{Bindings: rego.Vars{"x": doc}}}
}
