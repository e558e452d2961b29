package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// detections are rules with each kind of guard, of which some are not to be
// skipped.
var detections = map[string]string{
	"eq":       `match if input.class == 1`,
	"in":       `match if input.class in {1, 2.0, "x", null}`,
	"two":      "match if input.class == 1\n\nmatch if input.port > 1000",
	"contains": `match if contains(input.cmd, "mimi")`,
	"lower":    `match if contains(lower(input.cmd), "katz")`,
	"prefix":   `match if startswith(input.cmd, "C:")`,
	"suffix":   `match if endswith(lower(input.cmd), ".exe")`,
	"regex":    `match if regex.match("(?i)mimi[a-z]+z", input.cmd)`,
	"regex2":   `match if regex.match("a+b|c", input.cmd)`,
	"cidr":     `match if net.cidr_contains("10.0.0.0/8", input.ip)`,
	"order":    "match if {\n\tinput.port >= 80\n\tinput.port < 1000\n}",
	"lookup":   `match if data.iocs[input.ip]`,
	"default":  "default match := true\n\nmatch := false if input.class == 1",
	"refuse":   "default match := false\n\nmatch if input.class == 2",
	"not":      `match if not input.class == 1`,
	"else":     "match := 7 if input.class == 1 else := 8 if input.port == 1",
	"some":     "match if {\n\tsome x in input.list\n\tx == 1\n}",
	"flag":     `match if input.flag`,
	"conflict": "match := 1 if input.class == 9\n\nmatch := 2 if input.port == 9",
	"types":    `match if input.port > "a"`,
}

func detectionProgram(tb testing.TB, off Feature) *Program {
	tb.Helper()
	cfg := Config{Modules: map[string]string{}, Data: []byte(`{"iocs": {"10.1.1.1": true, "x": false}}`), Without: off}
	for name, body := range detections {
		cfg.Modules[name+".rego"] = "package d." + name + "\n\n" + body + "\n"
		cfg.Entrypoints = append(cfg.Entrypoints, "d/"+name+"/match")
	}
	slices.Sort(cfg.Entrypoints)
	return mustLoad(tb, cfg)
}

var detectionEvents = []string{
	`{}`, `null`, `{"class": 1}`, `{"class": 1.0}`, `{"class": 2}`, `{"class": "x"}`, `{"class": null}`, `{"class": {"a": 1}}`,
	`{"port": 80}`, `{"port": 999.5}`, `{"port": 1000}`, `{"port": 1001}`, `{"port": "80"}`, `{"port": "b"}`, `{"port": null}`,
	`{"cmd": "C:\\mimikatz.exe"}`, `{"cmd": "MIMIKATZ.EXE"}`, `{"cmd": "ab"}`, `{"cmd": 5}`, `{"cmd": "K\u0130mi mimi\u017f"}`, `{"cmd": ["mimi"]}`,
	`{"ip": "10.1.1.1"}`, `{"ip": "11.1.1.1"}`, `{"ip": "10.0.0.0/9"}`, `{"ip": "::ffff:10.1.1.1"}`, `{"ip": "x"}`, `{"ip": 7}`,
	`{"list": [1], "flag": false}`, `{"list": {"a": 1}, "flag": 0}`, `{"class": 9, "port": 9}`, `{"class": 9}`, `{"class":1,"class":2}`,
}

func TestMatchFindsWhatTopdownFindsRuleByRule(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]Feature{"all on": 0, "no index": FeatureIndex, "all off": allOff} {
		p := detectionProgram(t, off)
		m := p.NewMachine()
		var hits []Hit
		for _, event := range detectionEvents {
			var err error
			if hits, err = m.Match(t.Context(), JSON([]byte(event)), hits[:0]); err != nil {
				t.Fatalf("%s: %s: %v", name, event, err)
			}
			got := describeHits(p, hits)
			want := describeTopdown(t, p, ast.MustParseTerm(event).Value)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s:\n got %v\nwant %v", name, event, got, want)
			}
		}
	}
}

const allOff = FeatureIndex | FeatureFolding | FeatureMemo | FeaturePruning | FeatureNatives

func describeHits(p *Program, hits []Hit) []string {
	var out []string
	for _, h := range hits {
		if h.Err != nil {
			out = append(out, p.Name(h.Entry)+" error "+codeOf(h.Err))
			continue
		}
		out = append(out, fmt.Sprint(p.Name(h.Entry), " ", h.Value.AST()))
	}
	return out
}

func describeTopdown(t *testing.T, p *Program, in ast.Value) []string {
	t.Helper()
	var out []string
	for e := range Entry(p.Entrypoints()) {
		v, err := p.Topdown(t.Context(), e, in)
		switch {
		case topdown.IsError(err):
			out = append(out, p.Name(e)+" error "+codeOf(err))
		case err != nil:
			t.Fatal(err)
		case v != nil && ast.Compare(v, ast.Boolean(false)) != 0:
			out = append(out, fmt.Sprint(p.Name(e), " ", v))
		}
	}
	return out
}
