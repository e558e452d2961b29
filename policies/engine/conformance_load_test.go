package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/test/cases/testdata"
)

// documentQuery matches the queries that ask for one document.
var documentQuery = regexp.MustCompile(`^data((?:\.\w+)+) = x$`)

// The target knows neither data nor strictness when it compiles, so the cases
// that ask for one document run through Load too, with everything on and off.
func TestConformanceThroughLoad(t *testing.T) {
	excused := exceptions(t)
	var compared atomic.Int64
	t.Run("cases", func(t *testing.T) { loadDocuments(t, excused, &compared) })
	if n := compared.Load(); n != comparedV1 {
		t.Errorf("%d cases compared, want %d", n, comparedV1)
	}
}

// comparedV1 is how many cases of v1 ask for one document of the rules.
const comparedV1 = 2344

func loadDocuments(t *testing.T, excused map[string]string, compared *atomic.Int64) {
	t.Helper()
	for _, tc := range loadCases(t, testdata.V1, casesV1) {
		q := documentQuery.FindStringSubmatch(tc.Query)
		if q == nil || tc.Env != nil || excused[tc.Note] != "" || strings.Contains(tc.Note, "base/virtual: conflicts") {
			continue
		}
		t.Run(tc.Note, func(t *testing.T) {
			t.Parallel()
			for _, off := range []Feature{0, allOff} {
				checkLoaded(t, tc, strings.ReplaceAll(q[1][1:], ".", "/"), off)
			}
			compared.Add(1)
		})
	}
}

func checkLoaded(t *testing.T, tc cases.TestCase, entry string, off Feature) {
	t.Helper()
	cfg := Config{
		Modules: map[string]string{}, Entrypoints: []string{entry}, LaxCompile: true, StrictBuiltinErrors: tc.StrictError,
		Capabilities: ast.CapabilitiesForThisVersion(ast.CapabilitiesExperimentalKeywords(tc.ExperimentalKeywords)), Without: off,
		Limits: Limits{Bytes: 1 << 30}, // one case patches a great many documents
	}
	for i, m := range tc.Modules {
		cfg.Modules[fmt.Sprintf("test-%d.rego", i)] = m
	}
	if tc.Data != nil {
		text, err := json.Marshal(*tc.Data)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Data = text
	}
	p, err := Load(context.Background(), cfg)
	if errors.Is(err, ErrEntry) || (err != nil && strings.Contains(err.Error(), "conflicting rule")) {
		t.Skip("not a document of the rules alone")
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.NewMachine().Eval(t.Context(), 0, caseInput(t, tc))
	if tc.WantError != nil || tc.WantErrorCode != nil {
		checkWantedError(t, tc, err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if why := r.ByTopdown(); why != nil && strings.Contains(why.Error(), "panic") {
		t.Fatalf("the machine gave up: %v", why)
	}
	got := ast.NewSet()
	if r.Defined() {
		doc, err := ast.JSON(r.AST())
		if err != nil {
			t.Fatal(err)
		}
		got = bindings(tc, resultSet(doc))
	}
	if want := wantedResult(t, tc); want.Compare(got) != 0 {
		t.Fatalf("without %b: got %v, want %v", off, got, want)
	}
}

func caseInput(t *testing.T, tc cases.TestCase) Input {
	t.Helper()
	switch {
	case tc.InputTerm != nil:
		return AST(ast.MustParseTerm(*tc.InputTerm).Value)
	case tc.Input != nil:
		text, err := json.Marshal(*tc.Input)
		if err != nil {
			t.Fatal(err)
		}
		return JSON(text)
	}
	return Input{}
}
