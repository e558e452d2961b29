package clickhouse_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/record"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
	"github.com/riposte-sec/riposte/sinks/clickhouse/chtest"
	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

func newWriter(s *clickhouse.Store) *clickhouse.Writer {
	return clickhouse.NewWriter(s, func() clickhouse.Rows { return record.New() })
}

func id(name string) pipeline.ID { return pipeline.HashID("test", name) }

// noon is a time from which tests count.
const noon = pipeline.Millis(1_793_880_000_000) // 2026-11-05 12:00:00

func record1(t *testing.T, offset int64, at pipeline.Millis, value any, headers ...string) pipeline.Record {
	t.Helper()
	r := pipeline.Record{Offset: offset, Time: at}
	switch v := value.(type) {
	case *pipeline.Event:
		r.Value = v.AppendJSON(nil)
	case *pipeline.Signal:
		r.Value = v.AppendJSON(nil)
	default:
		var err error
		if r.Value, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, pipeline.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

func blockOf(topic string, partition int32, records ...pipeline.Record) *pipeline.Block {
	return &pipeline.Block{Topic: topic, Partition: partition, From: records[0].Offset, To: records[len(records)-1].Offset + 1, Records: records}
}

// eventBlock is n events from offset from on, spread over three days.
func eventBlock(t *testing.T, partition int32, from int64, n int) *pipeline.Block {
	t.Helper()
	var records []pipeline.Record
	for i := range n {
		at := noon.Add(-time.Duration(i%3) * 24 * time.Hour)
		records = append(records, record1(t, from+int64(i), noon.Add(time.Second), &pipeline.Event{
			ID: id(fmt.Sprint(partition, from, i)), Tenant: "acme", Source: "zeek", Class: 4001, At: at, Ingested: noon, Partition: partition, Offset: int64(i),
			Flags: pipeline.FlagDemo,
			Attrs: []pipeline.Attr{
				{Field: pipeline.FieldDeviceHostname, Value: pipeline.Value{Kind: pipeline.KindString, Str: fmt.Sprintf("ws%d", i%10)}},
				{Field: pipeline.FieldSrcEndpointIP, Value: pipeline.Value{Kind: pipeline.KindString, Str: "10.0.0.1"}},
			},
			Unmapped: []byte(fmt.Sprintf(`{"uid":"C%d","id.orig_h":"10.0.0.1"}`, i)),
		}))
	}
	return blockOf(pipeline.TopicEvents, partition, records...)
}

// count returns the one number that a query gives.
func count(t *testing.T, s *clickhouse.Store, sql string) uint64 {
	t.Helper()
	var got []struct{ N uint64 }
	if err := s.Rows(t.Context(), "SELECT toUInt64("+sql+") AS N", &got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return got[0].N
}

func expect(t *testing.T, s *clickhouse.Store, when string, want map[string]uint64) {
	t.Helper()
	for sql, n := range want {
		if got := count(t, s, sql); got != n {
			t.Errorf("%s: %s is %d, want %d", when, sql, got, n)
		}
	}
}

// eventCounts are what the tables and views on events must say of n events of eventBlock.
func eventCounts(n uint64) map[string]uint64 {
	return map[string]uint64{
		"(SELECT count() FROM riposte.events)":                                                        n,
		"(SELECT uniqExact(topic, partition, offset) FROM riposte.events)":                            n,
		"(SELECT sum(events) FROM riposte.events_hour WHERE demo)":                                    n,
		"(SELECT sum(events) FROM riposte.sightings WHERE kind = 'ip' AND value = '10.0.0.1')":        n,
		"(SELECT sum(events) FROM riposte.sightings WHERE kind = 'host' AND startsWith(value, 'ws'))": n,
		"(SELECT count() FROM riposte.events WHERE demo AND attrs['id.orig_h'] = '10.0.0.1')":         n,
	}
}

func TestRepeatedBlockChangesNeitherTableNorViews(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	w := newWriter(s)
	first, second := eventBlock(t, 0, 0, 300), eventBlock(t, 0, 300, 300)
	for _, blk := range []*pipeline.Block{first, first, second, first, second} {
		if err := w.Insert(t.Context(), blk); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, s, "after five inserts of two blocks", eventCounts(600))
	got, err := s.Run(t.Context(), "doubles", nil)
	if err != nil || len(got.Rows) != 0 {
		t.Errorf("doubles: got %v, %v, want none", got, err)
	}
}

func TestBlocksAreInsertedByManyAtOnce(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	w := newWriter(s)
	var wg sync.WaitGroup
	for p := range int32(4) {
		blocks := []*pipeline.Block{eventBlock(t, p, 0, 90), eventBlock(t, p, 90, 90)}
		for range 2 { // each block from two sides
			wg.Go(func() {
				for _, blk := range blocks {
					if err := w.Insert(t.Context(), blk); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	expect(t, s, "after 16 inserts of 8 blocks", eventCounts(720))
}

// TestRepeatedBlockIsRefusedAfterTheServerWasKilled is the crash between an insert and the
// commit of its plan, with the server going down as well.
func TestRepeatedBlockIsRefusedAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	chtest.Server(t) // skips where there is none
	dir := t.TempDir()
	up := func() (*embedded.Server, *clickhouse.Store) {
		server, err := embedded.Start(t.Context(), embedded.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		cfg := clickhouse.Default()
		cfg.DSN = "clickhouse://" + server.Addr + "/riposte"
		return server, open(t, cfg)
	}
	server, s := up()
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	blk := eventBlock(t, 1, 0, 300)
	w := newWriter(s)
	if err := w.Insert(t.Context(), blk); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	err := w.Insert(t.Context(), blk)
	if f, reason := pipeline.FaultOf(err); f != pipeline.FaultRetry || reason != "network" {
		t.Errorf("server down: got fault %v (%s) of %v, want retry (network)", f, reason, err)
	}
	server, s = up()
	defer func() {
		_ = s.Close() // the server waits for its clients
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := newWriter(s).Insert(t.Context(), blk); err != nil {
		t.Fatal(err)
	}
	expect(t, s, "after the restart", eventCounts(300))
}

func TestMissingTableStopsAndIsNotRetried(t *testing.T) {
	t.Parallel()
	s := open(t, chtest.Config(t)) // never migrated
	err := newWriter(s).Insert(t.Context(), eventBlock(t, 0, 0, 1))
	if f, reason := pipeline.FaultOf(err); f != pipeline.FaultStop || reason != "schema" {
		t.Errorf("got fault %v (%s) of %v, want stop (schema)", f, reason, err)
	}
}

// story is an incident from its event to its closing, as blocks of all topics.
func story(t *testing.T) []*pipeline.Block {
	t.Helper()
	at := func(ms int) pipeline.Millis { return noon + pipeline.Millis(ms) }
	alert := func(revision uint64) *pipeline.Alert {
		return &pipeline.Alert{
			ID: id("alert"), Tenant: "acme", Rule: "beacon", Kind: pipeline.AlertThreshold, Revision: revision, Severity: 4, Title: "Beacon", Sources: []string{"zeek"},
			Group: []string{"ws1"}, Entities: []pipeline.EntityValue{{Kind: "host", Value: "ws1"}}, Signals: uint32(revision), Evidence: []pipeline.ID{id("signal")},
			Trigger: id("signal"), Event: id("event"), Fate: "incident", Flags: []string{"demo"}, Occurred: at(0), Triggered: at(10_000), Ingested: at(13_000),
		}
	}
	fact := func(name, kind string) *pipeline.Fact {
		return &pipeline.Fact{ID: id(name), Tenant: "acme", Group: "host:ws1", Kind: kind, Time: at(10_000), Actor: "engine", Summary: name}
	}
	opened, grown, contained := fact("opened", pipeline.FactAlert), fact("grown", pipeline.FactAlert), fact("contained", pipeline.FactOutcome)
	opened.Alert, opened.Ref, grown.Alert, grown.Ref = alert(1), id("alert"), alert(2), id("alert")
	contained.Ref, contained.Outcome = id("intent"), &pipeline.Outcome{Intent: id("intent"), Flags: []string{"demo"}}
	rev := func(n uint64, status string, f *pipeline.Fact) *pipeline.Revision {
		return &pipeline.Revision{
			Incident: pipeline.Incident{
				ID: id("incident"), Tenant: "acme", Group: "host:ws1", Revision: n, Status: status, Priority: 2, Title: "Beacon", Rules: []string{"beacon"},
				Sources: []string{"zeek"}, Entities: []pipeline.EntityValue{{Kind: "host", Value: "ws1"}}, Alerts: []pipeline.ID{id("alert")}, AlertCount: 1,
				WantsAction: true, Mode: "auto", Flags: []string{"demo"}, Occurred: at(0), Triggered: at(10_000), Ingested: at(13_000),
			},
			Decision: pipeline.Decision{ID: id(fmt.Sprint("decision", n)), Priority: 2, Mode: "live"},
			Fact:     pipeline.FactRef{ID: f.ID, Kind: f.Kind, Ref: f.Ref},
		}
	}
	intent := &pipeline.Intent{
		ID: id("intent"), Tenant: "acme", Incident: id("incident"), Group: "host:ws1", Revision: 1, Want: pipeline.WantPresent,
		Action: "endpoint.isolate", Verdict: pipeline.VerdictApprove, Need: 1, Flags: []string{"demo"},
	}
	allowed := *intent
	allowed.Revision, allowed.Verdict, allowed.Got = 2, pipeline.VerdictAllow, []string{"anna"}
	outcome := func(seq uint32, phase, state string) *pipeline.Outcome {
		return &pipeline.Outcome{Intent: id("intent"), Seq: seq, Tenant: "acme", Incident: id("incident"), Phase: phase, State: state, Flags: []string{"demo"}}
	}
	times := `{"normalised":%d,"detected":%d,"verified":%d}`
	return []*pipeline.Block{
		blockOf(pipeline.TopicSignals, 1, record1(t, 1, at(14_000), &pipeline.Signal{ID: id("signal"), Event: id("event"), Tenant: "acme", Rule: "beacon", At: at(10_000), Flags: []string{"demo"}})),
		blockOf(pipeline.TopicFacts, 2,
			record1(t, 5, at(14_500), opened, pipeline.HeaderTimes, fmt.Sprintf(`{"normalised":%d}`, at(14_000))),
			record1(t, 8, at(60_000), grown, pipeline.HeaderTimes, fmt.Sprintf(`{"normalised":%d}`, at(59_000))),
			record1(t, 9, at(90_000), contained)),
		blockOf(pipeline.TopicDecisions, 2,
			record1(t, 1, at(14_600), rev(1, "open", opened), pipeline.HeaderTimes, fmt.Sprintf(times, at(14_000), at(14_500), 0)),
			record1(t, 2, at(60_100), rev(2, "open", grown), pipeline.HeaderTimes, fmt.Sprintf(times, at(14_000), at(14_500), 0)),
			record1(t, 4, at(90_100), rev(3, "contained", contained), pipeline.HeaderTimes, fmt.Sprintf(times, at(14_000), at(14_500), at(90_000)))),
		blockOf(pipeline.TopicIntents, 0, record1(t, 1, at(14_600), intent), record1(t, 3, at(60_000), &allowed)),
		blockOf(pipeline.TopicOutcomes, 0, record1(t, 1, at(70_000), outcome(1, "apply", "in_place")), record1(t, 2, at(80_000), outcome(2, "verify", "in_place"))),
		blockOf(pipeline.TopicRejects, 0, record1(t, 1, at(0), "x", pipeline.HeaderDemo, "1", pipeline.HeaderRejectTopic, "raw.zeek", pipeline.HeaderRejectPartition, "0",
			pipeline.HeaderRejectOffset, "4", pipeline.HeaderRejectTime, fmt.Sprint(int64(at(0))))),
		blockOf(pipeline.TopicLedger, 0,
			record1(t, 1, at(0), &pipeline.Account{Stage: "ingest", Topic: "raw.zeek", From: 0, To: 5, Records: 5, Live: 3, Duplicate: 1, Rejected: 1}),
			record1(t, 2, at(1), &pipeline.Account{Stage: "ingest", Topic: "raw.zeek", From: 5, To: 9, Records: 3, Live: 3})),
	}
}

func TestStoryCanBeReadFromItsViews(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	w := newWriter(s)
	blocks := story(t)
	for range 2 { // the second time changes nothing
		for _, blk := range slices.Backward(blocks) { // in whatever order topics are recorded
			if err := w.Insert(t.Context(), blk); err != nil {
				t.Fatal(err)
			}
		}
	}
	asof := time.UnixMilli(int64(noon) + 120_000).UTC().Format("2006-01-02 15:04:05.000")
	incident := uuid.UUID(id("incident")).String()
	f := func(query string, params map[string]string, want string) {
		t.Helper()
		got, err := s.Run(t.Context(), query, params)
		if err != nil {
			t.Fatal(err)
		}
		if text(got) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", query, text(got), want)
		}
	}
	f("mttd", map[string]string{"asof": asof}, "2 1 0 0 14.5 14.5 14.5")
	f("mttr", map[string]string{"asof": asof, "demo": "1"}, "2 1 1 0 75.5 75.5 75.5 75.5 75.5")
	// 10 s of window, 3 s until the broker had the event, 1 s to the signal, 0.5 s to the alert
	f("detection_parts", nil, "zeek 1 10 3 1 0.5 14.5")
	f("funnel", nil, "8 6 1 1 0 1 1 1 1 1 1 1")
	f("unaccounted", nil, "")
	f("overlaps", nil, "")
	f("doubles", nil, "")
	f("rejects", nil, "zeek   1 "+noon.Time().Format("2006-01-02 15:04:05 -0700 MST"))
	at := func(ms int64) string {
		return (noon + pipeline.Millis(ms)).Time().Format("2006-01-02 15:04:05.999 -0700 MST")
	}
	f("timeline", map[string]string{"incident": incident},
		"1 "+at(14_500)+" alert engine opened open 2\n2 "+at(60_000)+" alert engine grown open 2\n3 "+at(90_000)+" outcome engine contained contained 2")
	expect(t, s, "the story", map[string]uint64{
		"(SELECT count() FROM riposte.alerts WHERE signals = 2 AND revision = 2 AND demo)":                       1,
		"(SELECT count() FROM riposte.alert_incidents WHERE toString(incident_id) = '" + incident + "')":         1,
		"(SELECT count() FROM riposte.incident_log WHERE demo)":                                                  3,
		"(SELECT count() FROM riposte.decisions WHERE demo)":                                                     3,
		"(SELECT count() FROM riposte.facts WHERE demo)":                                                         3,
		"(SELECT count() FROM riposte.intent_state WHERE verdict = 'allow' AND approved_by = ['anna'] AND demo)": 1,
		"(SELECT count() FROM riposte.leases FINAL WHERE phase = 'verify' AND state = 'in_place' AND demo)":      1,
		"(SELECT count() FROM riposte.signals WHERE demo)":                                                       1,
		"(SELECT count() FROM riposte.rejects WHERE demo)":                                                       1,
		"(SELECT sum(alerts) FROM riposte.rule_day WHERE demo)":                                                  1,
		"(SELECT dateDiff('millisecond', detected, decided) FROM riposte.incident_times(asof = '" + asof + "'))": 100,
		"(SELECT JSONExtractUInt(body, 'priority') FROM riposte.decisions WHERE revision = 2)":                   2,
	})
}

func TestOverlapAndMissingAccountAreFound(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	blk := blockOf(pipeline.TopicLedger, 0,
		record1(t, 1, noon, &pipeline.Account{Stage: "ingest", Topic: "raw.zeek", From: 0, To: 5, Records: 5, Live: 5}),
		record1(t, 2, noon, &pipeline.Account{Stage: "ingest", Topic: "raw.zeek", From: 4, To: 9, Records: 5, Live: 4}),
		record1(t, 3, noon, &pipeline.Account{Stage: "ingest", Topic: "raw.zeek", Partition: 1, From: 4, To: 9, Records: 5, Live: 5}),
		record1(t, 4, noon, &pipeline.Account{Stage: "decide", Topic: "facts", From: 4, To: 9, Records: 5, Live: 4}))
	if err := newWriter(s).Insert(t.Context(), blk); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{"overlaps": "ingest raw.zeek 0 4 9 5", "unaccounted": "raw.zeek 0 4 9 5 4 0 0"} {
		got, err := s.Run(t.Context(), query, nil)
		if err != nil || text(got) != want {
			t.Errorf("%s: got %q, %v, want %q", query, text(got), err, want)
		}
	}
}

// TestRevisionsOfTwoMonthsMergeIntoOneRow guards that the tables of current state are not
// partitioned, as the logs that they are made of are.
func TestRevisionsOfTwoMonthsMergeIntoOneRow(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	w := newWriter(s)
	month := 31 * 24 * time.Hour
	f := func(table, topic string, values ...any) {
		t.Helper()
		for i, v := range values {
			at := noon.Add(time.Duration(i-1) * month)
			if err := w.Insert(t.Context(), blockOf(topic, 0, record1(t, int64(i), at, v))); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Exec(t.Context(), "OPTIMIZE TABLE riposte."+table+" FINAL"); err != nil {
			t.Fatal(err)
		}
		if got := count(t, s, "(SELECT count() FROM riposte."+table+")"); got != 1 {
			t.Errorf("%s: %d rows are left of %d revisions, want 1", table, got, len(values))
		}
	}
	rev := func(n uint64) *pipeline.Revision {
		return &pipeline.Revision{Incident: pipeline.Incident{ID: id("incident"), Tenant: "acme", Revision: n}}
	}
	fact := func(n uint64) *pipeline.Fact {
		return &pipeline.Fact{Tenant: "acme", Kind: pipeline.FactAlert, Alert: &pipeline.Alert{ID: id("alert"), Tenant: "acme", Revision: n}}
	}
	outcome := func(n uint32) *pipeline.Outcome {
		return &pipeline.Outcome{Intent: id("intent"), Tenant: "acme", Seq: n}
	}
	f("incidents", pipeline.TopicDecisions, rev(1), rev(2), rev(3))
	f("alert_state", pipeline.TopicFacts, fact(1), fact(2))
	f("leases", pipeline.TopicOutcomes, outcome(1), outcome(2))
}
