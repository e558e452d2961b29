package match

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/sources/all"
	"github.com/riposte-sec/riposte/sources/sample"
)

var rewrite = flag.Bool("rewrite", false, "write the table of docs/detections.md anew")

const shipped = "../../policies/detections"

// shippedData merges the documents of policies/detections/data, as the program does.
func shippedData(tb testing.TB) map[string]any {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(shipped, "data", "*.json"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no data files: %v", err)
	}
	lists := map[string]any{}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		var doc struct {
			Lists map[string]any `json:"lists"`
		}
		dec := json.NewDecoder(bytes.NewReader(src))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&doc); err != nil {
			tb.Fatalf("%s: %v", f, err)
		}
		for name := range doc.Lists {
			if lists[name] != nil {
				tb.Errorf("%s: list %s is in another file as well", f, name)
			}
		}
		maps.Copy(lists, doc.Lists)
	}
	return map[string]any{"lists": lists}
}

func shippedModules(tb testing.TB) map[string]*ast.Module {
	tb.Helper()
	modules := map[string]*ast.Module{}
	err := fs.WalkDir(os.DirFS(shipped), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".rego") {
			return err
		}
		src, err := os.ReadFile(filepath.Join(shipped, path))
		if err != nil {
			return err
		}
		m, err := ast.ParseModuleWithOpts(path, string(src), ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true, Capabilities: Capabilities()})
		modules[path] = m
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return modules
}

func TestShippedDetectionsPassTheirTests(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := inmem.NewFromObject(shippedData(t))
	txn, err := store.NewTransaction(ctx, storage.TransactionParams{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Abort(ctx, txn)
	runner := tester.NewRunner().SetStore(store).SetModules(shippedModules(t)).CapturePrintOutput(true).SetTimeout(time.Minute)
	results, err := runner.RunTests(ctx, txn)
	if err != nil {
		t.Fatal(err)
	}
	passed := map[string]int{}
	for r := range results {
		if !r.Pass() {
			t.Errorf("%s: %s.%s: %v %s", r.Location, r.Package, r.Name, r.Error, r.Output)
			continue
		}
		passed[r.Package]++
	}
	for _, d := range loadShipped(t).Detections {
		if n := passed["data.riposte.detect."+d.Name+"_test"]; n < 3 {
			t.Errorf("%s has %d tests, want a hit, a near miss and an undefined input", d.ID, n)
		}
	}
}

func loadShipped(tb testing.TB) *Set {
	tb.Helper()
	s, err := Load(os.DirFS(shipped), Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestShippedDetectionsAreDescribedWhole(t *testing.T) {
	t.Parallel()
	s := loadShipped(t)
	if len(s.Detections) < 20 {
		t.Errorf("%d detections, want at least 20", len(s.Detections))
	}
	notes := map[string]*ast.Annotations{}
	for path, m := range shippedModules(t) {
		for _, a := range m.Annotations {
			if a.Scope == "package" {
				notes[path] = a
			}
		}
	}
	covered := map[string]bool{}
	for _, d := range s.Detections {
		a := notes[d.File]
		fp, _ := a.Custom["false_positives"].([]any)
		switch {
		case d.ID != d.Name || d.File != d.Name+".rego":
			t.Errorf("%s: id %s, package %s: want all three the same", d.File, d.ID, d.Name)
		case a.Description == "", d.Owner == "", len(d.Sources) == 0, len(d.GroupBy) == 0, len(fp) == 0:
			t.Errorf("%s: wants description, owner, sources, group_by and false_positives", d.File)
		case len(d.Tactics) == 0 || len(d.Techniques) == 0:
			t.Errorf("%s: wants an ATT&CK tactic and technique", d.File)
		}
		for _, src := range d.Sources {
			covered[src] = true
		}
	}
	if got := slices.Sorted(maps.Keys(covered)); !slices.Equal(got, []string{"cloudtrail", "okta", "suricata", "windows", "zeek"}) {
		t.Errorf("sources covered: %v", got)
	}
}

func TestShippedDetectionsHaveTheOneFormat(t *testing.T) {
	t.Parallel()
	for path := range shippedModules(t) {
		src, err := os.ReadFile(filepath.Join(shipped, path))
		if err != nil {
			t.Fatal(err)
		}
		want, err := format.SourceWithOpts(path, src, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(src, want) {
			t.Errorf("%s is not formatted: opa fmt -w does it", path)
		}
	}
}

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

func sampleTraffic(t *testing.T, change func(*sample.Config)) *sample.Generator {
	t.Helper()
	cfg := sample.Default()
	cfg.Start = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
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

const docsPage = "../../docs/detections.md"

func TestDocsListTheShippedDetections(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table: go test ./pipeline/match -run Docs -rewrite -->\n", "<!-- end of table -->\n"
	head, rest, ok1 := strings.Cut(string(page), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s: no table between %q and %q", docsPage, begin, end)
	}
	want := head + begin + detectionTable(loadShipped(t)) + end + tail
	if *rewrite {
		if err := os.WriteFile(docsPage, []byte(want), 0o644); err != nil { //nolint:gosec // a page of the documentation
			t.Fatal(err)
		}
		return
	}
	if string(page) != want {
		t.Errorf("%s is not what the detections say; go test ./pipeline/match -run Docs -rewrite", docsPage)
	}
}

func detectionTable(s *Set) string {
	var b strings.Builder
	b.WriteString("| Detection | Title | Severity | Sources | ATT&CK | Groups by |\n|---|---|---|---|---|---|\n")
	for _, d := range s.Detections {
		fmt.Fprintf(&b, "| [%s](../policies/detections/%s) | %s | %s | %s | %s | `%s` |\n", d.ID, d.File, d.Title, severities[d.Severity],
			strings.Join(d.Sources, ", "), strings.Join(slices.Concat(d.Tactics, d.Techniques), " "), strings.Join(d.GroupBy, "`, `"))
	}
	return b.String()
}
