package match

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// banned are the built-in functions that a detection cannot call: those that reach the
// outside, read a clock or roll dice (the same events must match in every run), and those
// that take time without bound.
var banned = []string{
	"http.send", "net.lookup_ip_addr", "opa.runtime", "rego.parse_module", "graph.reachable_paths",
	"rand.intn", "uuid.rfc4122", "time.now_ns", "trace", "print",
}

// Capabilities returns what a detection may use: OPA's capabilities without the functions
// that would make its answer depend on anything but the event.
func Capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return slices.Contains(banned, b.Name) })
	c.AllowNet = []string{}
	return c
}
