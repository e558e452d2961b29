package inventory

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// items calls f for the entries of a topic in the order of their keys: of several sources,
// the first by name.
func (t *topic) items(f func(*Item)) {
	for _, key := range slices.Sorted(maps.Keys(t.entries)) {
		e := t.entries[key]
		f(&e.item)
	}
}

// criticalities in rising order; what is none of them is below all.
var criticalities = []string{pipeline.CriticalityLow, pipeline.CriticalityMedium, pipeline.CriticalityHigh, pipeline.CriticalityCrown}

// exposures in rising order.
var exposures = []string{"internal", "partner", "internet"}

func higher(order []string, a, b string) string {
	if slices.Index(order, b) > slices.Index(order, a) || a == "" {
		return b
	}
	return a
}

func buildAssets(t *topic) map[string]*assetTable {
	all := map[string]*assetTable{}
	t.items(func(it *Item) {
		a := it.Asset
		table := all[a.Tenant]
		if table == nil {
			table = &assetTable{exact: map[subject]*pipeline.Asset{}}
			all[a.Tenant] = table
		}
		if a.Kind == pipeline.KindNetwork {
			if p, err := netip.ParsePrefix(a.Value); err == nil {
				old, _ := table.networks.Get(p)
				table.networks.Insert(p, merge(old, a))
			}
			return
		}
		for _, s := range assetSubjects(a) {
			table.exact[s] = merge(table.exact[s], a)
		}
	})
	return all
}

// assetSubjects are the entities that an asset is known as.
func assetSubjects(a *pipeline.Asset) []subject {
	all := []subject{{pipeline.EntityKindOf(a.Kind), a.Value}}
	for _, h := range a.Hosts {
		all = append(all, subject{pipeline.EntityHost, h})
	}
	for _, ip := range a.IPs {
		all = append(all, subject{pipeline.EntityIP, ip})
	}
	return all
}

// merge returns what two sources know of the same asset: the higher criticality and
// exposure, the names and addresses of both, of the rest what the first says.
func merge(a, b *pipeline.Asset) *pipeline.Asset {
	if a == nil {
		return b
	}
	m := *a
	m.Criticality = higher(criticalities, a.Criticality, b.Criticality)
	m.Exposure = higher(exposures, a.Exposure, b.Exposure)
	m.Class, m.Owner = cmp.Or(a.Class, b.Class), cmp.Or(a.Owner, b.Owner)
	m.Hosts = union(a.Hosts, b.Hosts)
	m.IPs = union(a.IPs, b.IPs)
	return &m
}

func union(a, b []string) []string {
	out := slices.Clip(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func buildIdentities(t *topic) map[string]identityTable {
	all := map[string]identityTable{}
	t.items(func(it *Item) {
		i := it.Identity
		table := all[i.Tenant]
		if table == nil {
			table = identityTable{}
			all[i.Tenant] = table
		}
		subjects := []subject{{pipeline.EntityKindOf(i.Kind), i.Value}}
		for _, alias := range i.Aliases {
			if kind, value, ok := strings.Cut(alias, ":"); ok {
				subjects = append(subjects, subject{pipeline.EntityKindOf(kind), value})
			}
		}
		for _, s := range subjects {
			table[s] = mergeIdentity(table[s], i)
		}
	})
	return all
}

// mergeIdentity returns what two sources know of an identity: it is privileged, important
// or a service if one of them says so.
func mergeIdentity(a, b *pipeline.Identity) *pipeline.Identity {
	if a == nil {
		return b
	}
	m := *a
	m.Privileged, m.VIP, m.Service = a.Privileged || b.Privileged, a.VIP || b.VIP, a.Service || b.Service
	m.Name, m.Owner = cmp.Or(a.Name, b.Name), cmp.Or(a.Owner, b.Owner)
	m.Aliases = union(a.Aliases, b.Aliases)
	return &m
}

// maxExposureIDs is how many findings an Exposure names.
const maxExposureIDs = 16

type found struct {
	id        string
	severity  uint8
	score     float64
	exploited bool
}

func buildExposures(t *topic, assets map[string]*assetTable) map[string]exposureTable {
	exploited := map[string]map[string]bool{} // tenant -> id
	open := map[string]map[subject][]found{}
	t.items(func(it *Item) {
		if x := it.Exploited; x != nil {
			if exploited[x.Tenant] == nil {
				exploited[x.Tenant] = map[string]bool{}
			}
			exploited[x.Tenant][x.ID] = true
		}
	})
	t.items(func(it *Item) {
		f := it.Finding
		if f == nil {
			return
		}
		if open[f.Tenant] == nil {
			open[f.Tenant] = map[subject][]found{}
		}
		s := subject{pipeline.EntityKindOf(f.Kind), f.Value}
		open[f.Tenant][s] = append(open[f.Tenant][s], found{f.ID, f.Severity, f.Score, exploited[f.Tenant][f.ID]})
	})
	all := map[string]exposureTable{}
	for tenant, byAsset := range open {
		all[tenant] = exposureTable{}
		for _, s := range slices.SortedFunc(maps.Keys(byAsset), compareSubjects) {
			all[tenant].put(s, byAsset, assets[tenant])
		}
	}
	return all
}

func compareSubjects(a, b subject) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.value, b.value))
}

// put sums up the findings on everything that the asset is known as, so that what a scanner
// found at an address is known of the host, and the reverse.
func (t exposureTable) put(s subject, byAsset map[subject][]found, assets *assetTable) {
	same := []subject{s}
	if assets != nil {
		if a := assets.exact[s]; a != nil {
			same = assetSubjects(a)
		}
	}
	var list []found
	for _, o := range same {
		list = append(list, byAsset[o]...)
	}
	e := sumUp(list)
	for _, o := range append(same, s) {
		t[o] = e
	}
}

func sumUp(list []found) *pipeline.Exposure {
	slices.SortFunc(list, func(a, b found) int {
		if a.exploited != b.exploited {
			if a.exploited {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.severity, a.severity), cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id))
	})
	e := &pipeline.Exposure{IDs: []string{}}
	seen := map[string]bool{} // two scanners, or two packages, may tell of the same vulnerability
	for _, f := range list {
		if seen[f.id] {
			continue
		}
		seen[f.id] = true
		e.Open++
		if f.severity >= 5 {
			e.Critical++
		}
		if f.exploited {
			e.Exploited++
		}
		if len(e.IDs) < maxExposureIDs {
			e.IDs = append(e.IDs, f.id)
		}
	}
	return e
}

func buildIndicators(t *topic) map[string]*indicatorTable {
	all := map[string]*indicatorTable{}
	t.items(func(it *Item) {
		i := it.Indicator
		table := all[i.Tenant]
		if table == nil {
			table = &indicatorTable{exact: map[subject][]*pipeline.Indicator{}}
			all[i.Tenant] = table
		}
		if until := t.until(i); until != i.ValidUntil {
			limited := *i
			limited.ValidUntil = until
			i = &limited
		}
		if i.Kind == pipeline.KindNetwork {
			if p, err := netip.ParsePrefix(i.Value); err == nil {
				list, _ := table.networks.Get(p)
				table.networks.Insert(p, append(slices.Clip(list), i))
				table.ranges = true
			}
			return
		}
		s := subject{pipeline.EntityKindOf(i.Kind), i.Value}
		table.exact[s] = append(table.exact[s], i)
	})
	return all
}

// until returns when an indicator ends to hold: as it says itself, else the TTL of its
// source's newest load after that.
func (t *topic) until(i *pipeline.Indicator) pipeline.Millis {
	l := t.loads[string(pipeline.AppendKey(nil, i.Tenant, i.Source))]
	if i.ValidUntil != 0 || l.TTL == 0 {
		return i.ValidUntil
	}
	return l.AsOf + pipeline.Millis(l.TTL*1000)
}
