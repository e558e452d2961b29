package match

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
)

// something is a context with an asset that is also an identity and an indicator.
func something(tb testing.TB) pipeline.Context {
	tb.Helper()
	b := inventory.NewBuilder()
	b.CaughtUp()
	for source, items := range map[string][]inventory.Item{
		"a": {
			{Asset: &pipeline.Asset{Kind: "host", Value: "dc-01.corp.example", IPs: []string{"10.20.1.1"}, Criticality: "crown", Class: "domain_controller"}},
			{Identity: &pipeline.Identity{Kind: "user", Value: "anna.berg", Privileged: true}},
			{Finding: &pipeline.Finding{Kind: "ip", Value: "10.20.1.1", ID: "CVE-2017-0144", Severity: 5}},
			{Exploited: &pipeline.Exploited{ID: "CVE-2017-0144"}},
			{Indicator: &pipeline.Indicator{Kind: "network", Value: "203.0.113.0/24", Confidence: 80, Labels: []string{"c2", "tor"}}},
		},
		"b": {{Indicator: &pipeline.Indicator{Kind: "ip", Value: "203.0.113.17", Confidence: 40}}},
	} {
		p, err := b.Plan(inventory.Load{Tenant: "acme", Source: source, AsOf: 1}, items)
		if err != nil {
			tb.Fatal(err)
		}
		if err := p.Records(b.Apply); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Current()
}

func flow() *pipeline.Event {
	return &pipeline.Event{Tenant: "acme", Source: "zeek", Class: pipeline.ClassNetworkActivity, At: 1000, Entities: []pipeline.Entity{
		{Kind: pipeline.EntityHost, Value: "dc-01.corp.example", Role: "device"},
		{Kind: pipeline.EntityIP, Value: "203.0.113.17", Role: "dst"},
		{Kind: pipeline.EntityIP, Value: "10.20.1.1", Role: "src"},
		{Kind: pipeline.EntityUser, Value: "anna.berg", Role: "user", Content: true},
	}}
}

func TestWhatIsKnownIsJoinedToTheEvent(t *testing.T) {
	t.Parallel()
	f := func(name string, u uses, want string) {
		t.Helper()
		j := joiner{uses: u}
		e := flow()
		var doc struct{ Context json.RawMessage }
		got := j.join(e.AppendJSON(nil), something(t), e)
		if err := json.Unmarshal(got, &doc); err != nil {
			t.Fatalf("%s: %v: %s", name, err, got)
		}
		if string(doc.Context) != want {
			t.Errorf("%s: got\n%s, want\n%s", name, doc.Context, want)
		}
	}
	f("indicators", uses{indicators: true}, `{"indicators":[`+
		`{"entity":"ip","value":"203.0.113.17","role":"dst","content":false,"indicator":"203.0.113.0/24","kind":"network","confidence":80,"source":"a","labels":["c2","tor"]},`+
		`{"entity":"ip","value":"203.0.113.17","role":"dst","content":false,"indicator":"203.0.113.17","kind":"ip","confidence":40,"source":"b"}]}`)
	f("the rest", uses{assets: true, identities: true, vulnerabilities: true}, `{"assets":[`+
		`{"entity":"host","value":"dc-01.corp.example","role":"device","criticality":"crown","class":"domain_controller"},`+
		`{"entity":"ip","value":"10.20.1.1","role":"src","criticality":"crown","class":"domain_controller"}],`+
		`"identities":[{"entity":"user","value":"anna.berg","role":"user","privileged":true,"vip":false,"service":false}],`+
		`"vulnerabilities":[{"entity":"host","value":"dc-01.corp.example","role":"device","open":1,"critical":1,"exploited":1,"ids":["CVE-2017-0144"]},`+
		`{"entity":"ip","value":"10.20.1.1","role":"src","open":1,"critical":1,"exploited":1,"ids":["CVE-2017-0144"]}]}`)
	f("nothing", uses{}, "")
}

func TestEventOfAStrangerStaysAsItIs(t *testing.T) {
	t.Parallel()
	j := joiner{uses: uses{true, true, true, true}}
	e := flow()
	e.Tenant = "other"
	plain := e.AppendJSON(nil)
	if got := j.join(e.AppendJSON(nil), something(t), e); string(got) != string(plain) {
		t.Errorf("got %s, want %s", got, plain)
	}
}

func TestOnlyWhatRulesReadIsLookedUp(t *testing.T) {
	t.Parallel()
	f := func(rule string, want uses) {
		t.Helper()
		m := ast.MustParseModuleWithOpts("package riposte.detect.x\n"+rule, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if got := usesOf(map[string]*ast.Module{"x": m}); got != want {
			t.Errorf("%s: got %+v, want %+v", rule, got, want)
		}
	}
	all := uses{true, true, true, true}
	f(`match if input.class_uid == 4001`, uses{})
	f(`match if input.a[input.b]`, uses{})
	f(`match if some i in input.context.indicators`, uses{indicators: true})
	f(`match if input.context.indicators[_].confidence > 5`, uses{indicators: true})
	f(`match if input.a[input.context.assets[0].class]`, uses{assets: true})
	f(`match if some x in input["context"].identities`, uses{identities: true})
	f(`match if count(input.context.vulnerabilities) > 0`, uses{vulnerabilities: true})
	f(`match if input.context`, all)
	f("match if {\n\tsome k\n\tinput.context[k]\n}", all)
	f("match if {\n\tsome k\n\tinput[k].x\n}", all)
	f(`match if object.get(input, ["context"], 0)`, all)
	f("import input.context as c\nmatch if c.assets", all)
}

func TestShippedRulesReadTheListsThatTheyName(t *testing.T) {
	t.Parallel()
	if got := usesOf(loadShipped(t).modules); got != (uses{identities: true, indicators: true, vulnerabilities: true}) {
		t.Errorf("got %+v: assets are looked up for no rule", got)
	}
}

func TestJoinAllocatesNothing(t *testing.T) {
	j, c, e := joiner{uses: uses{true, true, true, true}}, something(t), flow()
	var buf []byte
	if n := testing.AllocsPerRun(100, func() { buf = j.join(e.AppendJSON(buf[:0]), c, e) }); n != 0 {
		t.Errorf("%g allocations per event, want none", n)
	}
}

func TestCorrelationsLearnOfTheEntitiesThatTheyGroupBy(t *testing.T) {
	t.Parallel()
	var j joiner
	f := func(path string, want string, group ...string) {
		t.Helper()
		if got, ok := j.knownOf(something(t), flow(), path, group); got != want || ok != (want != "") {
			t.Errorf("%s of %v: %q, want %q", path, group, got, want)
		}
	}
	f(pathCriticality, "crown", "dc-01.corp.example")
	f(pathCriticality, "crown", "host:dc-01.corp.example")
	f(pathCriticality, "", "203.0.113.17")
	f(pathPrivileged, "true", "anna.berg")
	f(pathPrivileged, "", "dc-01.corp.example")
	if _, ok := j.knownOf(nil, flow(), pathPrivileged, []string{"anna.berg"}); ok {
		t.Error("something is known without a context")
	}
}

// BenchmarkJoin is the cost of the join beside that of the event's JSON form, which every
// event has: for events of strangers, for ones of which all is known, and with no context.
func BenchmarkJoin(b *testing.B) {
	c := something(b)
	for _, tenant := range []string{"none", "other", "acme"} {
		b.Run(fmt.Sprintf("tenant=%s", tenant), func(b *testing.B) {
			b.ReportAllocs()
			j, e := joiner{uses: uses{true, true, true, true}}, flow()
			e.Tenant = tenant
			var buf []byte
			for b.Loop() {
				buf = e.AppendJSON(buf[:0])
				if tenant != "none" {
					buf = j.join(buf, c, e)
				}
			}
		})
	}
}
