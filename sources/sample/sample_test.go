package sample

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// noon is a busy weekday hour.
var noon = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func newGenerator(tb testing.TB, change func(*Config)) *Generator {
	tb.Helper()
	cfg := Default()
	cfg.Start = noon
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func collect(g *Generator) []Record {
	var all []Record
	for r, ok := g.Next(); ok; r, ok = g.Next() {
		all = append(all, r)
	}
	return all
}

func TestSameConfigMeansSameTraffic(t *testing.T) {
	t.Parallel()
	half := func(c *Config) { c.Records = 20000 }
	a, b := collect(newGenerator(t, half)), collect(newGenerator(t, half))
	if len(a) != 20000 || len(b) != len(a) {
		t.Fatalf("got %d and %d records, want 20000", len(a), len(b))
	}
	for i := range a {
		if !bytes.Equal(a[i].Value, b[i].Value) || !bytes.Equal(a[i].Key, b[i].Key) || a[i].Source != b[i].Source || !a[i].At.Equal(b[i].At) {
			t.Fatalf("record %d differs:\n%s\n%s", i, a[i].Value, b[i].Value)
		}
	}
}

func TestOtherSeedMeansOtherTraffic(t *testing.T) {
	t.Parallel()
	a := collect(newGenerator(t, func(c *Config) { c.Records = 100 }))
	b := collect(newGenerator(t, func(c *Config) { c.Records = 100; c.Seed = 2 }))
	for i := range a {
		if bytes.Equal(a[i].Value, b[i].Value) {
			t.Fatalf("record %d is the same under both seeds: %s", i, a[i].Value)
		}
	}
}

func TestArrivalsAreInOrderAndEventsShortlyBefore(t *testing.T) {
	t.Parallel()
	last := time.Time{}
	for i, r := range collect(newGenerator(t, func(c *Config) { c.Duration = 3 * time.Minute; c.Rate = 50 })) {
		if r.At.Before(last) {
			t.Fatalf("record %d arrives at %v, before %v", i, r.At, last)
		}
		last = r.At
	}
	if d := last.Sub(noon); d < 2*time.Minute || d > 3*time.Minute {
		t.Errorf("the last record arrives after %v, want just under 3m", d)
	}
}

func TestUniqueRecordsAreObjectsAndBrokenOnesAreNot(t *testing.T) {
	t.Parallel()
	g := newGenerator(t, func(c *Config) { c.Duration = 2 * time.Minute; c.BrokenPerMille = 20; c.DuplicatesPerMille = 30 })
	seen := map[string]bool{}
	got := Counts{}
	for _, r := range collect(g) {
		got.Records++
		switch {
		case !json.Valid(r.Value):
			got.Broken++
		case seen[string(r.Value)]:
			got.Duplicates++
		default:
			got.Unique++
			seen[string(r.Value)] = true
		}
	}
	truth := g.Truth()
	if got != truth.Total {
		t.Errorf("counted %+v, the generator says %+v", got, truth.Total)
	}
	sum := Counts{}
	for _, c := range truth.Sources {
		sum.Records += c.Records
		sum.Unique += c.Unique
		sum.Duplicates += c.Duplicates
		sum.Broken += c.Broken
	}
	if sum != truth.Total {
		t.Errorf("sources add up to %+v, want %+v", sum, truth.Total)
	}
	if got.Broken == 0 || got.Duplicates == 0 {
		t.Errorf("no broken lines or no duplicates in %+v", got)
	}
}

func TestDuplicateHasTheKeyOfItsFirst(t *testing.T) {
	t.Parallel()
	keys := map[string]string{}
	for _, r := range collect(newGenerator(t, func(c *Config) { c.Duration = time.Minute; c.DuplicatesPerMille = 100; c.BrokenPerMille = 0 })) {
		if k, ok := keys[string(r.Value)]; ok && k != string(r.Key) {
			t.Errorf("key %q, first had %q: %s", r.Key, k, r.Value)
		}
		keys[string(r.Value)] = string(r.Key)
	}
}

// TestVendorIdentitiesAreUnique makes sure that whoever dedupes by the vendors' own ids
// finds exactly the duplicates that were planted, in a second run on the same data too.
func TestVendorIdentitiesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, start := range []time.Time{noon, noon.Add(3 * time.Minute)} {
		for _, r := range collect(newGenerator(t, func(c *Config) {
			c.Start, c.Duration, c.DuplicatesPerMille, c.BrokenPerMille = start, 2*time.Minute, 0, 0
		})) {
			id := vendorIdentity(t, r)
			if first, ok := seen[id]; ok {
				t.Fatalf("identity %s twice:\n%s\n%s", id, first, r.Value)
			}
			seen[id] = string(r.Value)
		}
	}
}

func vendorIdentity(t *testing.T, r Record) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(r.Value, &v); err != nil {
		t.Fatalf("%v: %s", err, r.Value)
	}
	switch r.Source {
	case sourceSuricata:
		return fmt.Sprint(r.Source, v["flow_id"], v["event_type"])
	case sourceZeek:
		return fmt.Sprint(r.Source, v["uid"], v["_path"], v["@stream"])
	case sourceOkta:
		return fmt.Sprint(r.Source, v["uuid"])
	case sourceCloudTrail:
		return fmt.Sprint(r.Source, v["eventID"])
	}
	if e, ok := v["Event"].(map[string]any); ok {
		s := e["System"].(map[string]any)
		return fmt.Sprint(r.Source, s["Computer"], s["Channel"], s["EventRecordID"])
	}
	return fmt.Sprint(r.Source, v["Hostname"], v["Channel"], v["RecordNumber"])
}

func TestEveryRecordIsMarkedDemo(t *testing.T) {
	t.Parallel()
	for _, r := range collect(newGenerator(t, func(c *Config) { c.Records = 1000 })) {
		if len(r.Headers) != 1 || r.Headers[0].Key != pipeline.HeaderDemo {
			t.Fatalf("headers are %v", r.Headers)
		}
	}
}

func TestNightIsQuieterThanDay(t *testing.T) {
	t.Parallel()
	count := func(start time.Time) int {
		return len(collect(newGenerator(t, func(c *Config) { c.Start, c.Duration, c.StoryEvery = start, time.Minute, 0 })))
	}
	day, night, sunday := count(noon), count(noon.Add(17*time.Hour)), count(noon.Add(5*24*time.Hour))
	if day < 10000 || day > 12500 {
		t.Errorf("%d records in the busiest minute at 200 a second, want about 12000", day)
	}
	if night > day*6/10 || sunday > day*6/10 || night < day/3 {
		t.Errorf("day %d, night %d, sunday %d: want night and sunday at about half of the day", day, night, sunday)
	}
}

func TestAllStoriesAreUnderWayInTheFirstMinuteAndComeBack(t *testing.T) {
	t.Parallel()
	g := newGenerator(t, func(c *Config) { c.Rate, c.Duration = 1, time.Minute })
	collect(g)
	if runs := g.Truth().Runs; len(runs) != len(Stories()) {
		t.Errorf("%d stories began in the first minute, want %d", len(runs), len(Stories()))
	}
	g = newGenerator(t, func(c *Config) { c.Rate, c.Duration = 1, 24*time.Minute })
	collect(g)
	subjects := map[string]map[string]int{}
	for _, r := range g.Truth().Runs {
		if !r.Done() {
			t.Errorf("run %d of %s: %d of %d steps told", r.Number, r.Story, r.Told, r.Steps)
		}
		if d := r.End.Sub(r.Start); d > 3*time.Minute {
			t.Errorf("run of %s takes %v, too long for a demo", r.Story, d)
		}
		if subjects[r.Story] == nil {
			subjects[r.Story] = map[string]int{}
		}
		subjects[r.Story][r.Subjects[0].Value]++
	}
	for story, who := range subjects {
		if len(who) != 3 {
			t.Errorf("three runs of %s are about %v, want three different ones", story, who)
		}
	}
}

func TestStoriesSayWhatTheyLeadTo(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, s := range Stories() {
		if names[s.Name] || s.Title == "" || s.Text == "" || len(s.Detections) == 0 || len(s.Incidents) == 0 {
			t.Errorf("story %q is incomplete or there twice: %+v", s.Name, s)
		}
		names[s.Name] = true
		for _, src := range s.Sources {
			if !slices.Contains(Sources(), src) {
				t.Errorf("story %s names source %q", s.Name, src)
			}
		}
		for _, in := range s.Incidents {
			if pipeline.EntityKindOf(in.Entity) == pipeline.EntityNone || len(in.Responses) == 0 {
				t.Errorf("story %s: incident %+v", s.Name, in)
			}
		}
	}
}

func TestStoryComesFromTheSourcesThatItNames(t *testing.T) {
	t.Parallel()
	g := newGenerator(t, nil)
	for i := range g.stories {
		s := &g.stories[i]
		got := map[string]bool{}
		for _, st := range writeScript(g, s, &Run{}) {
			got[st.source] = true
		}
		if len(got) != len(s.story.Sources) {
			t.Errorf("story %s is seen by %v, says %v", s.story.Name, got, s.story.Sources)
		}
	}
}

func TestConfigOutOfRangeIsAnError(t *testing.T) {
	t.Parallel()
	f := func(want string, change func(*Config)) {
		t.Helper()
		cfg := Default()
		cfg.Start = noon
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one about %q", err, want)
		}
	}
	f("start", func(c *Config) { c.Start = time.Time{} })
	f("rate", func(c *Config) { c.Rate = 0 })
	f("hosts", func(c *Config) { c.Hosts = 19 })
	f("users", func(c *Config) { c.Users = 20001 })
	f("story", func(c *Config) { c.StoryEvery = time.Second })
	f("duplicates", func(c *Config) { c.DuplicatesPerMille = 501 })
	f("broken", func(c *Config) { c.BrokenPerMille = -1 })
	f("duration", func(c *Config) { c.Duration = -1 })
}

func TestNamesInTheOrganisationAreUnique(t *testing.T) {
	t.Parallel()
	o := newOrg(1, 20000, 20000)
	seen := map[string]bool{}
	add := func(kind, v string) {
		if seen[kind+v] {
			t.Fatalf("%s %s twice", kind, v)
		}
		seen[kind+v] = true
	}
	for _, h := range o.hosts {
		add("ip", h.ip)
		add("fqdn", h.fqdn)
		add("mac", h.mac)
	}
	for i := range o.users {
		add("user", o.users[i].name)
	}
	for _, c := range o.cloud {
		add("cloud", c.name)
	}
}

func TestStoryThatWouldStartAfterTheEndIsNotCounted(t *testing.T) {
	t.Parallel()
	g := newGenerator(t, func(c *Config) { c.Rate, c.Duration = 0.0001, 20*time.Second })
	collect(g)
	if runs := g.Truth().Runs; len(runs) != 2 {
		t.Errorf("%d runs in 20 seconds, want those that start after 5 and 16: %+v", len(runs), runs)
	}
}

// TestRecordTakesOneAllocation is not parallel: it counts what the whole process allocates.
func TestRecordTakesOneAllocation(t *testing.T) {
	g := newGenerator(t, func(c *Config) { c.Rate, c.StoryEvery = 1000, 0 })
	if n := testing.AllocsPerRun(20000, func() { g.Next() }); n > 1 {
		t.Errorf("%v allocations per record, want its key alone: values share chunks", n)
	}
}

func BenchmarkNext(b *testing.B) {
	g := newGenerator(b, func(c *Config) { c.Rate = 10000 })
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r, _ := g.Next()
		n += len(r.Value)
	}
	b.SetBytes(int64(n / b.N))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
