package inventory_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
)

const day = pipeline.Millis(24 * 60 * 60 * 1000)

func indicator(kind, value string, confidence uint8) inventory.Item {
	return inventory.Item{Indicator: &pipeline.Indicator{Kind: kind, Value: value, Confidence: confidence}}
}

// loaded returns a builder that has caught up with the loads, each in a plan of its own.
func loaded(tb testing.TB, loads ...func(*inventory.Builder) *inventory.Plan) *inventory.Builder {
	tb.Helper()
	b := inventory.NewBuilder()
	b.CaughtUp()
	for _, l := range loads {
		apply(tb, b, l(b))
	}
	return b
}

func apply(tb testing.TB, b *inventory.Builder, p *inventory.Plan) {
	tb.Helper()
	if err := p.Records(b.Apply); err != nil {
		tb.Fatal(err)
	}
}

func load(tb testing.TB, l inventory.Load, items ...inventory.Item) func(*inventory.Builder) *inventory.Plan {
	tb.Helper()
	if l.Tenant == "" {
		l.Tenant = "acme"
	}
	if l.AsOf == 0 {
		l.AsOf = day
	}
	return func(b *inventory.Builder) *inventory.Plan {
		p, err := b.Plan(l, items)
		if err != nil {
			tb.Fatal(err)
		}
		return p
	}
}

func TestAddressIsKnownByItselfAndByItsNetworks(t *testing.T) {
	t.Parallel()
	b := loaded(t,
		load(t, inventory.Load{Source: "a"}, indicator("ip", "198.51.100.7", 60), indicator("network", "198.51.100.0/24", 80), indicator("network", "2001:db8::/32", 50)),
		load(t, inventory.Load{Source: "b"}, indicator("ip", "198.51.100.7", 90), indicator("network", "198.51.0.0/16", 10)))
	f := func(tenant, ip string, want ...string) {
		t.Helper()
		var k pipeline.Known
		b.Current().Look(&k, tenant, pipeline.EntityIP, ip, 2*day)
		got := []string{}
		for _, i := range k.Indicators {
			got = append(got, fmt.Sprintf("%s %s %d", i.Source, i.Value, i.Confidence))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", ip, got, want)
		}
	}
	f("acme", "198.51.100.7", "b 198.51.100.7 90", "a 198.51.100.0/24 80", "a 198.51.100.7 60", "b 198.51.0.0/16 10")
	f("acme", "198.51.7.7", "b 198.51.0.0/16 10")
	f("acme", "2001:db8::5", "a 2001:db8::/32 50")
	f("acme", "198.52.0.1")
	f("acme", "no address")
	f("other", "198.51.100.7")
}

func TestDomainIsKnownByThoseAboveIt(t *testing.T) {
	t.Parallel()
	b := loaded(t, load(t, inventory.Load{Source: "a"}, indicator("domain", "evil.example", 70), indicator("domain", "example", 99)))
	f := func(kind pipeline.EntityKind, name string, want int) {
		t.Helper()
		var k pipeline.Known
		b.Current().Look(&k, "acme", kind, name, 2*day)
		if len(k.Indicators) != want {
			t.Errorf("%v %s: %d indicators, want %d", kind, name, len(k.Indicators), want)
		}
	}
	f(pipeline.EntityDomain, "evil.example", 1)
	f(pipeline.EntityDomain, "a.b.evil.example", 1)
	f(pipeline.EntityHost, "www.evil.example", 1)
	f(pipeline.EntityDomain, "notevil.example", 0)
	f(pipeline.EntityURL, "evil.example", 0)
}

func TestIndicatorHoldsForItsTimeAlone(t *testing.T) {
	t.Parallel()
	own := indicator("ip", "198.51.100.1", 50)
	own.Indicator.ValidFrom, own.Indicator.ValidUntil = 2*day, 4*day
	b := loaded(t, load(t, inventory.Load{Source: "a", AsOf: 2 * day, TTL: int64(day / 1000)}, own, indicator("ip", "198.51.100.2", 50)))
	f := func(ip string, at pipeline.Millis, want bool) {
		t.Helper()
		var k pipeline.Known
		b.Current().Look(&k, "acme", pipeline.EntityIP, ip, at)
		if got := len(k.Indicators) > 0; got != want {
			t.Errorf("%s at day %g: %v, want %v", ip, float64(at)/float64(day), got, want)
		}
	}
	f("198.51.100.1", 2*day-1, false)
	f("198.51.100.1", 2*day, true)
	f("198.51.100.1", 4*day-1, true)
	f("198.51.100.1", 4*day, false)
	f("198.51.100.2", 3*day-1, true)
	f("198.51.100.2", 3*day, false)
}

func TestAssetIsTheSameUnderAllItsNames(t *testing.T) {
	t.Parallel()
	asset := func(a pipeline.Asset) inventory.Item { return inventory.Item{Asset: &a} }
	finding := func(kind, value, id string, severity uint8) inventory.Item {
		return inventory.Item{Finding: &pipeline.Finding{Kind: kind, Value: value, ID: id, Severity: severity}}
	}
	b := loaded(t,
		load(t, inventory.Load{Source: "cmdb"},
			asset(pipeline.Asset{Kind: "host", Value: "dc-01.corp.example", Hosts: []string{"dc-01"}, IPs: []string{"10.20.1.1"}, Criticality: "high", Owner: "it"}),
			asset(pipeline.Asset{Kind: "network", Value: "10.20.0.0/16", Criticality: "low", Class: "office"}),
			asset(pipeline.Asset{Kind: "network", Value: "10.20.9.0/24", Criticality: "medium", Class: "lab"})),
		load(t, inventory.Load{Source: "edr"}, asset(pipeline.Asset{Kind: "host", Value: "dc-01.corp.example", Criticality: "crown", Class: "domain_controller"})),
		load(t, inventory.Load{Source: "scan"}, finding("ip", "10.20.1.1", "CVE-2017-0144", 4), finding("ip", "10.20.1.1", "CVE-2000-0001", 5), finding("host", "dc-01", "CVE-2000-0001", 5)),
		load(t, inventory.Load{Source: "kev"}, inventory.Item{Exploited: &pipeline.Exploited{ID: "CVE-2017-0144"}}))
	look := func(kind pipeline.EntityKind, value string) (k pipeline.Known) {
		b.Current().Look(&k, "acme", kind, value, day)
		return k
	}
	k := look(pipeline.EntityHost, "dc-01.corp.example")
	if k.Asset == nil || k.Asset.Criticality != "crown" || k.Asset.Class != "domain_controller" || k.Asset.Owner != "it" {
		t.Fatalf("got %+v", k.Asset)
	}
	for _, same := range []pipeline.Known{k, look(pipeline.EntityHost, "dc-01"), look(pipeline.EntityIP, "10.20.1.1")} {
		e := same.Exposure
		if same.Asset == nil || e == nil || e.Open != 2 || e.Critical != 1 || e.Exploited != 1 || !slices.Equal(e.IDs, []string{"CVE-2017-0144", "CVE-2000-0001"}) {
			t.Errorf("got %+v, %+v", same.Asset, e)
		}
	}
	if k := look(pipeline.EntityIP, "10.20.9.9"); k.Asset == nil || k.Asset.Class != "lab" {
		t.Errorf("the smallest network counts, got %+v", k.Asset)
	}
	if k := look(pipeline.EntityIP, "10.21.0.1"); !k.IsZero() {
		t.Errorf("got %+v of a stranger", k)
	}
}

func TestFullLoadTakesBackWhatItsSourceNoLongerSays(t *testing.T) {
	t.Parallel()
	a, x, y := indicator("ip", "198.51.100.1", 50), indicator("ip", "198.51.100.2", 50), indicator("ip", "198.51.100.3", 50)
	b := loaded(t, load(t, inventory.Load{Source: "a"}, a, x), load(t, inventory.Load{Source: "b"}, a))
	f := func(what string, p *inventory.Plan, entries, added, changed, removed, all int) {
		t.Helper()
		l := p.Loads[0]
		if l.Entries != entries || l.Added != added || l.Changed != changed || l.Removed != removed {
			t.Errorf("%s: %+v, want %d entries, %d added, %d changed, %d removed", what, l.ContextLoad, entries, added, changed, removed)
		}
		apply(t, b, p)
		if got := b.Current().Ref().Topics[3].Entries; got != all {
			t.Errorf("%s: %d entries, want %d", what, got, all)
		}
	}
	f("merge", load(t, inventory.Load{Source: "a", Merge: true}, y)(b), 3, 1, 0, 0, 4)
	f("full", load(t, inventory.Load{Source: "a"}, indicator("ip", "198.51.100.2", 80), y)(b), 2, 0, 1, 1, 3)
	f("the same again", load(t, inventory.Load{Source: "a"}, indicator("ip", "198.51.100.2", 80), y)(b), 2, 0, 0, 0, 3)
	f("forget", b.Forget("acme", "a"), 0, 0, 0, 2, 1)
}

// TestRevisionDependsOnTheContentAlone: whatever the order and the history, and through a
// restart that sees what compaction left.
func TestRevisionDependsOnTheContentAlone(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	final := []inventory.Item{indicator("ip", "198.51.100.1", 50), indicator("domain", "a.example", 60), {Asset: &pipeline.Asset{Kind: "host", Value: "h"}}}
	want := ""
	for n := range 50 {
		type rec struct {
			topic string
			r     pipeline.Record
		}
		newest := map[string]rec{}
		b := inventory.NewBuilder()
		b.CaughtUp()
		keep := func(p *inventory.Plan) {
			apply(t, b, p)
			_ = p.Records(func(topic string, rr *pipeline.Record) error {
				newest[topic+string(rr.Key)] = rec{topic, *rr}
				return nil
			})
		}
		for range r.IntN(4) {
			keep(load(t, inventory.Load{Source: "a"}, final[r.IntN(3)], indicator("ip", fmt.Sprintf("198.51.100.%d", 2+r.IntN(200)), uint8(r.IntN(100))))(b))
		}
		keep(load(t, inventory.Load{Source: "a"}, final...)(b))
		if got := b.Current().Ref().Revision; want == "" {
			want = got
		} else if got != want {
			t.Fatalf("run %d: revision %s, want %s", n, got, want)
		}
		again := inventory.NewBuilder()
		for _, rr := range newest { // in any order
			if err := again.Apply(rr.topic, &rr.r); err != nil {
				t.Fatal(err)
			}
		}
		again.CaughtUp()
		if got := again.Current().Ref(); got != b.Current().Ref() {
			t.Fatalf("run %d: after a restart %+v, want %+v", n, got, b.Current().Ref())
		}
	}
}

func TestReadersSeeALoadWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	b := inventory.NewBuilder()
	p := load(t, inventory.Load{Source: "a"}, indicator("ip", "198.51.100.1", 50), indicator("ip", "198.51.100.2", 50))(b)
	b.CaughtUp()
	if b.Context() != nil {
		t.Error("nothing was loaded, want no context")
	}
	n := 0
	err := p.Records(func(topic string, r *pipeline.Record) error {
		n++
		if got := b.Current().Ref().Topics[3].Entries; got != 0 {
			t.Errorf("before record %d of %d: %d entries", n, len(p.Messages), got)
		}
		return b.Apply(topic, r)
	})
	if err != nil || b.Current().Ref().Topics[3].Entries != 2 || b.Context() == nil {
		t.Errorf("at the end: %+v, %v", b.Current().Ref(), err)
	}
}

func TestForeignRecordsAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	b := loaded(t, load(t, inventory.Load{Source: "a"}, indicator("ip", "198.51.100.1", 50)))
	before := b.Current().Ref()
	f := func(topic, key, schema, value string) {
		t.Helper()
		r := pipeline.Record{Key: []byte(key), Value: []byte(value), Headers: []pipeline.Header{{Key: pipeline.HeaderSchema, Value: []byte(schema)}}}
		if err := b.Apply(topic, &r); err == nil {
			t.Errorf("%q %q: want an error", key, value)
		}
	}
	f("events", "x", "", "")
	f(pipeline.TopicIndicators, "acme\x1fa\x1fip\x1f198.51.100.9", "nonsense/1", "{}")
	f(pipeline.TopicIndicators, "acme\x1fa\x1fip\x1f198.51.100.9", pipeline.SchemaIndicator, "{")
	f(pipeline.TopicIndicators, "acme\x1fa\x1fip\x1f198.51.100.9", pipeline.SchemaIndicator, `{"tenant":"acme","source":"a","kind":"ip","value":"198.51.100.8"}`)
	f(pipeline.TopicIndicators, "acme\x1fa\x1fhost\x1fh", pipeline.SchemaAsset, `{"tenant":"acme","source":"a","kind":"host","value":"h"}`)
	f(pipeline.TopicIndicators, "acme\x1fa", pipeline.SchemaLoad, "[]")
	b.CaughtUp()
	if b.Current().Ref() != before || b.Skipped() != 5 {
		t.Errorf("got %+v, skipped %d, want %+v", b.Current().Ref(), b.Skipped(), before)
	}
}

func TestLookAllocatesNothing(t *testing.T) {
	b := loaded(t, load(t, inventory.Load{Source: "a"}, indicator("ip", "198.51.100.7", 60), indicator("network", "198.51.100.0/24", 80), indicator("domain", "evil.example", 80),
		inventory.Item{Asset: &pipeline.Asset{Kind: "host", Value: "h"}}))
	var c pipeline.Context = b.Current()
	var k pipeline.Known
	n := testing.AllocsPerRun(100, func() {
		c.Look(&k, "acme", pipeline.EntityIP, "198.51.100.7", day)
		c.Look(&k, "acme", pipeline.EntityIP, "10.0.0.1", day)
		c.Look(&k, "acme", pipeline.EntityDomain, "a.b.c.evil.example", day)
		c.Look(&k, "acme", pipeline.EntityHost, "h", day)
	})
	if n != 0 {
		t.Errorf("%g allocations for four look-ups, want none", n)
	}
}

// TestMemoryOfAMillionIndicators measures a tenth of it: an entry costs what the topic's
// record says, its place in the table and its place in the list of entries.
func TestMemoryOfAMillionIndicators(t *testing.T) {
	const entries, most = 100_000, 900 // bytes; measured 640 on amd64
	items := make([]inventory.Item, entries)
	for i := range items {
		items[i] = indicator("ip", fmt.Sprintf("198.%d.%d.%d", 18+i>>16, i>>8&255, i&255), 50)
	}
	p := load(t, inventory.Load{Source: "a"}, items...)(inventory.NewBuilder())
	size := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := size()
	b := inventory.NewBuilder()
	apply(t, b, p)
	b.CaughtUp()
	per := float64(size()-before) / entries
	t.Logf("%.0f bytes per indicator", per)
	if per > most {
		t.Errorf("%.0f bytes per indicator, want at most %d", per, most)
	}
	runtime.KeepAlive(b)
	runtime.KeepAlive(p)
}

func BenchmarkLook(b *testing.B) {
	items := make([]inventory.Item, 0, 100_000)
	for i := range cap(items) / 2 {
		items = append(items, indicator("ip", fmt.Sprintf("198.%d.%d.%d", 18+i>>16, i>>8&255, i&255), 50),
			indicator("network", fmt.Sprintf("11.%d.%d.%d/28", i>>12&255, i>>4&255, i<<4&255), 50))
	}
	t := loaded(b, load(b, inventory.Load{Source: "a"}, items...)).Current()
	f := func(name string, kind pipeline.EntityKind, value string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var k pipeline.Known
			for b.Loop() {
				t.Look(&k, "acme", kind, value, day)
			}
		})
	}
	f("address/listed", pipeline.EntityIP, "198.18.9.9")
	f("address/in-network", pipeline.EntityIP, "11.0.9.9")
	f("address/unknown", pipeline.EntityIP, "203.0.113.9")
	f("domain/unknown", pipeline.EntityDomain, "a.b.c.good.example")
	f("host/unknown", pipeline.EntityHost, "ws-0042.corp.example")
}

func TestItemsHaveTheFormOfTheirSchema(t *testing.T) {
	t.Parallel()
	for schema, it := range map[string]inventory.Item{
		"asset":         {Asset: &pipeline.Asset{Tenant: "acme", Source: "a", Kind: "host", Value: "h", Hosts: []string{"x"}, IPs: []string{"10.0.0.1"}, Criticality: "crown", Class: "c", Owner: "o", Exposure: "internet"}},
		"identity":      {Identity: &pipeline.Identity{Tenant: "acme", Source: "a", Kind: "user", Value: "u", Aliases: []string{"mail:u@x.example"}, Name: "U", Owner: "o", Privileged: true, VIP: true, Service: true}},
		"vulnerability": {Finding: &pipeline.Finding{Tenant: "acme", Source: "a", Kind: "host", Value: "h", ID: "CVE-2017-0144", Severity: 5, Score: 9.8, Package: "p 1", Fixed: "2", Title: "t"}},
		"exploited":     {Exploited: &pipeline.Exploited{Tenant: "acme", Source: "a", ID: "CVE-2017-0144", Name: "n", Added: day, Ransomware: true}},
		"indicator":     {Indicator: &pipeline.Indicator{Tenant: "acme", Source: "a", Kind: "network", Value: "198.51.100.0/24", Confidence: 50, Title: "t", Labels: []string{"l"}, Ref: "r", ValidFrom: day, ValidUntil: 2 * day}},
	} {
		value, err := json.Marshal(&it)
		if err != nil {
			t.Fatal(err)
		}
		conforms(t, schema, value)
	}
	p := load(t, inventory.Load{Source: "a", TTL: 60, Format: "list"}, indicator("ip", "198.51.100.1", 50))(inventory.NewBuilder())
	conforms(t, "context-load", p.Messages[len(p.Messages)-1].Value)
}
