package pipeline

import (
	"bytes"
	"testing"
)

func sampleFact() *Fact {
	return &Fact{
		ID: HashID("fact", "1"), Tenant: "acme", Group: "ip:10.0.0.1", Kind: FactAlert, Ref: HashID("alert", "1"),
		Time: 1000, Actor: "engine", Summary: "five failures",
		Alert: &Alert{
			ID: HashID("alert", "1"), Tenant: "acme", Rule: "brute_force", Kind: AlertThreshold, Revision: 1, Severity: 4,
			Title: "Brute force", Sources: []string{"okta"}, Group: []string{"10.0.0.1"},
			Entities: []EntityValue{{Kind: "ip", Value: "10.0.0.1", Role: "src"}}, Signals: 5,
			Evidence: []ID{HashID("signal", "1")}, Trigger: HashID("signal", "1"), Fate: "incident", Occurred: 1, Triggered: 2, Ingested: 3,
		},
	}
}

func TestFactReadsBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	first := sampleFact().AppendJSON(nil)
	f, err := DecodeFact(first)
	if err != nil {
		t.Fatal(err)
	}
	if second := f.AppendJSON(nil); !bytes.Equal(first, second) {
		t.Errorf("got\n%s\nwant\n%s", second, first)
	}
}

func TestBrokenFactIsRejected(t *testing.T) {
	t.Parallel()
	f := func(name, value string) {
		t.Helper()
		_, err := DecodeFact([]byte(value))
		if fault, reason := FaultOf(err); fault != FaultReject || reason != "malformed" {
			t.Errorf("%s: got %v (%v %s), want a reject", name, err, fault, reason)
		}
	}
	f("no JSON", `{`)
	f("no id", `{"tenant":"a","group":"ip:1","kind":"ack"}`)
	f("alert without alert", `{"fact_id":"00000000-0000-0000-0000-000000000001","tenant":"a","group":"ip:1","kind":"alert"}`)
}

func FuzzDecodeFact(f *testing.F) {
	f.Add(sampleFact().AppendJSON(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		if fact, err := DecodeFact(value); err == nil {
			if _, err := DecodeFact(fact.AppendJSON(nil)); err != nil {
				t.Errorf("%s was read, but not what it was written as: %v", value, err)
			}
		}
	})
}
