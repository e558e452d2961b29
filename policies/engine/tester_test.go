package engine

import (
	"context"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

const testedPolicy = `package shop
import rego.v1

default allowed := false
allowed if input.user in data.admins
allowed if startswith(input.path, "/public/")
`

const testSuite = `package shop_test
import rego.v1
import data.shop

test_admin if shop.allowed with input as {"user": "ann", "path": "/x"} with data.admins as ["ann"]
test_public if shop.allowed with input as {"user": "bob", "path": "/public/x"}
test_refused if not shop.allowed with input as {"user": "bob", "path": "/x"}
test_store if shop.allowed with input as {"user": "eve", "path": "/x"}
test_wrong if shop.allowed with input as {"user": "bob", "path": "/x"}
todo_test_later if false
`

func TestOPATestSuitesRunOnTheEngineAsOnTopdown(t *testing.T) {
	t.Parallel()
	want := runSuite(t, "rego")
	got := runSuite(t, Target)
	if len(want) != 6 {
		t.Fatalf("topdown ran %d tests, want 6: %v", len(want), want)
	}
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s: got %s, topdown says %s", name, got[name], w)
		}
	}
}

func runSuite(t *testing.T, target string) map[string]string {
	t.Helper()
	ctx := context.Background()
	store := inmem.NewFromObject(map[string]any{"admins": []any{"eve"}})
	txn := storage.NewTransactionOrDie(ctx, store)
	defer store.Abort(ctx, txn)
	modules := map[string]*ast.Module{
		"shop.rego":      ast.MustParseModule(testedPolicy),
		"shop_test.rego": ast.MustParseModule(testSuite),
	}
	ch, err := tester.NewRunner().SetStore(store).SetModules(modules).Target(target).RunTests(ctx, txn)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := range ch {
		switch {
		case r.Error != nil:
			out[r.Name] = "error: " + r.Error.Error()
		case r.Skip:
			out[r.Name] = "skip"
		case r.Fail:
			out[r.Name] = "fail"
		default:
			out[r.Name] = "pass"
		}
	}
	return out
}
