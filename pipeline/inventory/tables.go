package inventory

import (
	"cmp"
	"net/netip"
	"strings"

	"github.com/gaissmai/bart"

	"github.com/riposte-sec/riposte/pipeline"
)

// Tables is one revision of the context: immutable and safe for concurrent use.
type Tables struct {
	ref        pipeline.ContextRef
	assets     map[string]*assetTable     // by tenant
	identities map[string]identityTable   // by tenant
	exposures  map[string]exposureTable   // by tenant
	indicators map[string]*indicatorTable // by tenant
	loads      []LoadedSource
}

var _ pipeline.Context = (*Tables)(nil)

// LoadedSource is the newest load of one source on one topic.
type LoadedSource struct {
	Topic string `json:"topic"`
	pipeline.ContextLoad
}

func compareSources(a, b *LoadedSource) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Source, b.Source))
}

// subject is an entity as the key of a table.
type subject struct {
	kind  pipeline.EntityKind
	value string
}

type (
	identityTable map[subject]*pipeline.Identity
	exposureTable map[subject]*pipeline.Exposure
)

type assetTable struct {
	exact    map[subject]*pipeline.Asset // hosts and addresses
	networks bart.Table[*pipeline.Asset]
}

type indicatorTable struct {
	exact    map[subject][]*pipeline.Indicator
	networks bart.Table[[]*pipeline.Indicator]
	ranges   bool // networks is not empty
}

// Ref implements [pipeline.Context].
func (t *Tables) Ref() pipeline.ContextRef { return t.ref }

// Loads returns the newest load of every source, sorted by tenant, topic and source. The
// caller must not change it.
func (t *Tables) Loads() []LoadedSource { return t.loads }

// Look implements [pipeline.Context]. An address is also known by its networks: the
// smallest one that holds it for an asset, every one for indicators. A domain is also known
// by indicators for the domains above it.
func (t *Tables) Look(k *pipeline.Known, tenant string, kind pipeline.EntityKind, value string, at pipeline.Millis) {
	*k = pipeline.Known{Indicators: k.Indicators[:0]}
	s := subject{kind, value}
	var addr netip.Addr
	if kind == pipeline.EntityIP {
		addr, _ = netip.ParseAddr(value) // an address that is none is in no network
	}
	if a := t.assets[tenant]; a != nil {
		k.Asset = a.look(s, addr)
	}
	k.Identity = t.identities[tenant][s]
	k.Exposure = t.exposures[tenant][s]
	if i := t.indicators[tenant]; i != nil {
		i.look(k, s, addr, at)
	}
}

func (t *assetTable) look(s subject, addr netip.Addr) *pipeline.Asset {
	if a := t.exact[s]; a != nil || !addr.IsValid() {
		return a
	}
	a, _ := t.networks.Lookup(addr)
	return a
}

func (t *indicatorTable) look(k *pipeline.Known, s subject, addr netip.Addr, at pipeline.Millis) {
	switch {
	case s.kind == pipeline.EntityHost || s.kind == pipeline.EntityDomain:
		t.lookName(k, s.value, at)
	case addr.IsValid() && t.ranges:
		for _, list := range t.networks.Supernets(netip.PrefixFrom(addr, addr.BitLen())) {
			k.Indicators = appendValid(k.Indicators, list, at)
		}
		fallthrough
	default:
		k.Indicators = appendValid(k.Indicators, t.exact[s], at)
	}
	surestFirst(k.Indicators)
}

// lookName finds the indicators for a name and for those above it, but for top-level names:
// an indicator for one of them would be about half of the world.
func (t *indicatorTable) lookName(k *pipeline.Known, name string, at pipeline.Millis) {
	for {
		k.Indicators = appendValid(k.Indicators, t.exact[subject{pipeline.EntityDomain, name}], at)
		dot := strings.IndexByte(name, '.')
		if dot < 0 || strings.IndexByte(name[dot+1:], '.') < 0 {
			return
		}
		name = name[dot+1:]
	}
}

func appendValid(dst, from []*pipeline.Indicator, at pipeline.Millis) []*pipeline.Indicator {
	for _, i := range from {
		if at >= i.ValidFrom && (i.ValidUntil == 0 || at < i.ValidUntil) {
			dst = append(dst, i)
		}
	}
	return dst
}

// surestFirst sorts the few indicators of one entity by confidence, source, kind and value.
func surestFirst(list []*pipeline.Indicator) {
	for i := range list {
		for j := i; j > 0 && before(list[j], list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

func before(a, b *pipeline.Indicator) bool {
	if a.Confidence != b.Confidence {
		return a.Confidence > b.Confidence
	}
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value)) < 0
}
