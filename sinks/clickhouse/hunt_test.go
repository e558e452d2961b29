package clickhouse_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sinks/clickhouse/chtest"
)

// TestHuntFindsWhatWasRecordedAndNotNoticed: values of each kind, networks, names below a
// domain, another tenant, another time, and an event that made a signal when it was live.
func TestHuntFindsWhatWasRecordedAndNotNoticed(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	day := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	n := 0
	event := func(tenant string, at time.Time, columns, values string) {
		t.Helper()
		n++
		err := s.Exec(t.Context(), fmt.Sprintf(`INSERT INTO riposte.events (tenant, source, at, ingested, event_id, topic, partition, offset, %s)
			VALUES ('%s', 'zeek', '%s', '%s', '00000000-0000-0000-0000-%012d', 'events', 0, %d, %s)`, columns, tenant,
			at.Format("2006-01-02 15:04:05.000"), at.Add(time.Second).Format("2006-01-02 15:04:05.000"), n, n, values))
		if err != nil {
			t.Fatal(err)
		}
	}
	event("acme", day, "src_ip, dst_ip", "'10.0.0.1', '198.51.100.7'")
	event("acme", day.Add(time.Hour), "src_ip, dst_ip", "'10.0.0.1', '198.51.100.7'")
	event("acme", day, "src_ip, dst_ip, host, user", "'10.0.0.2', '198.51.100.7', 'pc-2', 'anna'")
	event("other", day, "src_ip, dst_ip", "'10.0.0.3', '198.51.100.7'")
	event("acme", day.AddDate(0, 0, -30), "src_ip, dst_ip", "'10.0.0.4', '198.51.100.7'")
	event("acme", day, "src_ip, dst_ip", "'203.0.113.77', '10.0.0.5'")
	event("acme", day, "src_ip, domain", "'10.0.0.6', 'a.b.evil.example'")
	event("acme", day, "src_ip, domain", "'10.0.0.7', 'notevil.example'")
	event("acme", day, "src_ip, url", `'10.0.0.8', 'http://x.example/it\'s'`)
	event("acme", day, "host, attrs", "'pc-9', {'file.hashes.md5': 'd41d8cd98f00b204e9800998ecf8427e'}")
	event("acme", day, "src_ip, dst_ip", "'10.0.0.10', '198.51.100.7'") // event 11, noticed when it was live
	err := s.Exec(t.Context(), `INSERT INTO riposte.signals (tenant, rule, event_id, at, topic, partition, offset)
		VALUES ('acme', 'known_bad_address', '00000000-0000-0000-0000-000000000011', '2026-11-20 12:00:00.000', 'signals', 0, 1)`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Hunt(t.Context(), pipeline.Hunt{
		Tenant: "acme", From: pipeline.MillisOf(day.AddDate(0, 0, -7)), Until: pipeline.MillisOf(day.Add(24 * time.Hour)),
		Values:  []string{"198.51.100.7", "http://x.example/it's", "d41d8cd98f00b204e9800998ecf8427e", "198.51.100.200"},
		Domains: []string{"evil.example"}, Networks: []string{"203.0.113.64/26", "2001:db8::/32"}, Rules: []string{"known_bad_address"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, g := range got {
		lines = append(lines, fmt.Sprintf("%s %s:%s %d %v", g.Value, g.Victim.Kind, g.Victim.Value, g.Events, g.Entities))
	}
	want := []string{
		"198.51.100.7 host:pc-2 1 [{user anna user false} {ip 10.0.0.2 src false} {ip 198.51.100.7 dst false}]",
		"198.51.100.7 ip:10.0.0.1 2 [{ip 198.51.100.7 dst false}]",
		"203.0.113.77 ip:10.0.0.5 1 [{ip 203.0.113.77 src false}]",
		"a.b.evil.example ip:10.0.0.6 1 []",
		"d41d8cd98f00b204e9800998ecf8427e host:pc-9 1 []",
		"http://x.example/it's ip:10.0.0.8 1 []",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%q, want\n%q", lines, want)
	}
	if g := got[1]; g.First != pipeline.MillisOf(day) || g.Last != pipeline.MillisOf(day.Add(time.Hour)) || g.Event.String() != "00000000-0000-0000-0000-000000000002" {
		t.Errorf("got %+v", g)
	}
	none, err := s.Hunt(t.Context(), pipeline.Hunt{Tenant: "acme", From: 1, Until: 2})
	if err != nil || len(none) != 0 {
		t.Errorf("a hunt for nothing: %v, %v", none, err)
	}
}
