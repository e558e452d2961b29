package feeds

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
)

// The columns of a table of assets and of one of identities, by what they are; docs/context.md
// names them.
var (
	assetHost     = []string{"host", "hostname", "name", "fqdn", "device", "dnsname"}
	assetIP       = []string{"ip", "ips", "ipaddress", "address", "addresses"}
	assetNetwork  = []string{"network", "cidr", "prefix", "subnet"}
	assetRest     = []string{"criticality", "class", "owner", "exposure"}
	identityUser  = []string{"user", "username", "login", "samaccountname"}
	identityMail  = []string{"mail", "email", "emailaddress", "upn", "userprincipalname"}
	identityKey   = []string{"key", "keys", "accesskey", "accesskeyid"}
	identityCloud = []string{"account", "cloudaccount", "accountid"}
	identityRest  = []string{"name", "displayname", "owner", "manager", "privileged", "admin", "vip", "service"}
)

func looksCSV(head []byte) bool {
	first, _, _ := strings.Cut(string(head), "\n")
	if !strings.ContainsAny(first, separators) {
		return false
	}
	return kindOfTable(headOf(first)) != ""
}

func headOf(line string) []string {
	var out []string
	for _, h := range strings.FieldsFunc(strings.TrimSpace(line), func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		out = append(out, columnName(h))
	}
	return out
}

const (
	kindAssets     = "assets"
	kindIdentities = "identities"
)

// kindOfTable tells what a header is of, "" if of neither.
func kindOfTable(head []string) string {
	has := func(names ...[]string) bool {
		return slices.ContainsFunc(head, func(h string) bool {
			return slices.ContainsFunc(names, func(l []string) bool { return slices.Contains(l, h) })
		})
	}
	switch {
	case has(identityUser), has(identityMail, identityKey) && has([]string{"privileged", "vip", "service", "admin"}):
		return kindIdentities
	case has(assetHost, assetIP, assetNetwork):
		return kindAssets
	}
	return ""
}

func readCSV(p *parser, r io.Reader) error {
	t, err := openTable(r)
	if err != nil {
		return err
	}
	kind := p.opt.Kind
	if kind == "" {
		kind = kindOfTable(t.head)
	}
	var row func(*table) error
	var known [][]string
	switch kind {
	case kindAssets:
		row, known = p.assetRow, [][]string{assetHost, assetIP, assetNetwork, assetRest}
	case kindIdentities:
		row, known = p.identityRow, [][]string{identityUser, identityMail, identityKey, identityCloud, identityRest}
	case "":
		return fmt.Errorf("line 1: the columns %s are those of neither assets nor identities", strings.Join(t.head, ", "))
	default:
		return fmt.Errorf("a table is of assets or identities, not of %q", kind)
	}
	for _, h := range t.head {
		if !slices.ContainsFunc(known, func(l []string) bool { return slices.Contains(l, h) }) {
			p.skip("column_not_used", "line 1", h)
		}
	}
	for t.next() {
		if err := row(t); err != nil {
			return t.at(err)
		}
	}
	return t.err
}

// criticalityWords are the words for criticalities.
var criticalityWords = map[string]string{
	"": "", "crown": pipeline.CriticalityCrown, "critical": pipeline.CriticalityCrown, "high": pipeline.CriticalityHigh,
	"medium": pipeline.CriticalityMedium, "low": pipeline.CriticalityLow,
}

func (p *parser) assetRow(t *table) error {
	criticality, ok := criticalityWords[strings.ToLower(t.get("criticality"))]
	if !ok {
		return fmt.Errorf("criticality %.40q: want crown, high, medium or low", t.get("criticality"))
	}
	exposure := strings.ToLower(t.get("exposure"))
	if !slices.Contains([]string{"", "internal", "partner", "internet"}, exposure) {
		return fmt.Errorf("exposure %.40q: want internet, partner or internal", exposure)
	}
	a := pipeline.Asset{Criticality: criticality, Exposure: exposure, Class: strings.ToLower(clip(t.get("class"), 64)), Owner: clip(t.get("owner"), 128)}
	for _, network := range t.list(assetNetwork...) {
		n, err := netip.ParsePrefix(network)
		if err != nil {
			return fmt.Errorf("network %.60q: want an address and a prefix length, such as 10.20.0.0/16", network)
		}
		of := a
		of.Kind, of.Value = pipeline.KindNetwork, n.Masked().String()
		if err := p.add(inventory.Item{Asset: &of}); err != nil {
			return err
		}
	}
	hosts := p.forms(t, pipeline.EntityHost, t.list(assetHost...))
	a.IPs = p.forms(t, pipeline.EntityIP, t.list(assetIP...))
	switch {
	case len(hosts) > 0:
		a.Kind, a.Value, a.Hosts = "host", hosts[0], hosts[1:]
	case len(a.IPs) > 0:
		a.Kind, a.Value, a.IPs = "ip", a.IPs[0], a.IPs[1:]
	case len(t.list(assetNetwork...)) > 0:
		return nil
	default:
		p.skip(skipNoAsset, t.where(), strings.Join(t.row, ","))
		return nil
	}
	return p.add(inventory.Item{Asset: &a})
}

// forms returns the canonical forms of values, without those that have none.
func (p *parser) forms(t *table, kind pipeline.EntityKind, values []string) []string {
	var out []string
	for _, v := range values {
		form, ok := p.canon.Entity(kind, v)
		if !ok {
			p.skip(skipNoForm, t.where(), v)
		} else if !slices.Contains(out, form) {
			out = append(out, form)
		}
	}
	return out
}

func (p *parser) identityRow(t *table) error {
	var i pipeline.Identity
	var err error
	set := func(into *bool, names ...string) {
		v := t.get(names...)
		yes, ok := truth(v)
		if !ok && err == nil {
			err = fmt.Errorf("%s %.40q: want yes or no", names[0], v)
		}
		*into = yes
	}
	set(&i.Privileged, "privileged", "admin")
	set(&i.VIP, "vip")
	set(&i.Service, "service")
	if err != nil {
		return err
	}
	i.Name, i.Owner = clip(t.get("name", "displayname"), 128), clip(t.get("owner", "manager"), 128)
	var all []string
	for _, c := range []struct {
		kind    pipeline.EntityKind
		columns []string
	}{{pipeline.EntityUser, identityUser}, {pipeline.EntityMail, identityMail}, {pipeline.EntityKey, identityKey}, {pipeline.EntityAccount, identityCloud}} {
		for _, form := range p.forms(t, c.kind, t.list(c.columns...)) {
			all = append(all, c.kind.String()+":"+form)
		}
	}
	if len(all) == 0 {
		p.skip("no_identity", t.where(), strings.Join(t.row, ","))
		return nil
	}
	i.Kind, i.Value, _ = strings.Cut(all[0], ":")
	i.Aliases = all[1:]
	return p.add(inventory.Item{Identity: &i})
}

func truth(s string) (yes, ok bool) {
	switch strings.ToLower(s) {
	case "", "0", "no", "n", "false", "-":
		return false, true
	case "1", "yes", "y", "true", "x":
		return true, true
	}
	return false, false
}
