package engine

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// wholeInput returns a machine whose program reads the whole input.
func wholeInput() *Machine {
	t := newFieldTrie()
	t.nodes[rootField].whole = true
	t.close()
	p := &Program{code: &code{fields: t}, limits: Limits{}.withDefaults()}
	return p.NewMachine()
}

// someFields returns a machine whose program reads a.b, a.b.c, k and x.y.z.
func someFields() *Machine {
	t := newFieldTrie()
	a := t.child(rootField, "a")
	b := t.child(a, "b")
	c := t.child(b, "c")
	k := t.child(rootField, "k")
	x := t.child(t.child(t.child(rootField, "x"), "y"), "z")
	t.nodes[a].asked = true
	for _, n := range []int32{b, c, k, x} {
		t.nodes[n].whole = true
	}
	t.close()
	p := &Program{code: &code{fields: t}, limits: Limits{}.withDefaults()}
	return p.NewMachine()
}

func jsonSeeds() []string {
	return []string{
		`{}`, `[]`, `null`, `true`, `"x"`, `1`, `-0`, `1.0`, `1e2`, `0.5E-3`, `12345678901234567890`, ` { "a" : [ 1 , 2 ] } `,
		`{"a":1,"a":2}`, `{"a":{"b":1},"a":{"c":2}}`, `{"a":{"b":{"c":1}},"a":{"b":5}}`, `{"k":"\u0041\n\/\ud83d\ude00\ud800"}`,
		"{\"k\":\"\xff\xfe ok\"}", "{\"\xff\":1,\"\ufffd\":2}", `{"k":"a` + "\x01" + `"}`, `{"k":01}`, `{"k":1.}`, `{"k":.5}`, `{"k":+1}`, `{"k":1e}`,
		`{"a":1}}`, `{"a":1} x`, `{"a":1,}`, `[1,]`, `{"a"}`, `{a:1}`, `{"a":tru}`, `"`, `"\`, `"\u12"`, `"\ud83d\u0041"`, ``, ` `, `{`, `[[[[`,
		`{"x":{"y":{"z":[1,{"q":null}]}},"a":{"b":{"c":"d"}},"k":{}}`, `{"x":{"y":[1,2]},"a":[{"b":1}],"k":[]}`, `{"k":1e400}`, `{"k":1e30000}`, `{"k":1e1000000}`, `{"q":-1E-99999999999999999999}`, `{"k":"é日本"}`,
		`{"longlonglong":"abcdefghijklmnopqrstuvwxyz0123456789\"quoted\"abcdefghijklmnopqrstuvwxyz"}`,
	}
}

func FuzzDecodingMeansWhatOPAMeans(f *testing.F) {
	for _, s := range jsonSeeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var doc any
		wantErr := util.UnmarshalJSON(text, &doc)
		if wantErr == nil {
			_, wantErr = ast.InterfaceToValue(doc)
		}
		m := wholeInput()
		m.begin(t.Context(), 1000)
		err := m.fillJSON(text)
		if (err == nil) != (wantErr == nil) {
			if wantErr == nil && (tooBig(text) || strings.Contains(err.Error(), "number too big")) {
				return
			}
			t.Fatalf("%q: got error %v, want %v", text, err, wantErr)
		}
		pruned := someFields()
		pruned.begin(t.Context(), 1000)
		if err2 := pruned.fillJSON(text); (err2 == nil) != (err == nil) {
			t.Fatalf("%q: pruned decoding says %v, full decoding %v", text, err2, err)
		}
		if err != nil {
			return
		}
		want := ast.MustInterfaceToValue(doc)
		if got := m.slots[rootField].AST(); !sameSpelling(got, want) {
			t.Fatalf("%q: got %v, want %v", text, got, want)
		}
		checkFields(t, pruned, want, text)
	})
}

// checkFields compares the slots with what the value w has at their paths.
func checkFields(t *testing.T, m *Machine, w ast.Value, text []byte) {
	t.Helper()
	check := m.code.fields.list()
	other := someFields()
	other.begin(t.Context(), 1000)
	if err := other.fillAST(rootField, w); err != nil {
		t.Fatal(err)
	}
	for _, f := range check {
		got, want := m.slots[f.ID], other.slots[f.ID]
		if got.Defined() != want.Defined() || (f.Whole && got.Defined() && !sameSpelling(got.AST(), want.AST())) {
			t.Fatalf("%q: field %v: got %v, want %v", text, f.Path, got.AST(), want.AST())
		}
	}
}

// tooBig reports whether text is beyond limits that OPA does not have.
func tooBig(text []byte) bool {
	depth := 0
	for _, c := range text {
		if c == '[' || c == '{' {
			depth++
		}
	}
	return depth > 100
}

func sameSpelling(a, b ast.Value) bool {
	return ast.Compare(a, b) == 0 && a.String() == b.String()
}
