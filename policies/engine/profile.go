package engine

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// barred are the builtins that Profile leaves out, besides those that OPA marks as
// nondeterministic: http.send, net.lookup_ip_addr, opa.runtime, rand.intn,
// time.now_ns, uuid.rfc4122, io.jwt.decode_verify, io.jwt.encode_sign and _raw,
// json.match_schema and json.verify_schema (a schema may name a URL).
var barred = []string{
	// cost that the size of the arguments does not bound
	"bits.lsh", "product", "graph.reachable_paths", "net.cidr_expand", "numbers.range", "numbers.range_step", "regex.globs_match", "regex.template_match", "strings.render_template",
	// parsers of formats that no event needs, and keys
	"crypto.parse_private_keys", "providers.aws.sign_req", "rego.parse_module",
	// speaks to a tracer
	"trace",
}

// Profile returns the capabilities riposte-v1: those of this version of OPA
// without network, clock, chance, and builtins whose cost is not bounded by
// their arguments. Time comes in the input. Detections, playbooks and guard are
// all held to it. The caller may change the result.
func Profile() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return b.Nondeterministic || slices.Contains(barred, b.Name) ||
			strings.HasPrefix(b.Name, "crypto.x509.") || strings.HasPrefix(b.Name, "graphql.")
	})
	c.AllowNet = []string{}
	return c
}
