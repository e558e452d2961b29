package engine

import (
	"fmt"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestTheReportNamesWhatTheRulesCost(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, Config{
		Modules: map[string]string{"r.rego": `package r

finding contains 1 if input.code == "a"

finding contains 2 if startswith(input.cmd, "b")

finding contains 3 if input.net.port > 1024

finding contains 4 if input.code in {"c", "d"}

busy if {
	some x in input.list
	x.size > 3
}

stamp := time.now_ns() if input.user.name

encoded := base64.encode(input.cmd)

t[k].v := 1 if some k in ["x"]

t.y.w := data.r.t.x.v
`},
		Entrypoints: []string{"r/finding", "r/busy", "r/stamp", "r/encoded", "r/t"}, Capabilities: ast.CapabilitiesForThisVersion(),
	})
	r := p.Report()
	f := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	f("rules", r.Rules, []string{"data.r.busy", "data.r.encoded", "data.r.finding", "data.r.stamp", "data.r.t.y.w", "data.r.t[k].v"})
	f("guarded and indexed", []int{r.Guarded, r.Indexed}, []int{4, 4})
	f("unguarded", r.Unguarded, []string{"data.r.busy", "data.r.encoded", "data.r.stamp"})
	f("native", r.Native, []string{"gt", "internal.member_2", "startswith"})
	f("foreign", r.Foreign, []string{"base64.encode", "time.now_ns"})
	f("nondeterministic", r.Nondeterministic, []string{"time.now_ns"})
	f("fields", r.Fields, []string{"input.cmd", "input.code", "input.list", "input.net.port", "input.user.name"})
	if len(r.Fallback) != 1 || r.Fallback["r/t"] == nil {
		t.Errorf("fallback: %v", r.Fallback)
	}
}
