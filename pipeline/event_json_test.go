package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// oddStrings are values that an encoder can get wrong.
var oddStrings = []string{
	"", "plain", `quote " and \ slash`, "tab\tline\nreturn\rbell\a", "1234567\"", "12345678\\",
	"\u00e9\u4e16\U0001f600", "\u202eevil\u200b", "nul\x00", strings.Repeat("long ", 300),
}

func randomEvent(rng *rand.Rand) Event {
	str := func() string { return oddStrings[rng.IntN(len(oddStrings))] }
	e := Event{
		ID: HashID("event", str(), str()), Tenant: "t" + str(), Source: "suricata", Class: ClassProcessActivity,
		Activity: uint8(rng.IntN(100)), Severity: uint8(rng.IntN(7)), Flags: Flags(rng.IntN(int(flagEnd))), Fate: FateLive,
		At: Millis(rng.Int64N(1 << 41)), Ingested: Millis(rng.Int64N(1 << 41)), Partition: rng.Int32N(100), Offset: rng.Int64(),
		Attrs: []Attr{}, Entities: []Entity{}, Unmapped: []byte(`{"a":{"b":[1,2,{"c":"\"}]"}]} , "d":"\\"}`),
	}
	for f := FieldNone + 1; f < fieldCount; f++ {
		if rng.IntN(3) > 0 {
			continue
		}
		v := Value{Kind: f.Kind()}
		switch v.Kind {
		case KindString:
			v.Str = str()
		case KindInt:
			v.Int = rng.Int64() - rng.Int64()
		case KindBool:
			v.Int = rng.Int64N(2)
		case KindNone, KindFloat:
			panic("BUG: no field has this kind: " + f.String())
		case KindList:
			v.Str = `["a","\u0062\"]", "c"]`
		}
		e.Attrs = append(e.Attrs, Attr{f, v})
	}
	for range rng.IntN(5) {
		e.Entities = append(e.Entities, Entity{EntityKind(1 + rng.IntN(9)), str(), str(), rng.IntN(2) == 0})
	}
	return e
}

func TestEventReadsBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, seed))
	var got Event
	for i := range 2000 {
		want := randomEvent(rng)
		value := want.AppendJSON(nil)
		if !json.Valid(value) {
			t.Fatalf("seed %d, event %d: invalid JSON %s", seed, i, value)
		}
		var arena Arena
		if err := DecodeEvent(value, &got, &arena); err != nil {
			t.Fatalf("seed %d, event %d: %v in %s", seed, i, err, value)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d, event %d:\ngot  %+v\nwant %+v\nform %s", seed, i, got, want, value)
		}
	}
}

func TestEventJSONNestsMembersUnderOneObject(t *testing.T) {
	t.Parallel()
	e := Event{
		ID: HashID("event", "x"), Tenant: "acme", Source: "windows", Class: ClassRegistryValue, Activity: 2, Severity: 1,
		At: 1000, Ingested: 2000, Flags: FlagDemo | FlagClockSkew, Partition: 3, Offset: 9,
		Attrs: []Attr{
			{FieldDeviceHostname, Value{Kind: KindString, Str: "ws1"}},
			{FieldMetadataEventCode, Value{Kind: KindString, Str: "13"}},
			{FieldMetadataProductName, Value{Kind: KindString, Str: "Sysmon"}},
			{FieldMetadataProductVendorName, Value{Kind: KindString, Str: "Microsoft"}},
			{FieldProcessFileHashesMD5, Value{Kind: KindString, Str: "aa"}},
			{FieldProcessFilePath, Value{Kind: KindString, Str: `C:\x`}},
			{FieldProcessPID, Value{Kind: KindInt, Int: 7}},
		},
		Entities: []Entity{{EntityHost, "ws1", "device", false}, {EntityUser, "bob", "user", true}},
		Unmapped: []byte(`{"EventID":13}`),
	}
	want := `{"class_uid":201002,"category_uid":1,"activity_id":2,"type_uid":20100202,"severity_id":1,"time":1000,` +
		`"metadata":{"version":"1.8.0","uid":"` + e.ID.String() + `","tenant_uid":"acme","log_name":"windows","logged_time":2000,` +
		`"labels":["demo","clock_skew"],"event_code":"13","product":{"name":"Sysmon","vendor_name":"Microsoft"}},` +
		`"device":{"hostname":"ws1"},"process":{"file":{"hashes":{"md5":"aa"},"path":"C:\\x"},"pid":7},` +
		`"observables":[{"name":"device","type":"host","type_id":1,"value":"ws1","origin":"sensor"},` +
		`{"name":"user","type":"user","type_id":4,"value":"bob","origin":"content"}],` +
		`"raw_ref":{"partition":3,"offset":9},"unmapped":{"EventID":13}}`
	if got := string(e.AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDecodeEventRefusesWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "null", "[]", "{", `{"time":}`, `{"time":1.5}`, `{"time":"1"}`, `{"class_uid":-1}`, `{"severity_id":256}`,
		`{"metadata":{"uid":"x"}}`, `{"unmapped":{"a":1}`, `{"message":"\x"}`, `{"a":1}{}`, `{"a" 1}`, `{"unmapped":` + strings.Repeat("[", 50),
	} {
		var e Event
		err := DecodeEvent([]byte(in), &e, new(Arena))
		if f, reason := FaultOf(err); f != FaultReject || reason != "malformed" {
			t.Errorf("%s: got %v (%v), want a Reject", in, err, f)
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		e := randomEvent(rng)
		f.Add(e.AppendJSON(nil))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var arena Arena
		var one, two Event
		if DecodeEvent(value, &one, &arena) != nil {
			return
		}
		first := one.AppendJSON(nil)
		if err := DecodeEvent(first, &two, &arena); err != nil {
			t.Fatalf("cannot read back %s: %v", first, err)
		}
		if second := two.AppendJSON(nil); !bytes.Equal(first, second) {
			t.Fatalf("%s\nbecame\n%s", first, second)
		}
	})
}

func randomSignal(rng *rand.Rand) Signal {
	str := func() string { return oddStrings[rng.IntN(len(oddStrings))] }
	list := func() []string {
		l := make([]string, rng.IntN(4))
		for i := range l {
			l[i] = str()
		}
		return l
	}
	s := Signal{
		ID: HashID("signal", str()), Event: HashID("event", str()), Tenant: str(), Rule: str(), Step: str(), Source: str(),
		Class: Class(rng.Uint32()), Severity: uint8(rng.IntN(256)), Title: str(), Group: list(), Tactics: list(), Techniques: list(),
		Entities: []EntityValue{}, Flags: list(), At: Millis(rng.Int64()), Ingested: Millis(rng.Int64()),
	}
	for range rng.IntN(3) {
		s.Entities = append(s.Entities, EntityValue{str(), str(), str(), rng.IntN(2) == 0})
	}
	if rng.IntN(2) == 0 {
		s.Fields = map[string]string{str(): str(), "b": str(), "a": str()}
	}
	return s
}

func TestSignalReadsBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	const seed = 3
	rng := rand.New(rand.NewPCG(seed, seed))
	for i := range 500 {
		want := randomSignal(rng)
		got := Signal{Group: []string{}, Tactics: []string{}, Techniques: []string{}, Flags: []string{}, Entities: []EntityValue{}}
		value := want.AppendJSON(nil)
		if err := DecodeSignal(value, &got, new(Arena)); err != nil {
			t.Fatalf("seed %d, signal %d: %v in %s", seed, i, err, value)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d, signal %d:\ngot  %+v\nwant %+v\nform %s", seed, i, got, want, value)
		}
		var std Signal
		if err := json.Unmarshal(value, &std); err != nil || std.ID != want.ID || std.Title != want.Title {
			t.Fatalf("seed %d, signal %d: encoding/json reads %+v, %v from %s", seed, i, std, err, value)
		}
	}
}

func FuzzDecodeSignal(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		s := randomSignal(rng)
		f.Add(s.AppendJSON(nil))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var arena Arena
		var one, two Signal
		if DecodeSignal(value, &one, &arena) != nil {
			return
		}
		first := one.AppendJSON(nil)
		if err := DecodeSignal(first, &two, &arena); err != nil {
			t.Fatalf("cannot read back %s: %v", first, err)
		}
		if second := two.AppendJSON(nil); !bytes.Equal(first, second) {
			t.Fatalf("%s\nbecame\n%s", first, second)
		}
	})
}

func TestPublishSendsLiveEventsAndSignals(t *testing.T) {
	t.Parallel()
	b := Batch{Topic: "raw.zeek", Events: []Event{
		{ID: HashID("event", "1"), Tenant: "acme", Fate: FateLive, Entities: []Entity{{Kind: EntityIP, Value: "10.0.0.1"}}},
		{ID: HashID("event", "2"), Tenant: "acme", Fate: FateDuplicate},
		{ID: HashID("event", "3"), Tenant: "other", Fate: FateLive},
	}, Signals: []Signal{
		{ID: HashID("signal", "1"), Tenant: "acme", Rule: "r", Group: []string{"x", "y"}},
		{ID: HashID("signal", "2"), Tenant: "acme", Rule: "r", Step: "s"},
	}}
	if err := new(Publish).Process(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	want := []struct{ topic, key, schema, tenant string }{
		{TopicEvents, "acme\x1fip:10.0.0.1", "event/1", "acme"},
		{TopicEvents, "other\x1f" + b.Events[2].ID.String(), "event/1", "other"},
		{TopicSignals, "acme\x1fx\x1fy", "signal/1", "acme"},
		{TopicSignals, "acme\x1fs", "signal/1", "acme"},
	}
	if len(b.Out) != len(want) {
		t.Fatalf("got %d messages, want %d", len(b.Out), len(want))
	}
	for i, w := range want {
		m := b.Out[i]
		r := Record{Headers: m.Headers}
		if m.Topic != w.topic || string(m.Key) != w.key || string(r.Header(HeaderSchema)) != w.schema || string(r.Header(HeaderTenant)) != w.tenant {
			t.Errorf("message %d: got %s %q %q, want %v", i, m.Topic, m.Key, m.Headers, w)
		}
		if !json.Valid(m.Value) {
			t.Errorf("message %d: invalid JSON %s", i, m.Value)
		}
	}
	if id := (&Record{Headers: b.Out[3].Headers}); string(id.Header(HeaderID)) != b.Signals[1].ID.String() {
		t.Errorf("got id %s, want %v", id.Header(HeaderID), b.Signals[1].ID)
	}
}

func TestPublishAndDecodeAllocateNothingPerEvent(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	events := make([]Event, 50)
	for i := range events {
		events[i] = randomEvent(rng)
	}
	var b Batch
	p := new(Publish)
	ctx := context.Background()
	var arena Arena
	var e Event
	run := func() {
		b.Reset()
		b.Events = append(b.Events, events...)
		if err := p.Process(ctx, &b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Out {
			if err := DecodeEvent(b.Out[i].Value, &e, &arena); err != nil {
				t.Fatal(err)
			}
		}
		arena.Reset()
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("got %v allocations per batch of %d events, want 0", n, len(events))
	}
}
