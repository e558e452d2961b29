package inventory_test

import (
	"slices"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
)

func hunted(kind, value string, confidence uint8) *pipeline.Indicator {
	return &pipeline.Indicator{Tenant: "acme", Source: "a", Kind: kind, Value: value, Confidence: confidence}
}

func TestHuntsAreForSureIndicatorsOfOneTenant(t *testing.T) {
	t.Parallel()
	over := hunted("ip", "198.51.100.9", 90)
	over.ValidUntil = day
	other := hunted("ip", "198.51.100.1", 90)
	other.Tenant = "zeta"
	all := []*pipeline.Indicator{
		other, hunted("ip", "198.51.100.1", 90), hunted("network", "203.0.113.0/24", 60), hunted("domain", "evil.example", 70),
		hunted("ip", "198.51.100.2", 59), over,
	}
	h := inventory.NewHunted(all, 60, 2*day, 9*day).Hunts()
	if len(h) != 2 || h[0].Tenant != "acme" || h[1].Tenant != "zeta" {
		t.Fatalf("hunts %+v", h)
	}
	if a := h[0]; !slices.Equal(a.Values, []string{"198.51.100.1"}) || !slices.Equal(a.Networks, []string{"203.0.113.0/24"}) ||
		!slices.Equal(a.Domains, []string{"evil.example"}) || a.From != 2*day || a.Until != 9*day {
		t.Errorf("hunt %+v", a)
	}
}

func TestSightingBecomesTheSameAlertWheneverItIsFound(t *testing.T) {
	t.Parallel()
	late := hunted("network", "203.0.113.0/24", 80)
	late.ValidFrom = 100 * day // it was listed after the events
	h := inventory.NewHunted([]*pipeline.Indicator{late, hunted("domain", "evil.example", 70)}, 60, day, 9*day)
	found := []pipeline.Sighting{
		{
			Value: "203.0.113.77", Victim: pipeline.EntityValue{Kind: "host", Value: "pc-1", Role: "device"},
			Entities: []pipeline.EntityValue{{Kind: "ip", Value: "10.0.0.1", Role: "src"}, {Kind: "ip", Value: "203.0.113.77", Role: "dst"}},
			Sources:  []string{"zeek"}, Events: 3, First: 2 * day, Last: 3 * day, Event: pipeline.HashID("event", "1"), Ingested: 3*day + 5, Demo: true,
		},
		{Value: "a.evil.example", Victim: pipeline.EntityValue{Kind: "ip", Value: "10.0.0.2"}, Sources: []string{"zeek"}, Events: 1, First: 2 * day, Last: 2 * day},
		{Value: "good.example", Victim: pipeline.EntityValue{Kind: "ip", Value: "10.0.0.2"}, Events: 1, Last: 2 * day},
	}
	rules := map[string]inventory.Rule{inventory.RuleAddress: {ID: inventory.RuleAddress, Title: "Bad", Severity: 4, Techniques: []string{"T1571"}}}
	facts := h.Facts("acme", found, rules)
	if len(facts) != 2 {
		t.Fatalf("%d facts, want 2: no indicator means good.example", len(facts))
	}
	a := facts[0].Alert
	if facts[0].Group != "ip:203.0.113.77" || a.Rule != inventory.RuleAddress || a.Title != "Bad" || a.Signals != 3 || a.Triggered != 3*day ||
		!slices.Equal(a.Flags, []string{"retro", "demo"}) || len(a.Entities) != 3 {
		t.Errorf("alert %+v of group %s", a, facts[0].Group)
	}
	if b := facts[1]; b.Group != "domain:a.evil.example" || b.Alert.Rule != inventory.RuleOther {
		t.Errorf("fact %+v", b)
	}
	for i := range facts {
		conforms(t, "fact", inventory.FactMessage(&facts[i]).Value)
	}
	found[0].Events, found[0].Last = 9, 4*day // more of it was recorded since
	if again := h.Facts("acme", found, rules); again[0].ID != facts[0].ID || again[0].Alert.ID != a.ID {
		t.Error("found again it is another fact")
	}
}
