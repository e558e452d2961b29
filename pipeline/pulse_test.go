package pipeline

import (
	"fmt"
	"strings"
	"testing"
)

func TestPulseTellsEachMinuteOfASourceOnceItIsCommitted(t *testing.T) {
	t.Parallel()
	var p Pulse
	beat := func(ats ...Millis) string {
		b := &Batch{}
		for _, at := range ats {
			b.Events = append(b.Events, Event{Fate: FateLive, Tenant: "acme", Source: "zeek", At: at})
		}
		b.Events = append(b.Events, Event{Fate: FateDuplicate, Tenant: "other", Source: "zeek", At: 1})
		if err := p.Process(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, m := range b.Out {
			c, err := DecodeControl(m.Value)
			if err != nil || !m.Everywhere || m.Topic != TopicSignals || !IsControl(&Record{Headers: m.Headers}) || c.Kind != ControlAlive {
				t.Fatalf("%+v, %v", m, err)
			}
			told = append(told, fmt.Sprintf("%s/%s@%d", c.Tenant, c.Source, c.At))
		}
		return strings.Join(told, " ")
	}
	f := func(name, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: told %q, want %q", name, got, want)
		}
	}
	f("first", beat(61_000, 62_000, 121_000), "acme/zeek@61000 acme/zeek@121000")
	p.Rollback()
	f("after an abort", beat(122_000), "acme/zeek@122000")
	p.Commit()
	f("same minute", beat(130_000, 70_000), "")
	f("next minute", beat(180_000), "acme/zeek@180000")
}

func FuzzDecodeControl(f *testing.F) {
	f.Add([]byte(`{"kind":"alive","tenant":"a","source":"zeek","at":1}`))
	f.Add([]byte(`{"kind":"alert","tenant":"a","rule":"r","alert":"00000000-0000-0000-0000-000000000001","until":5,"entities":[{"kind":"host","value":"h"}]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if _, err := DecodeControl(value); err != nil {
			if fault, _ := FaultOf(err); fault != FaultReject {
				t.Errorf("%v is %v, want a reject", err, fault)
			}
		}
	})
}
