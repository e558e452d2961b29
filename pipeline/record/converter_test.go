package record

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

// rec is a record at offset with a value that is JSON already, or a value to encode.
func rec(t *testing.T, offset int64, value any, headers ...string) pipeline.Record {
	t.Helper()
	r := pipeline.Record{Offset: offset, Time: 5000 + pipeline.Millis(offset)}
	switch v := value.(type) {
	case string:
		r.Value = []byte(v)
	case *pipeline.Event:
		r.Value = v.AppendJSON(nil)
	case *pipeline.Signal:
		r.Value = v.AppendJSON(nil)
	default:
		var err error
		if r.Value, err = json.Marshal(value); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, pipeline.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

func block(topic string, records ...pipeline.Record) *pipeline.Block {
	return &pipeline.Block{Topic: topic, Partition: 3, From: records[0].Offset, To: records[len(records)-1].Offset + 1, Records: records}
}

// check converts a block and compares all its rows with want, "table: row" per line.
func check(t *testing.T, c *Converter, blk *pipeline.Block, want ...string) {
	t.Helper()
	var got []string
	for _, tab := range c.Convert(blk) {
		for line := range strings.SplitSeq(dump(t, tab), "\n") {
			got = append(got, tab.Name+": "+line)
		}
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

func str(f pipeline.Field, s string) pipeline.Attr {
	return pipeline.Attr{Field: f, Value: pipeline.Value{Kind: pipeline.KindString, Str: s}}
}

func num(f pipeline.Field, n int64) pipeline.Attr {
	return pipeline.Attr{Field: f, Value: pipeline.Value{Kind: pipeline.KindInt, Int: n}}
}

func TestEventFillsColumnsAndLeavesTheRestAsPairs(t *testing.T) {
	t.Parallel()
	network := &pipeline.Event{
		ID: id("event"), Tenant: "acme", Source: "zeek", Class: 4001, Activity: 6, Severity: 1,
		At: 1000, Ingested: 2000, Flags: pipeline.FlagDemo | pipeline.FlagLate, Partition: 7, Offset: 70,
		Attrs: []pipeline.Attr{
			str(pipeline.FieldConnectionInfoUID, "C1"),
			str(pipeline.FieldDeviceHostname, "WS-1.Example"),
			str(pipeline.FieldDstEndpointIP, "2001:db8::1"), num(pipeline.FieldDstEndpointPort, 443),
			str(pipeline.FieldSrcEndpointIP, "10.0.0.1"), num(pipeline.FieldSrcEndpointPort, 70000),
			num(pipeline.FieldTrafficBytesIn, 12),
		},
		Unmapped: []byte(`{"id.orig_h":"10.0.0.1","deep":{"a":[1,2]},"none":null}`),
	}
	process := &pipeline.Event{
		ID: id("event"), Tenant: "acme", Source: "windows", Class: 1007, Activity: 1, At: 1, Ingested: 2,
		Attrs: []pipeline.Attr{
			str(pipeline.FieldActorUserName, "anna"), str(pipeline.FieldProcessCmdLine, `"a" b`),
			str(pipeline.FieldProcessFileHashesSHA256, "AB12"), str(pipeline.FieldProcessFilePath, `C:\x\y.exe`), str(pipeline.FieldProcessName, "y.exe"),
			num(pipeline.FieldProcessPID, 4242), str(pipeline.FieldSrcEndpointIP, "fe80::1%eth0"), str(pipeline.FieldUserName, "bob"),
		},
	}
	check(t, New(), block(pipeline.TopicEvents, rec(t, 11, network), rec(t, 12, process)),
		"events: tenant=acme source=zeek class=4001 activity=6 severity=1 at=1000 ingested=2000 normalised=5011 event_id=event flags=[demo, late]"+
			" host=ws-1.example src_ip=10.0.0.1 dst_ip=2001:db8::1 dst_port=443"+
			" attrs=[id.orig_h:10.0.0.1, deep.a:[1,2], connection_info.uid:C1, src_endpoint.port:70000, traffic.bytes_in:12]"+
			" raw_partition=7 raw_offset=70 topic=events partition=3 offset=11",
		`events: tenant=acme source=windows class=1007 activity=1 at=1 ingested=2 normalised=5012 event_id=event pid=4242 sha256=ab12 user=anna`+
			` process=y.exe process_path=C:\x\y.exe cmdline="a" b attrs=[src_endpoint.ip:fe80::1%eth0, user.name:bob] topic=events partition=3 offset=12`)
}

func TestPathThatTheVendorHasTooIsKeptOnce(t *testing.T) {
	t.Parallel()
	e := &pipeline.Event{
		ID: id("event"), Tenant: "acme", Source: "ocsf", At: 1, Ingested: 1,
		Attrs:    []pipeline.Attr{str(pipeline.FieldAppName, "app"), str(pipeline.FieldStatusCode, "0")},
		Unmapped: []byte(`{"app_name":"app"}`),
	}
	check(t, New(), block(pipeline.TopicEvents, rec(t, 1, e), rec(t, 2, e)),
		"events: tenant=acme source=ocsf at=1 ingested=1 normalised=5001 event_id=event attrs=[app_name:app, status_code:0] topic=events partition=3 offset=1",
		"events: tenant=acme source=ocsf at=1 ingested=1 normalised=5002 event_id=event attrs=[app_name:app, status_code:0] topic=events partition=3 offset=2")
}

func TestSignalBecomesARow(t *testing.T) {
	t.Parallel()
	s := &pipeline.Signal{
		ID: id("signal"), Event: id("event"), Tenant: "acme", Rule: "brute_force", Step: "spray", Source: "okta", Class: 3002, Severity: 3, Title: "T",
		Group: []string{"10.0.0.1", "anna"}, Tactics: []string{"TA0006"}, Techniques: []string{"T1110", "T1110.003"},
		Entities: []pipeline.EntityValue{{Kind: "ip", Value: "10.0.0.1", Role: "src"}, {Kind: "user", Value: "anna"}}, Flags: []string{"demo"}, At: 1, Ingested: 2,
	}
	check(t, New(), block(pipeline.TopicSignals, rec(t, 9, s)),
		"signals: tenant=acme rule=brute_force step=spray signal_id=signal event_id=event source=okta class=3002 severity=3 title=T tactics=[TA0006]"+
			" techniques=[T1110, T1110.003] group_key=10.0.0.1|anna entities=[ip:10.0.0.1, user:anna] flags=[demo] at=1 ingested=2 normalised=5009"+
			" topic=signals partition=3 offset=9")
}

func TestAlertFactIsAFactAndAnAlert(t *testing.T) {
	t.Parallel()
	f := &pipeline.Fact{
		ID: id("fact"), Tenant: "acme", Group: "host:ws1", Kind: pipeline.FactAlert, Ref: id("alert"), Time: 1500, Actor: "engine", Summary: "brute force",
		Alert: &pipeline.Alert{
			ID: id("alert"), Tenant: "acme", Rule: "brute_force", Kind: "threshold", Revision: 2, Severity: 4, Title: "B", Sources: []string{"okta"},
			Group: []string{"ws1"}, Entities: []pipeline.EntityValue{{Kind: "host", Value: "ws1"}}, Signals: 20, Evidence: []pipeline.ID{id("signal"), id("signal2")},
			Trigger: id("signal2"), Event: id("event"), Risk: 1.5, Fate: "incident", Flags: []string{"demo"}, Occurred: 1000, Triggered: 1500, Ingested: 1600,
		},
	}
	r := rec(t, 4, f, pipeline.HeaderTimes, `{"normalised":1700}`)
	check(t, New(), block(pipeline.TopicFacts, r),
		"facts: tenant=acme incident_group=host:ws1 fact_id=fact kind=alert ref=alert actor=engine summary=brute force time=1500 flags=[demo] body="+string(r.Value)+
			" at=5004 topic=facts partition=3 offset=4",
		"alert_log: tenant=acme rule=brute_force kind=threshold alert_id=alert revision=2 severity=4 title=B sources=[okta] group_key=ws1 incident_group=host:ws1"+
			" entities=[host:ws1] signals=20 evidence=[signal, signal2] trigger=signal2 event_id=event risk=1.5 fate=incident flags=[demo] occurred=1000 triggered=1500"+
			" ingested=1600 normalised=1700 at=5004 topic=facts partition=3 offset=4")
}

func TestOtherFactIsNoAlert(t *testing.T) {
	t.Parallel()
	f := &pipeline.Fact{ID: id("fact"), Tenant: "acme", Group: "host:ws1", Kind: pipeline.FactOutcome, Ref: id("intent"), Outcome: &pipeline.Outcome{Flags: []string{"demo"}}}
	r := rec(t, 4, f)
	check(t, New(), block(pipeline.TopicFacts, r),
		"facts: tenant=acme incident_group=host:ws1 fact_id=fact kind=outcome ref=intent flags=[demo] body="+string(r.Value)+" at=5004 topic=facts partition=3 offset=4")
}

func revision(n uint64) *pipeline.Revision {
	return &pipeline.Revision{
		Incident: pipeline.Incident{
			ID: id("incident"), Tenant: "acme", Group: "host:ws1", Revision: n, Status: "open", Priority: 2, Title: "T", Rules: []string{"r"}, Sources: []string{"okta"},
			Entities: []pipeline.EntityValue{{Kind: "host", Value: "ws1"}}, Alerts: []pipeline.ID{id("alert")}, AlertCount: 1, WantsAction: true,
			Flags: []string{"demo"}, Occurred: 1000, Triggered: 1500, Ingested: 1600, ActionStarted: 3000,
		},
		Decision: pipeline.Decision{
			ID: id("decision"), Bundle: "b1", Guard: "g1", Engine: "topdown", Priority: 2, Playbook: pipeline.PlaybookRef{ID: "p", Version: "v1"},
			Reasons: []pipeline.Reason{{Code: "c", Text: "because"}}, Steps: []pipeline.Step{{ID: "s"}, {ID: "t"}}, Added: 2, InputDigest: "d1",
		},
		Fact: pipeline.FactRef{ID: id("fact"), Kind: "alert", Ref: id("alert")},
	}
}

func TestRevisionIsAnIncidentAndADecision(t *testing.T) {
	t.Parallel()
	first := rec(t, 1, revision(1), pipeline.HeaderTimes, `{"detected":2000,"normalised":1700}`)
	later := rec(t, 2, revision(2), pipeline.HeaderTimes, `{"detected":2000,"verified":4000}`)
	doc, err := json.Marshal(&revision(1).Decision)
	if err != nil {
		t.Fatal(err)
	}
	incident := func(n, times, offset string) string {
		return "incident_log: tenant=acme incident_id=incident incident_group=host:ws1 revision=" + n + " status=open priority=2 title=T rules=[r] sources=[okta]" +
			" entities=[host:ws1] alerts=1 alert_ids=[alert] origin=live wants_action=1 flags=[demo] occurred=1000 triggered=1500 ingested=1600 detected=2000 " + times +
			" fact_id=fact fact_kind=alert fact_ref=alert at=500" + offset + " topic=decisions partition=3 offset=" + offset
	}
	decision := func(n string) string {
		return "decisions: tenant=acme incident_id=incident revision=" + n + " decision_id=decision mode=live bundle=b1 guard=g1 engine=topdown priority=2 playbook=p" +
			" playbook_version=v1 reason_codes=[c] reasons=[because] steps=2 added=2 input_digest=d1 flags=[demo] body=" + string(doc) +
			" at=500" + n + " topic=decisions partition=3 offset=" + n
	}
	check(t, New(), block(pipeline.TopicDecisions, first, later),
		// the first decision is this record; a later revision does not know it
		incident("1", "normalised=1700 decided=5001 action_started=3000", "1"),
		incident("2", "action_started=3000 verified=4000", "2"),
		decision("1"), decision("2"))
}

func TestIntentAndOutcomeBecomeRows(t *testing.T) {
	t.Parallel()
	in := rec(t, 1, &pipeline.Intent{
		ID: id("intent"), Tenant: "acme", Incident: id("incident"), Group: "host:ws1", Decision: id("decision"), Revision: 3, Want: "present", Playbook: "p",
		Step: "s", Action: "ip.block", Effect: pipeline.EffectBlock, Connector: "edl", Target: pipeline.EntityValue{Kind: "ip", Value: "192.0.2.1"}, TTL: 3600,
		Verdict: "approve", Reasons: []pipeline.Reason{{Code: "cap", Text: "too many"}}, Need: 1, Got: []string{"anna"}, Mode: "live", Created: 900,
		Digest: "d", OnExpiry: "undo", Priority: 2, Flags: []string{"demo"},
	})
	c := New()
	check(t, c, block(pipeline.TopicIntents, in),
		"intents: tenant=acme intent_id=intent revision=3 want=present incident_id=incident incident_group=host:ws1 decision_id=decision playbook=p step=s"+
			" action=ip.block effect=block connector=edl target_kind=ip target=192.0.2.1 mode=live verdict=approve why=[too many] why_codes=[cap] approvals=1"+
			" approved_by=[anna] ttl=3600 on_expiry=undo priority=2 digest=d flags=[demo] body="+string(in.Value)+" time=900 at=5001 topic=intents partition=3 offset=1")
	check(t, c, block(pipeline.TopicOutcomes, rec(t, 2, &pipeline.Outcome{
		Intent: id("intent"), Seq: 2, Tenant: "acme", Incident: id("incident"), Group: "host:ws1", Connector: "edl", Action: "ip.block", Effect: pipeline.EffectBlock,
		Step: "s", Target: pipeline.EntityValue{Kind: "ip", Value: "192.0.2.1"}, Phase: "verify", State: "in_place", Attempt: 1, Started: 100, Done: 200,
		Expires: 9000, VendorRef: "v", Already: true, Actor: "engine", Flags: []string{"demo"}, Result: json.RawMessage(`{"x":1}`),
	})),
		"outcomes: tenant=acme intent_id=intent seq=2 incident_id=incident incident_group=host:ws1 connector=edl action=ip.block effect=block step=s target_kind=ip"+
			` target=192.0.2.1 phase=verify state=in_place attempt=1 started=100 done=200 expires=9000 vendor_ref=v already=1 result={"x":1} flags=[demo] actor=engine`+
			" at=5002 topic=outcomes partition=3 offset=2")
}

func TestRejectKeepsWhereItCameFrom(t *testing.T) {
	t.Parallel()
	r := rec(t, 8, "not JSON", pipeline.HeaderTenant, "acme", pipeline.HeaderDemo, "1",
		pipeline.HeaderRejectTopic, "raw.zeek", pipeline.HeaderRejectPartition, "2", pipeline.HeaderRejectOffset, "77", pipeline.HeaderRejectTime, "1234",
		pipeline.HeaderRejectStage, "ingest", pipeline.HeaderRejectReason, "json", pipeline.HeaderRejectDetail, "at byte 0")
	check(t, New(), block(pipeline.TopicRejects, r),
		"rejects: tenant=acme source=zeek stage=ingest reason=json detail=at byte 0 bytes=8 sample=not JSON flags=[demo] at=1234 in_topic=raw.zeek in_partition=2"+
			" in_offset=77 rejected=5008 topic=rejects partition=3 offset=8")
}

func TestAccountBecomesARow(t *testing.T) {
	t.Parallel()
	a := &pipeline.Account{
		Tenant: "acme", Stage: "ingest", Topic: "raw.zeek", Partition: 2, From: 10, To: 21, Records: 11, Bytes: 900, Live: 8, Duplicate: 2, Rejected: 1, Late: 1,
		FirstAt: 100, LastAt: 200, OldestAt: 4000,
	}
	check(t, New(), block(pipeline.TopicLedger, rec(t, 6, a)),
		"ledger: tenant=acme stage=ingest source=zeek in_topic=raw.zeek in_partition=2 from_offset=10 to_offset=21 records=11 bytes=900 live=8 duplicate=2 rejected=1"+
			" late=1 first_at=100 last_at=200 lag_ms=1006 at=5006 topic=ledger partition=3 offset=6")
}

// TestUnreadableRecordIsARowOfRejects gives each topic a record that is not what its schema
// says, between two that could be anything.
func TestUnreadableRecordIsARowOfRejects(t *testing.T) {
	t.Parallel()
	c := New()
	f := func(topic, value string, headers ...string) {
		t.Helper()
		tables := c.Convert(block(topic, rec(t, 5, value, headers...)))
		if len(tables) != 1 || tables[0].Name != "rejects" || tables[0].Len() != 1 {
			t.Errorf("%s %s: got tables %v, want one row of rejects", topic, value, tables)
			return
		}
		got := dump(t, tables[0])
		want := "in_topic=" + topic + " in_partition=3 in_offset=5 rejected=5005 topic=" + topic + " partition=3 offset=5"
		if !strings.Contains(got, "stage=record reason=malformed detail=") || !strings.HasSuffix(got, want) {
			t.Errorf("%s %s: got %s, want stage record and %s", topic, value, got, want)
		}
	}
	for _, topic := range Topics() {
		f(topic, `{"time":`)
		f(topic, ``)
	}
	f(pipeline.TopicEvents, `{"class_uid":1,"unmapped":{"a":flase1,"b":-}}x`)
	f(pipeline.TopicEvents, `{"class_uid":1,"unmapped":[1]}`)
	f(pipeline.TopicFacts, `{"kind":"alert"}`)
	f(pipeline.TopicFacts, `{"kind":"ack"}`, pipeline.HeaderTimes, "soon")
	f(pipeline.TopicDecisions, `{}`, pipeline.HeaderTimes, "[]")
	f(pipeline.TopicLedger, `{"records":-1}`)
	f(pipeline.TopicRejects, "x", pipeline.HeaderRejectPartition, strconv.Itoa(1<<40), pipeline.HeaderRejectOffset, "1", pipeline.HeaderRejectTime, "1")
	f("state", "{}")
}

// TestUnreadableRecordLeavesTheOthersWhole puts an event that fails in the middle of its
// attributes between two good ones.
func TestUnreadableRecordLeavesTheOthersWhole(t *testing.T) {
	t.Parallel()
	good := &pipeline.Event{ID: id("event"), Tenant: "acme", Source: "zeek", At: 1, Ingested: 1, Unmapped: []byte(`{"a":"1"}`)}
	row := func(offset string) string {
		return "events: tenant=acme source=zeek at=1 ingested=1 normalised=500" + offset + " event_id=event attrs=[a:1] topic=events partition=3 offset=" + offset
	}
	bad := `{"class_uid":1,"unmapped":{"b":"2","c":_}}`
	check(t, New(), block(pipeline.TopicEvents, rec(t, 1, good), rec(t, 2, bad), rec(t, 3, good)), row("1"), row("3"),
		"rejects: stage=record reason=malformed detail=event: malformed JSON at byte 39 bytes="+strconv.Itoa(len(bad))+" sample="+bad+
			" at=5002 in_topic=events in_partition=3 in_offset=2 rejected=5002 topic=events partition=3 offset=2")
}

func TestEqualBlocksGiveEqualRowsInReusedMemory(t *testing.T) {
	t.Parallel()
	used := New()
	other := &pipeline.Event{
		ID: id("event"), Tenant: "other", Source: "okta", Flags: pipeline.FlagDemo, Unmapped: []byte(`{"x":"y","z":["q"]}`),
		Attrs: []pipeline.Attr{str(pipeline.FieldDeviceHostname, "h"), str(pipeline.FieldUserName, "u")},
	}
	mine := &pipeline.Event{ID: id("event"), Tenant: "acme", Source: "zeek", At: 1, Ingested: 2, Unmapped: []byte(`{"a\u0041":"1\n"}`)}
	used.Convert(block(pipeline.TopicEvents, rec(t, 1, other), rec(t, 2, other), rec(t, 3, "broken")))
	blk := block(pipeline.TopicEvents, rec(t, 4, mine))
	want := "events: tenant=acme source=zeek at=1 ingested=2 normalised=5004 event_id=event attrs=[aA:1\n] topic=events partition=3 offset=4"
	got, fresh := used.Convert(blk), New().Convert(blk)
	if len(got) != 1 || len(fresh) != 1 {
		t.Fatalf("got %d and %d tables, want 1", len(got), len(fresh))
	}
	if a, b := dump(t, got[0]), dump(t, fresh[0]); a != b || "events: "+a != want {
		t.Errorf("reused: %s\nfresh:  %s\nwant:   %s", a, b, want)
	}
}

func TestEventRowsAllocateNothingOnceWarm(t *testing.T) {
	e := &pipeline.Event{
		ID: id("event"), Tenant: "acme", Source: "windows", Class: 1007, Activity: 1, At: 1, Ingested: 2, Flags: pipeline.FlagDemo,
		Attrs: []pipeline.Attr{
			str(pipeline.FieldDeviceHostname, "WS1"), num(pipeline.FieldProcessPID, 1), str(pipeline.FieldProcessName, "x"), str(pipeline.FieldSrcEndpointIP, "10.0.0.1"),
		},
		Unmapped: []byte(`{"EventID":1,"Message":"a\tb\u0041","Deep":{"List":[1,2],"Flag":true}}`),
	}
	c := New()
	records := make([]pipeline.Record, 100)
	for i := range records {
		records[i] = rec(t, int64(i), e)
	}
	blk := block(pipeline.TopicEvents, records...)
	c.Convert(blk)
	allocs := testing.AllocsPerRun(20, func() { c.Convert(blk) })
	// A block relearns the words of its dictionaries, some 30 here, and makes two small lists.
	if allocs > 60 {
		t.Errorf("got %v allocations for 100 events, want at most 60 for the block", allocs)
	}
}

func BenchmarkEvents(b *testing.B) {
	e := &pipeline.Event{
		ID: id("event"), Tenant: "acme", Source: "windows", Class: 1007, Activity: 1, At: 1, Ingested: 2,
		Attrs: []pipeline.Attr{
			str(pipeline.FieldDeviceHostname, "ws1"), str(pipeline.FieldProcessCmdLine, strings.Repeat("x ", 60)), str(pipeline.FieldProcessFilePath, `C:\Windows\System32\x.exe`),
			str(pipeline.FieldProcessName, "x.exe"), num(pipeline.FieldProcessPID, 1), str(pipeline.FieldSrcEndpointIP, "10.0.0.1"),
		},
	}
	vendor := map[string]string{}
	for i := range 26 {
		vendor["Field"+strconv.Itoa(i)] = strings.Repeat("v", 10+i)
	}
	e.Unmapped, _ = json.Marshal(vendor)
	records := make([]pipeline.Record, 1000)
	for i := range records {
		records[i] = pipeline.Record{Offset: int64(i), Value: e.AppendJSON(nil)}
	}
	blk := &pipeline.Block{Topic: pipeline.TopicEvents, To: 1000, Records: records}
	c := New()
	b.ReportAllocs()
	b.SetBytes(int64(len(records) * len(records[0].Value)))
	for b.Loop() {
		c.Convert(blk)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/event")
}
