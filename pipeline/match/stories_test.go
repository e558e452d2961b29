package match

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/internal/sharedata"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory/inventorytest"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/sources/all"
	"github.com/riposte-sec/riposte/sources/file"
	"github.com/riposte-sec/riposte/sources/sample"
)

// sampled is the way of the sample traffic through normalise and match.
type sampled struct {
	t           *testing.T
	rules       *Set
	normalisers map[string]pipeline.Stage
	match       *Stage
	batches     map[string]*pipeline.Batch
	events      map[string]map[pipeline.ID]bool // by source
	rejects     map[string]uint64               // by source
	signals     []pipeline.Signal
	known       pipeline.Context
	recorded    bool // not sample traffic: no demo mark, any class, old times
}

func newSampled(t *testing.T) *sampled {
	t.Helper()
	formats, err := normalise.New(all.Formats())
	if err != nil {
		t.Fatal(err)
	}
	rules := loadShipped(t)
	m, err := NewTopdown(t.Context(), rules, shippedData(t))
	if err != nil {
		t.Fatal(err)
	}
	st, err := New(Config{Rules: rules, Matcher: m})
	if err != nil {
		t.Fatal(err)
	}
	p := &sampled{
		t: t, rules: rules, match: st, normalisers: map[string]pipeline.Stage{}, batches: map[string]*pipeline.Batch{},
		events: map[string]map[pipeline.ID]bool{}, rejects: map[string]uint64{},
	}
	cfg := sample.Default()
	cfg.Start = sampleStart
	p.known = inventorytest.Sample(t, "acme", cfg)
	for _, src := range sample.Sources() {
		p.normalisers[src] = formats.Stage(src)
		p.batches[src] = &pipeline.Batch{Topic: pipeline.TopicRawPrefix + src, Tenant: "acme"}
		p.events[src] = map[pipeline.ID]bool{}
	}
	return p
}

// run sends all of g's traffic down the path.
func (p *sampled) run(g *sample.Generator) {
	p.t.Helper()
	for r, ok := g.Next(); ok; r, ok = g.Next() {
		b := p.batches[r.Source]
		b.In = append(b.In, pipeline.Record{Offset: int64(len(b.In)), Time: pipeline.MillisOf(r.At), Key: r.Key, Value: r.Value, Headers: r.Headers})
		if len(b.In) == 512 {
			p.flush(r.Source)
		}
	}
	for src := range p.batches {
		p.flush(src)
	}
}

func (p *sampled) flush(src string) {
	p.t.Helper()
	b := p.batches[src]
	b.Context = p.known
	if err := p.normalisers[src].Process(p.t.Context(), b); err != nil {
		p.t.Fatal(err)
	}
	p.rejects[src] += uint64(len(b.Rejects))
	for i := range b.Events {
		e := &b.Events[i]
		e.Fate = pipeline.FateLive
		id := e.ID
		if !e.Exact {
			id = e.Print
		}
		if p.events[src][id] {
			e.Fate = pipeline.FateDuplicate
		}
		p.events[src][id] = true
		if p.recorded {
			continue
		}
		if !e.Flags.Has(pipeline.FlagDemo) || e.Flags.Has(pipeline.FlagClockSkew) || e.Class == pipeline.ClassBase {
			p.t.Errorf("%s: class %d, flags %v: %s", src, e.Class, e.Flags.AppendNames(nil), e.Unmapped)
		}
	}
	if err := p.match.Process(p.t.Context(), b); err != nil {
		p.t.Fatal(err)
	}
	for i := range b.Signals {
		p.signals = append(p.signals, cloneSignal(&b.Signals[i]))
	}
	b.Reset()
}

// cloneSignal copies what outlives the batch and is looked at below.
func cloneSignal(s *pipeline.Signal) pipeline.Signal {
	c := pipeline.Signal{Rule: strings.Clone(s.Rule), Severity: s.Severity}
	for _, g := range s.Group {
		c.Group = append(c.Group, strings.Clone(g))
	}
	for _, e := range s.Entities {
		c.Entities = append(c.Entities, pipeline.EntityValue{Kind: strings.Clone(e.Kind), Value: strings.Clone(e.Value)})
	}
	return c
}

func about(s *pipeline.Signal, kind, value string) bool {
	return slices.ContainsFunc(s.Entities, func(e pipeline.EntityValue) bool { return e.Kind == kind && e.Value == value })
}

// sampleStart is when the sample traffic of these tests begins.
var sampleStart = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func sampleTraffic(t *testing.T, change func(*sample.Config)) *sample.Generator {
	t.Helper()
	cfg := sample.Default()
	cfg.Start = sampleStart
	change(&cfg)
	g, err := sample.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestEachStoryMakesItsDetectionsFire(t *testing.T) {
	t.Parallel()
	p := newSampled(t)
	g := sampleTraffic(t, func(c *sample.Config) { c.Rate, c.StoryEvery, c.Duration = 1, 4*time.Minute, 11*time.Minute })
	p.run(g)
	stories := map[string]sample.Story{}
	for _, s := range sample.Stories() {
		stories[s.Name] = s
	}
	runs := g.Truth().Runs
	if len(runs) != 3*len(stories) {
		t.Errorf("%d runs, want three of each story", len(runs))
	}
	for _, r := range runs {
		for _, rule := range stories[r.Story].Detections {
			if !slices.ContainsFunc(p.signals, func(s pipeline.Signal) bool {
				return s.Rule == rule && slices.ContainsFunc(r.Subjects, func(e pipeline.EntityValue) bool { return about(&s, e.Kind, e.Value) })
			}) {
				t.Errorf("run %d of %s: no signal of %s about any of %v", r.Number, r.Story, rule, r.Subjects)
			}
		}
		for _, in := range stories[r.Story].Incidents {
			p.wantIncident(&r, &in)
		}
	}
}

// wantIncident wants signals of all detections that carry the incident about one and the
// same entity of its kind.
func (p *sampled) wantIncident(r *sample.Run, in *sample.Incident) {
	p.t.Helper()
	for _, e := range r.Subjects {
		if e.Kind != in.Entity {
			continue
		}
		missing := slices.DeleteFunc(slices.Clone(in.Detections), func(rule string) bool {
			return slices.ContainsFunc(p.signals, func(s pipeline.Signal) bool { return s.Rule == rule && about(&s, e.Kind, e.Value) })
		})
		if len(missing) == 0 {
			return
		}
	}
	p.t.Errorf("run %d of %s: no %s among %v with signals of all of %v", r.Number, r.Story, in.Entity, r.Subjects, in.Detections)
}

func TestEverydayTrafficMakesNoAlarm(t *testing.T) {
	t.Parallel()
	p := newSampled(t)
	g := sampleTraffic(t, func(c *sample.Config) { c.StoryEvery, c.Records, c.BrokenPerMille = 0, 20000, 5 })
	p.run(g)
	for _, s := range p.signals {
		if s.Severity > 1 {
			t.Errorf("%s about %v", s.Rule, s.Entities)
		}
	}
	if n := len(p.signals); n == 0 || n > 400 {
		t.Errorf("%d signals of 20000 everyday records, want a few failed logins", n)
	}
	if st := p.match.Stats(); st.Failures != 0 {
		t.Errorf("%d evaluations failed", st.Failures)
	}
}

// TestIngestAgreesWithWhatTheSampleKnows: rejects are exactly the broken lines, and the
// identities of the rest tell exactly the planted duplicates.
func TestIngestAgreesWithWhatTheSampleKnows(t *testing.T) {
	t.Parallel()
	p := newSampled(t)
	g := sampleTraffic(t, func(c *sample.Config) { c.Duration, c.BrokenPerMille, c.DuplicatesPerMille = 90*time.Second, 10, 20 })
	p.run(g)
	for src, want := range g.Truth().Sources {
		if got := p.rejects[src]; got != want.Broken {
			t.Errorf("%s: %d rejects, want %d", src, got, want.Broken)
		}
		if got := uint64(len(p.events[src])); got != want.Unique {
			t.Errorf("%s: %d events, want %d", src, got, want.Unique)
		}
	}
}

// TestDetectionsFindKnownAttacksInRecordedEvents: the recordings are of one technique each,
// and their names say which.
func TestDetectionsFindKnownAttacksInRecordedEvents(t *testing.T) {
	t.Parallel()
	root := sharedata.Dir(t)
	p := newSampled(t)
	p.recorded = true
	f := func(name string, want ...string) {
		t.Helper()
		got := p.hits(filepath.Join(root, filepath.FromSlash(name)))
		for _, rule := range want {
			if got[rule] == 0 {
				t.Errorf("%s: no signal of %s among %v", name, rule, got)
			}
		}
	}
	const stratus = "aws_cloudtrail/stratus/aws."
	f(stratus+"defense-evasion.cloudtrail-stop.jsonl", "cloud_audit_log_stopped")
	f(stratus+"defense-evasion.cloudtrail-delete.jsonl", "cloud_audit_log_stopped")
	f(stratus+"defense-evasion.vpc-remove-flow-logs.jsonl", "cloud_audit_log_stopped")
	f(stratus+"credential-access.secretsmanager-retrieve-secrets.jsonl", "cloud_secret_read_outside")
	f(stratus+"credential-access.secretsmanager-batch-retrieve-secrets.jsonl", "cloud_secret_read_outside")
	f(stratus+"credential-access.ssm-retrieve-securestring-parameters.jsonl", "cloud_secret_read_outside")
	f(stratus+"credential-access.ec2-get-password-data.jsonl", "cloud_access_denied")
	f(stratus+"exfiltration.ec2-share-ebs-snapshot.jsonl", "cloud_snapshot_shared")
	f(stratus+"exfiltration.ec2-share-ami.jsonl", "cloud_snapshot_shared")
	f(stratus+"exfiltration.rds-share-snapshot.jsonl", "cloud_snapshot_shared")
	f(stratus+"persistence.iam-create-admin-user.jsonl", "cloud_user_created", "cloud_admin_granted")
	f(stratus+"persistence.iam-create-backdoor-role.jsonl", "cloud_admin_granted")
	f(stratus+"privilege-escalation.iam-update-user-login-profile.jsonl", "cloud_user_created")
	f(stratus+"initial-access.console-login-without-mfa.jsonl", "cloud_login_without_mfa")
	f("windows/otrf-rdp_interactive_taskmanager_lsass_dump.jsonl.gz", "lsass_memory_read", "ntlm_logon_to_server")
	f("zeek/wrccdc-smb_mapping.jsonl", "admin_share_mounted")
	f("suricata_eve/first-org-conf-2015.jsonl", "ids_command_and_control", "ids_exploit_attempt")
}

// hits returns how many signals of each detection the events of a file make.
func (p *sampled) hits(name string) map[string]int {
	p.t.Helper()
	r, err := file.Open([]string{name}, file.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var src string
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p.t.Fatal(err)
		}
		src = rec.Source
		b := p.batches[src]
		b.In = append(b.In, pipeline.Record{Offset: int64(len(b.In)), Time: 1_790_000_000_000, Key: rec.Key, Value: rec.Value})
	}
	p.signals = p.signals[:0]
	p.flush(src)
	hits := map[string]int{}
	for _, s := range p.signals {
		hits[s.Rule]++
	}
	if n := p.match.Stats(); n.Failures != 0 || n.NoGroup != 0 || p.rejects[src] != 0 {
		p.t.Errorf("%s: %+v, %d rejects", name, n, p.rejects[src])
	}
	return hits
}
