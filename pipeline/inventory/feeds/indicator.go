package feeds

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
)

// The reasons why a value makes no indicator.
const (
	skipNoForm   = "no_canonical_form" // the value is not what it claims to be
	skipSpecial  = "not_public"        // private, loopback, link-local, multicast: it would hit one's own network
	skipWide     = "too_wide"          // a network wider than /8 or, of IPv6, /19
	skipSuffix   = "public_suffix"     // com, co.uk: half of the world
	skipType     = "type_not_used"     // nothing that events can be compared with
	skipPattern  = "pattern_not_simple"
	skipRevoked  = "revoked"
	skipNotToIDs = "not_for_detection" // the source says so
	skipNoAsset  = "no_asset"
	skipNoID     = "no_id"
)

// Widest networks that an indicator may be for. The largest ones ever given to one holder
// are a /8 and a /19.
const (
	widest4 = 8
	widest6 = 19
)

// indicator adds an indicator for value. kind is ip, domain, url, hash or mail; an ip with a
// prefix length is a network. base holds the rest.
func (p *parser) indicator(kind, value, where string, base pipeline.Indicator) error {
	base.Kind, base.Value = kind, value
	if reason := p.judge(&base); reason != "" {
		p.skip(reason, where, value)
		return nil
	}
	if base.Confidence == 0 {
		base.Confidence = p.opt.Confidence
	}
	base.Title, base.Ref = clip(base.Title, 256), clip(base.Ref, 256)
	labels := make([]string, 0, len(base.Labels)+len(p.opt.Labels))
	for _, l := range slices.Concat(base.Labels, p.opt.Labels) {
		if l = clip(l, 64); l != "" && !slices.Contains(labels, l) && len(labels) < 16 {
			labels = append(labels, l)
		}
	}
	base.Labels = labels
	return p.add(inventory.Item{Indicator: &base})
}

// judge brings the value into canonical form, or says why it is not used.
func (p *parser) judge(i *pipeline.Indicator) (reason string) {
	value := strings.TrimSpace(i.Value)
	if i.Kind == "ip" && strings.Contains(value, "/") {
		return judgeNetwork(i, value)
	}
	form, ok := p.canon.Entity(pipeline.EntityKindOf(i.Kind), value)
	if !ok {
		return skipNoForm
	}
	i.Value = form
	switch i.Kind {
	case "ip":
		if special(netip.MustParseAddr(form)) {
			return skipSpecial
		}
	case "domain":
		if !strings.Contains(form, ".") {
			return skipNoForm
		}
		if suffix, icann := publicsuffix.PublicSuffix(form); icann && suffix == form {
			return skipSuffix
		}
	}
	return ""
}

func judgeNetwork(i *pipeline.Indicator, value string) string {
	net, err := netip.ParsePrefix(value)
	if err != nil {
		return skipNoForm
	}
	if net = net.Masked(); net.Addr().Is4In6() {
		return skipNoForm
	}
	if special(net.Addr()) {
		return skipSpecial
	}
	if net.Bits() == net.Addr().BitLen() {
		i.Value = net.Addr().String()
		return ""
	}
	if net.Addr().Is4() && net.Bits() < widest4 || net.Addr().Is6() && net.Bits() < widest6 {
		return skipWide
	}
	i.Kind, i.Value = pipeline.KindNetwork, net.String()
	return ""
}

// shared is the address space between carriers and their customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func special(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() ||
		shared.Contains(a) || a.Is4() && a.As4()[0] >= 240
}

// kindOf tells what a value of a list looks like, "" if like nothing.
func kindOf(value string) string {
	switch {
	case strings.Contains(value, "://"):
		return "url"
	case strings.Contains(value, "@"):
		return "mail"
	}
	if _, err := netip.ParseAddr(value); err == nil {
		return "ip"
	}
	if _, err := netip.ParsePrefix(value); err == nil {
		return "ip"
	}
	if hexadecimal(value) {
		return "hash"
	}
	if strings.Contains(value, ".") && !strings.ContainsAny(value, " \t/:") {
		return "domain"
	}
	return ""
}

func hexadecimal(s string) bool {
	switch len(s) {
	case 32, 40, 56, 64, 96, 128:
	default:
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'f')
	})
}
