package decide

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// protection is what responses must not touch. It looks at the canonical value of a target
// and knows nothing of policies.
type protection struct {
	rules   []protectRule
	private []netip.Prefix // private ranges that may be blocked all the same
}

type protectRule struct {
	level  string // never or ask
	name   string // of the list, for people
	prefix netip.Prefix
	kind   string
	value  string
}

// kindClass is the kind of rules about the class of an asset.
const kindClass = "class"

// hit is a rule that a target matches, as the guard's input shows it.
type hit struct {
	List  string `json:"list"`
	Level string `json:"level"`
}

// builtin are the networks that no block list may ever contain: what IANA's special-purpose
// registries (RFC 6890) list as not reachable from outside, and multicast.
var builtin = []struct{ name, prefix string }{
	{"unspecified", "0.0.0.0/8"},
	{"private", "10.0.0.0/8"},
	{"shared", "100.64.0.0/10"},
	{"loopback", "127.0.0.0/8"},
	{"link-local", "169.254.0.0/16"},
	{"private", "172.16.0.0/12"},
	{"protocol", "192.0.0.0/24"},
	{"private", "192.168.0.0/16"},
	{"multicast", "224.0.0.0/4"},
	{"reserved", "240.0.0.0/4"},
	{"unspecified", "::/128"},
	{"loopback", "::1/128"},
	{"unique-local", "fc00::/7"},
	{"link-local", "fe80::/10"},
	{"multicast", "ff00::/8"},
}

func newProtection(c *Config) (*protection, error) {
	p := &protection{}
	for _, b := range builtin {
		p.rules = append(p.rules, protectRule{level: "never", name: b.name, prefix: netip.MustParsePrefix(b.prefix)})
	}
	for _, text := range c.Private {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("private: %w", err)
		}
		p.private = append(p.private, prefix.Masked())
	}
	if err := p.add("never", c.Never); err != nil {
		return nil, err
	}
	return p, p.add("ask", c.Ask)
}

func (p *protection) add(level string, list []string) error {
	for _, text := range list {
		r, err := parseRule(text)
		if err != nil {
			return fmt.Errorf("%s: %w", level, err)
		}
		r.level, r.name = level, "configured: "+text
		p.rules = append(p.rules, r)
	}
	return nil
}

// parseRule reads an entry of Config.Never or Config.Ask.
func parseRule(text string) (protectRule, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return protectRule{prefix: prefix.Masked()}, nil
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return protectRule{prefix: netip.PrefixFrom(addr, addr.BitLen())}, nil
	}
	kind, value, ok := strings.Cut(text, ":")
	if kind == kindClass && value != "" {
		return protectRule{kind: kind, value: strings.ToLower(value)}, nil
	}
	if !ok || value == "" || pipeline.EntityKindOf(kind) == pipeline.EntityNone {
		return protectRule{}, fmt.Errorf("%q is neither an address, a prefix, <kind>:<value> nor class:<class>", text)
	}
	return protectRule{kind: kind, value: strings.ToLower(value)}, nil
}

// hits returns the rules that target matches, those that deny first. Reading and notifying
// touch nothing. asset is what is known of the target, nil if nothing is.
func (p *protection) hits(effect pipeline.Effect, target pipeline.EntityValue, asset *pipeline.Asset) []hit {
	out := []hit{}
	if !effect.Containing() {
		return out
	}
	addr, err := netip.ParseAddr(target.Value)
	isAddr := err == nil && target.Kind == pipeline.EntityIP.String()
	if !isAddr && target.Kind == pipeline.EntityIP.String() {
		return append(out, hit{"not an address", "never"})
	}
	for _, level := range []string{"never", "ask"} {
		for i := range p.rules {
			r := &p.rules[i]
			if r.level == level && r.matches(target, asset, addr, isAddr) && !p.allowed(r, addr) {
				out = append(out, hit{r.name, level})
			}
		}
	}
	return out
}

func (r *protectRule) matches(target pipeline.EntityValue, asset *pipeline.Asset, addr netip.Addr, isAddr bool) bool {
	if r.kind == kindClass {
		return asset != nil && strings.EqualFold(asset.Class, r.value)
	}
	if r.prefix.IsValid() {
		return isAddr && r.prefix.Contains(addr.Unmap())
	}
	if r.kind != target.Kind {
		return false
	}
	value := strings.ToLower(target.Value)
	return value == r.value || r.kind == pipeline.EntityDomain.String() && strings.HasSuffix(value, "."+r.value)
}

// allowed reports whether the user released addr from the engine's own rule r.
func (p *protection) allowed(r *protectRule, addr netip.Addr) bool {
	if r.name != "private" && r.name != "unique-local" && r.name != "shared" {
		return false
	}
	for _, prefix := range p.private {
		if prefix.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}
