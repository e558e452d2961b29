package decide_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/decide"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	playbooks "github.com/riposte-sec/riposte/policies/decide"
)

// inventoryOf is a context of tenant t that was loaded an hour before t0.
func inventoryOf(tb testing.TB, items ...inventory.Item) pipeline.Context {
	tb.Helper()
	b := inventory.NewBuilder()
	b.CaughtUp()
	p, err := b.Plan(inventory.Load{Tenant: "t", Source: "test", AsOf: t0 - 3600*sec}, items)
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.Records(b.Apply); err != nil {
		tb.Fatal(err)
	}
	return b.Context()
}

func TestPolicyAndRecordSeeTheContextWithItsAge(t *testing.T) {
	t.Parallel()
	var input struct {
		Context struct {
			Revision string
			Age      int64 `json:"age_s"`
			Topics   map[string]struct {
				Entries int
				Age     int64 `json:"age_s"`
			}
		}
		Entities []struct {
			Value    string
			Asset    *pipeline.Asset
			Identity *pipeline.Identity
			TI       []pipeline.Indicator
		}
	}
	w := newWorld(t, func(_ *decide.Config, parts *decide.Parts) {
		inner := topdown(t, playbooks.FS, decide.DocumentDecide)
		parts.Decide = fixed(func(in []byte) ([]byte, error) {
			if err := json.Unmarshal(in, &input); err != nil {
				t.Error(err)
			}
			return inner.Eval(t.Context(), in)
		})
		parts.Guard = lax
	})
	old := inventory.Item{Indicator: &pipeline.Indicator{Kind: "domain", Value: "old.example", ValidUntil: t0}}
	w.known = inventoryOf(t, old,
		inventory.Item{Asset: &pipeline.Asset{Kind: "host", Value: "pc-1", Criticality: "crown", Class: "domain_controller"}},
		inventory.Item{Identity: &pipeline.Identity{Kind: "user", Value: "anna", Privileged: true}},
		inventory.Item{Indicator: &pipeline.Indicator{Kind: "network", Value: "198.51.100.0/24", Confidence: 80}})
	w.tell(alertFact(t0, badIP, "known_bad_address", 4, nil, ent(badIP), ent("host:pc-1"), ent("user:anna"), ent("domain:old.example")))
	want := w.known.Ref().Revision
	c := input.Context
	if c.Revision != want || c.Age != 3600 || c.Topics["indicators"].Entries != 2 || c.Topics["indicators"].Age != 3600 || c.Topics["vulnerabilities"].Age != 0 {
		t.Errorf("input.context = %+v, want revision %s, 3600 s old", c, want)
	}
	e := input.Entities
	if len(e) != 4 || len(e[0].TI) != 1 || e[1].Asset == nil || e[1].Asset.Class != "domain_controller" || e[2].Identity == nil || !e[2].Identity.Privileged {
		t.Fatalf("entities %+v: want a bad address, a domain controller and a privileged user", e)
	}
	if len(e[3].TI) != 0 {
		t.Error("an indicator that no longer holds was told")
	}
	if use := w.revision().Decision.Context; use == nil || use.Revision != want || use.Age != 3600 {
		t.Errorf("the decision says %+v, want revision %s, 3600 s old", use, want)
	}
}

func TestDecisionWithoutContextSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tell(alertFact(t0, badIP, "known_bad_address", 4, nil, ent(badIP)))
	if use := w.revision().Decision.Context; use != nil {
		t.Errorf("got %+v of nothing", use)
	}
}

func TestClassOfAnAssetCanBeProtected(t *testing.T) {
	t.Parallel()
	isolate := wants(func(inputView) string {
		return `{"id":"isolate","action":"endpoint.isolate","target":"e:1","ttl":"1h"}`
	})
	f := func(class string, want string) {
		t.Helper()
		w := newWorld(t, func(c *decide.Config, parts *decide.Parts) {
			parts.Decide, parts.Guard = isolate, lax
			c.Never = []string{"class:Domain_Controller"}
		})
		w.known = inventoryOf(t, inventory.Item{Asset: &pipeline.Asset{Kind: "host", Value: "dc-01", Class: class}})
		w.tell(alertFact(t0, "host:dc-01", "x", 4, nil, ent("host:dc-01")))
		if got := w.intent("isolate").Verdict; got != want {
			t.Errorf("%s: %s, want %s", class, got, want)
		}
	}
	f("domain_controller", pipeline.VerdictDeny)
	f("workstation", pipeline.VerdictAllow)
}

// TestCrownAssetIsNotContainedByPolicyAlone holds the shipped guard and the context together.
func TestCrownAssetIsNotContainedByPolicyAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.known = inventoryOf(t, inventory.Item{Asset: &pipeline.Asset{Kind: "host", Value: "dc-01", Criticality: "crown"}})
	rules := []string{"credentials_stolen", "lsass_memory_read"}
	for i, r := range rules {
		w.tell(alertFact(t0+pipeline.Millis(i)*sec, "host:dc-01", r, 5, []string{"T1003.001"}, ent("host:dc-01")))
	}
	if said := w.said(); !slices.Contains(said, "ch_isolate_1 host:dc-01 approve") {
		t.Errorf("said %q, want that isolation waits for a person", said)
	}
}
