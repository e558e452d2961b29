package engine

import (
	"strings"
	"testing"
)

// forbidden are calls that no policy may make, by why.
var forbidden = map[string][]string{
	"reaches outside": {
		`http.send({"method": "get", "url": "http://x"})`, `net.lookup_ip_addr("x")`, "opa.runtime()",
		`json.match_schema({}, {"$ref": "http://x"})`, `json.verify_schema({"$ref": "http://x"})`,
	},
	"differs from run to run": {"time.now_ns()", `rand.intn("x", 5)`, `uuid.rfc4122("x")`, `io.jwt.encode_sign({}, {}, {})`, `io.jwt.decode_verify("x", {})`},
	"has no bound on its cost": {
		`numbers.range(1, 5)`, `numbers.range_step(1, 5, 2)`, `bits.lsh(1, 5)`, `product([1, 2])`, `graph.reachable_paths({}, [])`, `net.cidr_expand("10.0.0.0/8")`, `regex.globs_match("a*", "b*")`,
		`regex.template_match("a{b}", "x", "{", "}")`, `strings.render_template("{{.}}", {})`,
	},
	"parses what no event has": {`rego.parse_module("x", "package x")`, `crypto.x509.parse_certificates("x")`, `graphql.parse_query("x")`, `crypto.parse_private_keys("x")`},
}

func TestTheProfileRefusesWhatNoPolicyMayCall(t *testing.T) {
	t.Parallel()
	for why, calls := range forbidden {
		for _, call := range calls {
			_, err := Load(t.Context(), Config{Modules: map[string]string{"p.rego": "package p\n\nx := " + call + "\n"}, Entrypoints: []string{"p/x"}})
			if err == nil || !strings.Contains(err.Error(), "undefined function") {
				t.Errorf("%s %s: got %v, want it undefined", call, why, err)
			}
		}
	}
}

// A builtin that a new version of OPA brings must not become part of the profile
// unseen: it may reach outside.
func TestTheProfileGrowsByDecisionOnly(t *testing.T) {
	t.Parallel()
	p := Profile()
	if len(p.Builtins) != 171 {
		t.Errorf("%d builtins: look at what is new, bar it or change this number", len(p.Builtins))
	}
	if p.AllowNet == nil || len(p.AllowNet) != 0 {
		t.Errorf("AllowNet %v: want none, nil allows all", p.AllowNet)
	}
}
