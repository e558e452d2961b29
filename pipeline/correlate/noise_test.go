package correlate

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestNoiseControlDecidesInItsOrderWithAReason(t *testing.T) {
	t.Parallel()
	start := epoch.Time()
	silence := Silence{ID: "s1", Match: Matcher{Entity: "host:quiet"}, Owner: "ann", Reason: "maintenance", Until: start.Add(time.Hour)}
	mute := Mute{ID: "m1", Match: Matcher{Group: "muted"}, Owner: "bob", Reason: "backup", To: 24 * time.Hour}
	st := stageOf(t, func(c *Config) {
		c.Silences, c.Mutes, c.Storm = []Silence{silence}, []Mute{mute}, 2
		c.Inhibit = []Inhibition{{Source: "grave", Target: Matcher{Rule: "a"}, Equal: []pipeline.EntityKind{pipeline.EntityHost}}}
	})
	grave := sig("", "down", 1, 0)
	grave.Rule, grave.Severity = "grave", 5
	process(t, st, grave)
	f := func(group string, n int, at time.Duration, want, why string) {
		t.Helper()
		facts := process(t, st, sig("", group, n, at))
		if len(facts) != 1 || facts[0].Alert.Fate != want || !strings.Contains(facts[0].Summary, why) {
			t.Errorf("%s: got %q %q, want %s because of %q", group, fates(facts), facts[0].Summary, want, why)
		}
	}
	f("down", 1, time.Second, FateInhibited, "inhibited by alert")
	f("quiet", 2, 2*time.Second, FateSilenced, "silence s1 of ann: maintenance")
	f("muted", 3, 3*time.Second, FateSilenced, "mute m1 of bob: backup")
	f("x", 4, 4*time.Second, FateIncident, "")
	f("y", 5, 5*time.Second, FateIncident, "")
	f("z", 6, 6*time.Second, FateIncident, "storm")
	f("zz", 7, 7*time.Second, FateFolded, "storm")
	f("quiet", 8, 3*time.Hour, FateIncident, "")
}

func TestSilenceWithoutEndOrOwnerIsRefused(t *testing.T) {
	t.Parallel()
	f := func(name string, s Silence) {
		t.Helper()
		cfg := Default()
		cfg.Silences = []Silence{s}
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	good := Silence{ID: "s", Match: Matcher{Rule: "a"}, Owner: "ann", Reason: "x", Until: epoch.Time()}
	endless, nobody, all := good, good, good
	endless.Until, nobody.Owner, all.Match = time.Time{}, "", Matcher{}
	f("no end", endless)
	f("no owner", nobody)
	f("matches all", all)
}

// routed is a stage whose alerts wait as Alertmanager's do by default.
func routed(t *testing.T, change func(*Config)) *Stage {
	t.Helper()
	return stageOf(t, func(c *Config) {
		c.Route = Route{GroupBy: []string{"rule"}, GroupWait: 30 * time.Second, GroupInterval: 5 * time.Minute, RepeatInterval: 4 * time.Hour}
		if change != nil {
			change(c)
		}
	})
}

func tick(t *testing.T, st *Stage, at time.Duration) []pipeline.Fact {
	t.Helper()
	b := &pipeline.Batch{}
	if err := st.Tick(t.Context(), epoch.Add(at), b); err != nil {
		t.Fatal(err)
	}
	return factsOf(t, b)
}

func TestAlertsOfAGroupWaitForEachOtherAndAreToldTogether(t *testing.T) {
	t.Parallel()
	st := routed(t, nil)
	expectFates(t, process(t, st, sig("", "a", 1, 0)), "a/waiting/1")
	expectFates(t, process(t, st, sig("", "b", 1, 20*time.Second)), "b/waiting/1")
	expectFates(t, tick(t, st, 29*time.Second))
	first := tick(t, st, 31*time.Second)
	expectFates(t, first, "a/incident/2", "b/incident/2")
	if g := first[0].Group; g != "rule:a" || first[1].Group != g {
		t.Errorf("groups %s and %s", g, first[1].Group)
	}
	// One more waits for the group's next word, however long its own wait would be.
	expectFates(t, process(t, st, sig("", "c", 1, time.Minute)), "c/waiting/1")
	expectFates(t, tick(t, st, 5*time.Minute+29*time.Second))
	expectFates(t, tick(t, st, 5*time.Minute+31*time.Second), "c/incident/2")
	// A group that nothing came to for an interval is a new one.
	expectFates(t, tick(t, st, 20*time.Minute))
	expectFates(t, process(t, st, sig("", "d", 1, 20*time.Minute)), "d/waiting/1")
	expectFates(t, tick(t, st, 20*time.Minute+31*time.Second), "d/incident/2")
}

func TestUrgentAlertNeverWaitsAndTakesItsGroupAlong(t *testing.T) {
	t.Parallel()
	st := routed(t, nil)
	expectFates(t, process(t, st, sig("", "a", 1, 0)), "a/waiting/1")
	grave := sig("", "b", 1, time.Second)
	grave.Severity = 4
	expectFates(t, process(t, st, grave), "b/incident/1", "a/incident/2")
	// One that waits becomes urgent when it grows.
	st = routed(t, nil)
	expectFates(t, process(t, st, sig("", "a", 1, 0)), "a/waiting/1")
	grave = sig("", "a", 2, time.Second)
	grave.Severity = 5
	expectFates(t, process(t, st, grave), "a/incident/2")
	expectFates(t, tick(t, st, time.Hour))
}

func TestAlertThatClosesWhileItWaitsIsToldThen(t *testing.T) {
	t.Parallel()
	st := routed(t, func(c *Config) { c.Fold, c.Lateness, c.Route.GroupWait = time.Second, time.Second, time.Hour })
	expectFates(t, process(t, st, sig("", "a", 1, 0)), "a/waiting/1")
	expectFates(t, tick(t, st, time.Minute), "a/incident/2")
	expectFates(t, tick(t, st, 2*time.Hour))
	if len(st.bundles) != 0 || st.StateBytes() != 0 {
		t.Errorf("%d groups and %d bytes are left", len(st.bundles), st.StateBytes())
	}
}

func TestSilenceThatBeginsWhileAnAlertWaitsCounts(t *testing.T) {
	t.Parallel()
	silence := Silence{
		ID: "s", Match: Matcher{Group: "a*"}, Owner: "ann", Reason: "known", From: epoch.Add(10 * time.Second).Time(), Until: epoch.Add(time.Hour).Time(),
	}
	st := routed(t, func(c *Config) { c.Silences = []Silence{silence} })
	expectFates(t, process(t, st, sig("", "ab", 1, 0)), "ab/waiting/1")
	process(t, st, sig("", "ab", 2, 20*time.Second))
	expectFates(t, tick(t, st, 31*time.Second), "ab/silenced/3")
	// The episode goes on after the silence: then it is told.
	expectFates(t, process(t, st, sig("", "ab", 3, 50*time.Minute)))
	facts := process(t, st, sig("", "ab", 4, 61*time.Minute))
	expectFates(t, facts, "ab/incident/4")
	if !strings.Contains(facts[0].Summary, "no longer silenced") {
		t.Errorf("summary %q", facts[0].Summary)
	}
}

func TestAlertThatGoesOnIsToldAgainAfterTheRepeatInterval(t *testing.T) {
	t.Parallel()
	st := stageOf(t, func(c *Config) { c.Route.RepeatInterval = 4 * time.Hour })
	var told []string
	for i := range 20 { // one signal each half hour
		for _, f := range process(t, st, sig("", "g", i, time.Duration(i)*30*time.Minute)) {
			told = append(told, fmt.Sprint(f.Alert.Signals, "@", f.Alert.Revision))
		}
	}
	if got := strings.Join(told, " "); got != "1@1 2@2 4@3 8@4 16@5" {
		t.Errorf("told %s: doubling comes before the repeat", got)
	}
	for i := 20; i < 30; i++ { // 16 signals were told at 7h30, 24 are less than twice as many
		for _, f := range process(t, st, sig("", "g", i, time.Duration(i)*30*time.Minute)) {
			told = append(told, fmt.Sprint(f.Alert.Signals, "@", f.Alert.Revision))
		}
	}
	if got := strings.Join(told[5:], " "); got != "24@6" {
		t.Errorf("told %s, want a repetition after four hours", got)
	}
}

func TestNoiseDocumentIsReadAndItsMistakesHaveLines(t *testing.T) {
	t.Parallel()
	n, err := ParseNoise("noise.yml", []byte(`
inhibit:
  - source: ransomware_preparation
    target: {severity: medium}
    equal: host
silences:
  - id: maintenance-42
    match: {rule: "cloud_*", tenant: acme}
    owner: ann
    reason: the account moves
    until: 2026-11-30T18:00:00Z
mutes:
  - id: backup
    match: {entity: "host:backup-*"}
    owner: bob
    reason: nightly copies look like theft
    days: [sat, sun]
    from: 02:00
    to: "24:00"
urgent: critical
routes:
  - match: {severity: low}
    group_by: [rule, entity.host]
    group_wait: 30s
    group_interval: 5m
`))
	if err != nil {
		t.Fatal(err)
	}
	if n.Inhibit[0].Equal[0] != pipeline.EntityHost || n.Silences[0].Match.Rule != "cloud_*" || n.Mutes[0].To != 24*time.Hour ||
		n.Mutes[0].Days[1] != time.Sunday || n.Urgent != 5 || n.Routes[0].GroupWait != 30*time.Second || n.Routes[0].RepeatInterval != 4*time.Hour {
		t.Errorf("read %+v", n)
	}
	if err := n.CheckRules([]string{"x"}); err == nil || !strings.Contains(err.Error(), "ransomware_preparation") || strings.Contains(err.Error(), "cloud_") {
		t.Errorf("rules: %v", err)
	}
	f := func(doc, want string) {
		t.Helper()
		if _, err := ParseNoise("noise.yml", []byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", doc, err, want)
		}
	}
	f("silences:\n  - id: a\n    match: {rule: x}\n    owner: o\n    reason: r\n", "noise.yml:2: silence a: an end is required")
	f("silences:\n  - id: a\n    math: {rule: x}\n", `line 3: there is no key "math"`)
	f("silences:\n  - id: a\n    match: {role: x}\n", `line 3: there is no key "role"`)
	f("mutes:\n  - id: a\n    from: 25:00\n", `line 3: time of day "25:00"`)
	f("routes:\n  - group_by: [entity.car]\n", `noise.yml:2: route: group_by "entity.car"`)
	f("routes:\n  - {}\n  - match: {rule: x}\n", "noise.yml:2: route: without a match")
	f("inhibit:\n  - source: a\n    target: {rule: b}\n", "noise.yml:2: inhibit: alerts of a: equal")
	f("inhibit:\n  - equal: [hosts]\n", `line 2: equal: "hosts" is no kind`)
	f("silence: []\n", "field silence not found")
}

func FuzzParseNoise(f *testing.F) {
	f.Add([]byte("routes:\n  - match: {severity: low}\n    group_by: [rule]\n    group_wait: 30s\n"))
	f.Add([]byte("mutes:\n  - id: a\n    days: mon\n    from: 01:00\n    to: 02:00\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		n, err := ParseNoise("noise.yml", src)
		if err == nil && n.Validate() != nil {
			t.Errorf("a document that was accepted is not valid: %v", n.Validate())
		}
	})
}

func TestStarMatchesAnyText(t *testing.T) {
	t.Parallel()
	f := func(pattern, text string, want bool) {
		t.Helper()
		if got := glob(pattern, text); got != want {
			t.Errorf("glob(%q, %q) = %v", pattern, text, got)
		}
	}
	f("a", "a", true)
	f("a", "ab", false)
	f("a*", "ab", true)
	f("*", "", true)
	f("*b", "ab", true)
	f("*b", "abc", false)
	f("a*b*c", "a1b2b3c", true)
	f("a*b*c", "ac", false)
	f("ab*ba", "aba", false)
}

func TestShippedNoiseDocumentIsValidAndItsExamplesToo(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../policies/noise.yml")
	if err != nil {
		t.Fatal(err)
	}
	n, err := ParseNoise(NoiseFile, src)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(n, DefaultNoise()) {
		t.Errorf("what is shipped is not the default: %+v", n)
	}
	examples := strings.NewReplacer(" []", "", "\n#  ", "\n  ").Replace(string(src))
	n, err = ParseNoise(NoiseFile, []byte(examples))
	if err != nil || len(n.Inhibit) != 1 || len(n.Silences) != 1 || len(n.Mutes) != 1 || len(n.Routes) != 1 {
		t.Errorf("the examples: %v, %+v\n%s", err, n, examples)
	}
}

// partitioned runs stages as the partitions of a topic: what one tells all, all hear.
type partitioned struct {
	t      *testing.T
	stages []*Stage
}

func (p *partitioned) play(n int, sigs ...pipeline.Signal) []pipeline.Fact {
	p.t.Helper()
	b := &pipeline.Batch{Topic: pipeline.TopicSignals, Tenant: "acme", In: records(sigs)}
	if err := p.stages[n].Process(p.t.Context(), b); err != nil {
		p.t.Fatal(err)
	}
	return append(factsOf(p.t, b), p.spread(b)...)
}

func (p *partitioned) tick(at time.Duration, stages ...*Stage) []pipeline.Fact {
	p.t.Helper()
	var out []pipeline.Fact
	for _, st := range stages {
		b := &pipeline.Batch{}
		if err := st.Tick(p.t.Context(), epoch.Add(at), b); err != nil {
			p.t.Fatal(err)
		}
		out = append(append(out, factsOf(p.t, b)...), p.spread(b)...)
	}
	return out
}

// spread gives every partition what b tells all, twice: hearing it again changes nothing.
func (p *partitioned) spread(b *pipeline.Batch) []pipeline.Fact {
	p.t.Helper()
	var out []pipeline.Fact
	for _, m := range b.Out {
		if !m.Everywhere {
			continue
		}
		for _, st := range p.stages {
			rec := pipeline.Record{Time: st.newestAt, Value: m.Value, Headers: m.Headers}
			next := &pipeline.Batch{In: []pipeline.Record{rec, rec}}
			if err := st.Process(p.t.Context(), next); err != nil || len(next.Rejects) > 0 {
				p.t.Fatal(err, next.Rejects)
			}
			out = append(out, factsOf(p.t, next)...)
		}
	}
	return out
}

func threePartitions(t *testing.T, change func(*Config), list ...*Correlation) *partitioned {
	t.Helper()
	p := &partitioned{t: t}
	for range 3 {
		p.stages = append(p.stages, stageOf(t, change, list...))
	}
	return p
}

func TestAlertInhibitsThoseOfOtherPartitionsUntilItCloses(t *testing.T) {
	t.Parallel()
	inhibit := func(c *Config) {
		c.Fold, c.Lateness = 10*time.Minute, time.Second
		c.Inhibit = []Inhibition{{Source: "grave", Target: Matcher{Rule: "a"}, Equal: []pipeline.EntityKind{pipeline.EntityHost}}}
	}
	p := threePartitions(t, inhibit)
	grave := func(n int, at time.Duration) pipeline.Signal {
		s := sig("", "h1", n, at)
		s.Rule, s.ID = "grave", pipeline.HashID("grave", fmt.Sprint(n))
		s.Group = []string{"user:eve"}
		return s
	}
	target := func(host string, n int, at time.Duration) pipeline.Signal {
		s := sig("", host, n, at)
		s.Group = []string{fmt.Sprint("file", n)}
		return s
	}
	expectFates(t, p.play(0, grave(1, 0)), "user:eve/incident/1")
	expectFates(t, p.play(2, target("h1", 1, time.Minute)), "file1/inhibited/1")
	expectFates(t, p.play(1, target("h2", 2, time.Minute)), "file2/incident/1")
	// It goes on, without a revision that would tell of it.
	for i := range 20 {
		p.play(0, grave(2+i, time.Duration(i)*time.Minute))
	}
	expectFates(t, p.play(2, target("h1", 3, 28*time.Minute)), "file3/inhibited/1")
	// A restart knows it.
	st := stageOf(t, inhibit)
	p.stages[1].Commit()
	for _, piece := range snapshot(t, p.stages[1]) {
		if err := st.Restore(piece); err != nil {
			t.Fatal(err)
		}
	}
	if st.StateBytes() != p.stages[1].StateBytes() {
		t.Errorf("%d bytes after a restart, %d before", st.StateBytes(), p.stages[1].StateBytes())
	}
	p.stages[1] = st
	expectFates(t, p.play(1, target("h1", 4, 28*time.Minute)), "file4/inhibited/1")
	// It closes: partition 0 says so.
	p.tick(40*time.Minute, p.stages[0])
	expectFates(t, p.play(1, target("h1", 5, 41*time.Minute)), "file5/incident/1")
	// What it inhibited goes on, and is told now.
	again := target("h1", 3, 36*time.Minute)
	again.ID, again.Event = pipeline.HashID("again"), pipeline.HashID("again")
	facts := p.play(2, again)
	if n := len(facts); n == 0 || facts[n-1].Alert.Fate != FateIncident || !strings.Contains(facts[n-1].Summary, "no longer inhibited") {
		t.Errorf("got %q, want it told", fates(facts))
	}
}

func TestRollbackForgetsWhatWasHeard(t *testing.T) {
	t.Parallel()
	st := stageOf(t, func(c *Config) {
		c.Inhibit = []Inhibition{{Source: "a", Target: Matcher{Rule: "b"}, Equal: []pipeline.EntityKind{pipeline.EntityHost}}}
	})
	process(t, st, sig("", "g", 1, 0))
	if len(st.raised["a"]) != 1 {
		t.Fatal("an open alert is not remembered")
	}
	st.Rollback()
	if len(st.raised) != 0 || st.StateBytes() != 0 {
		t.Errorf("%d rules and %d bytes after a rollback", len(st.raised), st.StateBytes())
	}
}

func TestSourceThatIsAliveOnAnotherPartitionIsNotSilent(t *testing.T) {
	t.Parallel()
	c := documentOf(t, "n", "type: absence; rules: [a, b]; timespan: 10m; source: zeek; alive: 10m")
	alive := func(at time.Duration) *pipeline.Batch {
		b := &pipeline.Batch{}
		b.Control(&pipeline.Control{Kind: pipeline.ControlAlive, Tenant: "acme", Source: "zeek", At: epoch.Add(at)})
		return b
	}
	f := func(name string, heard bool, want string) {
		t.Helper()
		p := threePartitions(t, nil, c)
		p.play(2, sig("n", "g", 1, 0))
		if heard { // partition 0 had an event of zeek
			p.spread(alive(8 * time.Minute))
		}
		facts := p.tick(time.Hour, p.stages...)
		if len(facts) != 1 || facts[0].Alert.Group[0] != want {
			t.Errorf("%s: got %q, want %s", name, fates(facts), want)
		}
	}
	f("silent everywhere", false, silentGroup)
	f("alive elsewhere", true, "g")
}
