package engine

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// barred are the builtins that Profile leaves out: those whose answer is not a
// function of the input, and those whose cost the size of the input does not
// bound.
var barred = []string{
	"http.send", "net.lookup_ip_addr", "opa.runtime", "rand.intn", "time.now_ns", "uuid.rfc4122",
	"io.jwt.encode_sign", "io.jwt.encode_sign_raw", "io.jwt.decode_verify",
	"graph.reachable_paths", "net.cidr_expand", "strings.render_template", "regex.globs_match",
	"regex.template_match", "crypto.parse_private_keys", "providers.aws.sign_req", "rego.parse_module", "trace",
}

// Profile returns the capabilities riposte-v1: those of this version of OPA
// without network, clock, chance, and builtins whose cost is not bounded by
// their arguments. Time comes in the input. The caller may change the result.
func Profile() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return slices.Contains(barred, b.Name) || b.Nondeterministic ||
			strings.HasPrefix(b.Name, "crypto.x509.") || strings.HasPrefix(b.Name, "graphql.")
	})
	c.AllowNet = []string{}
	return c
}
