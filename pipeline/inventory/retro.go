package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// FlagRetro marks alerts that were found in recorded events, after an indicator was added.
const FlagRetro = "retro"

// The detections that hold live events against indicators: of addresses and networks, and
// of everything else. Alerts of a hunt carry their ids, so that correlations of incidents,
// playbooks and people treat both alike.
const (
	RuleAddress = "known_bad_address"
	RuleOther   = "threat_intel_match"
)

// Rule is what an alert says of the detection that it carries the id of.
type Rule struct {
	ID, Title           string
	Severity            uint8
	Tactics, Techniques []string
}

// Hunted is indicators that recorded events are held against.
type Hunted struct {
	tables *Tables
	hunts  []pipeline.Hunt
}

// maxHunt is how many indicators one hunt asks for.
const maxHunt = 500

// NewHunted returns the hunts for indicators of at least a confidence, over events in
// [from, until). What an indicator says of when it began to hold does not count: that is
// when somebody learned of it.
func NewHunted(all []*pipeline.Indicator, confidence uint8, from, until pipeline.Millis) *Hunted {
	h := &Hunted{}
	t := topic{entries: map[string]entry{}}
	byTenant := map[string][]*pipeline.Indicator{}
	for _, i := range all {
		if i.Confidence < confidence || i.ValidUntil != 0 && i.ValidUntil <= from {
			continue
		}
		of := *i
		of.ValidFrom = 0
		it := Item{Indicator: &of}
		t.entries[string(it.AppendKey(nil))] = entry{item: it}
		byTenant[i.Tenant] = append(byTenant[i.Tenant], &of)
	}
	h.tables = &Tables{indicators: buildIndicators(&t)}
	for tenant, list := range byTenant {
		for chunk := range slices.Chunk(list, maxHunt) {
			h.hunts = append(h.hunts, huntFor(tenant, chunk, from, until))
		}
	}
	slices.SortStableFunc(h.hunts, func(a, b pipeline.Hunt) int { return strings.Compare(a.Tenant, b.Tenant) })
	return h
}

func huntFor(tenant string, list []*pipeline.Indicator, from, until pipeline.Millis) pipeline.Hunt {
	h := pipeline.Hunt{Tenant: tenant, Rules: []string{RuleAddress, RuleOther}, From: from, Until: until}
	for _, i := range list {
		switch i.Kind {
		case pipeline.KindNetwork:
			h.Networks = append(h.Networks, i.Value)
		case "domain":
			h.Domains = append(h.Domains, i.Value)
		default:
			h.Values = append(h.Values, i.Value)
		}
	}
	return h
}

// Hunts returns what to ask, each at most for 500 indicators of one tenant.
func (h *Hunted) Hunts() []pipeline.Hunt { return h.hunts }

// Facts returns an alert for each sighting, as a fact. Ids are derived from what was seen
// and by whom, not from when it was found: the same hunt again tells the same facts, which
// change nothing.
func (h *Hunted) Facts(tenant string, found []pipeline.Sighting, rules map[string]Rule) []pipeline.Fact {
	var facts []pipeline.Fact
	for i := range found {
		g := &found[i]
		kind := entityKindOf(g.Value)
		var k pipeline.Known
		h.tables.Look(&k, tenant, kind, g.Value, g.Last)
		if len(k.Indicators) > 0 {
			facts = append(facts, factOf(tenant, kind, g, k.Indicators[0], rules))
		}
	}
	return facts
}

func factOf(tenant string, kind pipeline.EntityKind, g *pipeline.Sighting, i *pipeline.Indicator, rules map[string]Rule) pipeline.Fact {
	id := RuleOther
	if i.Kind == "ip" || i.Kind == pipeline.KindNetwork {
		id = RuleAddress
	}
	r, ok := rules[id]
	if !ok {
		r = Rule{ID: id, Title: "An indicator was seen", Severity: 4}
	}
	group := kind.String() + ":" + g.Value
	victim := g.Victim.Kind + ":" + g.Victim.Value
	alert := pipeline.Alert{
		ID: pipeline.HashID("alert", tenant, id, FlagRetro, group, victim), Tenant: tenant, Rule: id, Kind: pipeline.AlertSingle, Revision: 1,
		Severity: r.Severity, Title: r.Title, Tactics: r.Tactics, Techniques: r.Techniques, Sources: g.Sources, Group: []string{g.Value},
		Signals: max(1, g.Events), Evidence: []pipeline.ID{}, Trigger: pipeline.SignalID(g.Event, id, ""), Event: g.Event,
		Fate: "incident", Flags: []string{FlagRetro}, Occurred: g.First, Triggered: g.Last, Ingested: g.Ingested,
	}
	if g.Demo {
		alert.Flags = append(alert.Flags, "demo")
	}
	alert.Entities = []pipeline.EntityValue{{Kind: kind.String(), Value: g.Value, Role: "indicator"}}
	for _, e := range append([]pipeline.EntityValue{g.Victim}, g.Entities...) {
		if e.Kind != kind.String() || e.Value != g.Value {
			alert.Entities = append(alert.Entities, e)
		}
	}
	return pipeline.Fact{
		ID: pipeline.HashID("fact", alert.ID.View(), "1"), Tenant: tenant, Group: group, Kind: pipeline.FactAlert, Ref: alert.ID,
		Time: g.Last, Actor: "engine", Alert: &alert,
		Summary: fmt.Sprintf("%d recorded events of %s: indicator %s of %s, confidence %d, was added after them", g.Events, victim, i.Value, i.Source, i.Confidence),
	}
}

// entityKindOf tells the kind of a value by its form: canonical values of different kinds
// have different ones.
func entityKindOf(value string) pipeline.EntityKind {
	if _, err := netip.ParseAddr(value); err == nil {
		return pipeline.EntityIP
	}
	switch {
	case strings.Contains(value, "://"):
		return pipeline.EntityURL
	case strings.Contains(value, "@"):
		return pipeline.EntityMail
	case !strings.Contains(value, "."):
		return pipeline.EntityHash
	}
	return pipeline.EntityDomain
}

// FactMessage is the record of a fact on its topic.
func FactMessage(f *pipeline.Fact) pipeline.Message {
	return pipeline.Message{
		Topic: pipeline.TopicFacts, Key: pipeline.AppendKey(nil, f.Tenant, f.Group), Value: f.AppendJSON(nil),
		Headers: []pipeline.Header{
			{Key: pipeline.HeaderSchema, Value: []byte(pipeline.SchemaFact)},
			{Key: pipeline.HeaderTenant, Value: []byte(f.Tenant)},
			{Key: pipeline.HeaderID, Value: []byte(f.ID.String())},
			{Key: pipeline.HeaderTimes, Value: []byte("{}")},
		},
	}
}

// IndicatorsOf returns the indicators among records of the topic of indicators.
func IndicatorsOf(records []pipeline.Record) []*pipeline.Indicator {
	var all []*pipeline.Indicator
	for i := range records {
		r := &records[i]
		if len(r.Value) == 0 || string(r.Header(pipeline.HeaderSchema)) != pipeline.SchemaIndicator {
			continue
		}
		if it, err := decode(r); err == nil {
			all = append(all, it.Indicator)
		}
	}
	return all
}
