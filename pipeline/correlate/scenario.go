package correlate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/riposte-sec/riposte/pipeline"
)

// Scenario is a test of correlations as their authors write it: a timeline of matches goes
// in, episodes are expected to come out. The clock is virtual.
type Scenario struct {
	Name     string     `yaml:"name"`
	Timeline []Match    `yaml:"timeline"` // in the order of arrival
	Until    Offset     `yaml:"until"`    // where the clock stops; default: when nothing more can happen
	Expect   []Expected `yaml:"expect"`
	// Only are the rules whose episodes count. Default: all that the timeline or Expect name
	// as correlations.
	Only []string `yaml:"only"`
}

// Match is one match of a detection, or several with the same distance.
type Match struct {
	At     Offset            `yaml:"at"` // since the beginning of the scenario
	Rule   string            `yaml:"rule"`
	Event  map[string]string `yaml:"event"` // values by OCSF path
	Source string            `yaml:"source"`
	Repeat int               `yaml:"repeat"` // default 1
	Every  Offset            `yaml:"every"`
	// ID names the event. Matches with the same ID are of one event. Default: each its own.
	ID      string   `yaml:"id"`
	Tactics []string `yaml:"tactics"`
	Tenant  string   `yaml:"tenant"`
}

// Expected is an episode.
type Expected struct {
	Rule      string   `yaml:"rule"`
	Group     []string `yaml:"group"`
	Signals   uint32   `yaml:"signals"`   // 0: any
	From      *Offset  `yaml:"from"`      // first evidence
	Triggered *Offset  `yaml:"triggered"` // the event time that completed the condition
	Fate      string   `yaml:"fate"`      // default incident
}

// Offset is a time since the beginning of a scenario, such as 90s, 15m, 2h or 1h30m.
type Offset time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *Offset) UnmarshalYAML(n *yaml.Node) error {
	text := n.Value
	if days, ok := strings.CutSuffix(text, "d"); ok {
		d, err := ParseSpan(days + "d")
		*o = Offset(d)
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("line %d: time %q: want 90s, 15m, 2h or 3d", n.Line, text)
	}
	*o = Offset(d)
	return nil
}

// ParseScenarios reads a test file: a YAML list of scenarios. Errors have lines.
func ParseScenarios(src []byte) ([]Scenario, error) {
	var list []Scenario
	dec := yaml.NewDecoder(bytes.NewReader(src))
	dec.KnownFields(true)
	if err := dec.Decode(&list); err != nil {
		return nil, err
	}
	return list, nil
}

// epoch is when scenarios begin.
const epoch pipeline.Millis = 1_700_000_000_000

// scenarioTenant owns the matches that name no other.
const scenarioTenant = "test"

// Run plays the scenario against cfg and returns an error that says how the episodes differ
// from the expected ones; nil if they do not.
func (sc *Scenario) Run(ctx context.Context, cfg Config) error {
	p, err := newPlayer(cfg)
	if err != nil {
		return err
	}
	for i := range sc.Timeline {
		m := &sc.Timeline[i]
		if p.cfg.Rules.byID[m.Rule] != nil {
			return fmt.Errorf("timeline: %s is a correlation: only detections match", m.Rule)
		}
		if len(p.consumers[m.Rule]) == 0 && !slices.ContainsFunc(sc.Expect, func(e Expected) bool { return e.Rule == m.Rule }) {
			return fmt.Errorf("timeline: no correlation names the rule %s: it can prove nothing", m.Rule)
		}
		for n := range max(1, m.Repeat) {
			if err := p.match(ctx, m, i, n); err != nil {
				return err
			}
		}
	}
	until := epoch.Add(time.Duration(sc.Until))
	if sc.Until == 0 {
		until = p.last.Add(400 * 24 * time.Hour)
	}
	if err := p.tick(ctx, until); err != nil {
		return err
	}
	return sc.compare(p)
}

func (sc *Scenario) compare(p *player) error {
	var got []pipeline.Alert
	for _, id := range p.order {
		if a := p.alerts[id]; sc.counts(&a, p) {
			got = append(got, a)
		}
	}
	var errs []error
	for i := range sc.Expect {
		e := &sc.Expect[i]
		at := slices.IndexFunc(got, func(a pipeline.Alert) bool { return e.matches(&a) })
		if at < 0 {
			errs = append(errs, fmt.Errorf("missing: %s", e))
			continue
		}
		got = slices.Delete(got, at, at+1)
	}
	for i := range got {
		errs = append(errs, fmt.Errorf("unexpected: %s", describe(&got[i])))
	}
	return errors.Join(errs...)
}

// counts reports whether an alert is among those that the scenario is about.
func (sc *Scenario) counts(a *pipeline.Alert, p *player) bool {
	if a.Fate == FateWithdrawn || a.Fate == FateFolded && a.Revision > 1 {
		return false
	}
	if len(sc.Only) > 0 {
		return slices.Contains(sc.Only, a.Rule)
	}
	return p.cfg.Rules.byID[a.Rule] != nil || slices.ContainsFunc(sc.Expect, func(e Expected) bool { return e.Rule == a.Rule })
}

func (e *Expected) matches(a *pipeline.Alert) bool {
	fate := e.Fate
	if fate == "" {
		fate = FateIncident
	}
	return e.Rule == a.Rule && fate == a.Fate && (e.Group == nil || slices.Equal(e.Group, a.Group)) &&
		(e.Signals == 0 || e.Signals == a.Signals) && e.From.is(a.Occurred) && e.Triggered.is(a.Triggered)
}

func (o *Offset) is(at pipeline.Millis) bool { return o == nil || epoch.Add(time.Duration(*o)) == at }

// String describes the episode.
func (e *Expected) String() string {
	text := e.Rule
	if e.Group != nil {
		text += fmt.Sprintf(" %q", e.Group)
	}
	if e.Signals > 0 {
		text += fmt.Sprintf(", %d signals", e.Signals)
	}
	if e.From != nil {
		text += ", from " + time.Duration(*e.From).String()
	}
	if e.Triggered != nil {
		text += ", triggered " + time.Duration(*e.Triggered).String()
	}
	return text
}

func describe(a *pipeline.Alert) string {
	return fmt.Sprintf("%s %q, %d signals, from %s, triggered %s, %s", a.Rule, a.Group, a.Signals,
		a.Occurred.Sub(epoch), a.Triggered.Sub(epoch), a.Fate)
}

// player feeds a stage with matches, and with the signals that it derives itself.
type player struct {
	cfg       Config
	stage     *Stage
	consumers map[string][]pipeline.Consumer
	batch     pipeline.Batch
	last      pipeline.Millis
	offset    int64
	alerts    map[pipeline.ID]pipeline.Alert // last revision
	order     []pipeline.ID
}

func newPlayer(cfg Config) (*player, error) {
	if cfg.Rules == nil {
		cfg.Rules = &Set{}
	}
	st, err := New(cfg)
	if err != nil {
		return nil, err
	}
	p := &player{cfg: cfg, stage: st, consumers: map[string][]pipeline.Consumer{}, alerts: map[pipeline.ID]pipeline.Alert{}}
	for _, c := range cfg.Rules.Consumers() {
		p.consumers[c.Rule] = append(p.consumers[c.Rule], c)
	}
	return p, nil
}

// match plays the n-th repetition of entry i.
func (p *player) match(ctx context.Context, m *Match, i, n int) error {
	at := epoch.Add(time.Duration(m.At) + time.Duration(n)*time.Duration(m.Every))
	p.last = max(p.last, at)
	name := m.ID
	if name == "" || n > 0 {
		name = fmt.Sprintf("%s#%d.%d", m.ID, i, n)
	}
	sig := pipeline.Signal{
		Event: pipeline.HashID("event", name), Tenant: m.Tenant, Rule: m.Rule, Source: m.Source, Severity: 3,
		Title: m.Rule, Tactics: m.Tactics, Entities: eventEntities(m.Event), At: at, Ingested: p.last,
	}
	if sig.Tenant == "" {
		sig.Tenant = scenarioTenant
	}
	var batch []pipeline.Signal
	own := sig
	own.ID = pipeline.SignalID(sig.Event, sig.Rule, "")
	own.Group = []string{}
	if len(sig.Entities) > 0 {
		own.Group = []string{sig.Entities[0].Kind + ":" + sig.Entities[0].Value}
	}
	batch = append(batch, own)
	for _, c := range p.consumers[m.Rule] {
		s := sig
		s.Step, s.ID = c.Step, pipeline.SignalID(sig.Event, sig.Rule, c.Step)
		if !pick(m.Event, c.Group, func(_, v string) { s.Group = append(s.Group, v) }) {
			continue
		}
		s.Fields = map[string]string{}
		pick(m.Event, c.Fields, func(path, v string) { s.Fields[path] = v })
		batch = append(batch, s)
	}
	return p.feed(ctx, batch)
}

func pick(event map[string]string, paths []string, take func(path, value string)) (all bool) {
	all = true
	for _, path := range paths {
		v, ok := event[path]
		if all = all && ok; ok {
			take(path, v)
		}
	}
	return all
}

// eventEntities guesses entities from the paths, as mappings assign them.
func eventEntities(event map[string]string) []pipeline.EntityValue {
	kinds := []struct{ suffix, kind string }{
		{"hostname", "host"}, {"user.name", "user"}, {".ip", "ip"}, {"domain", "domain"}, {"sha256", "hash"},
	}
	var out []pipeline.EntityValue
	for _, k := range kinds {
		for _, path := range sortedKeys(event) {
			if strings.HasSuffix(path, k.suffix) {
				out = append(out, pipeline.EntityValue{Kind: k.kind, Value: event[path]})
			}
		}
	}
	return out
}

// feed processes signals, and those that they lead to, as their own batches.
func (p *player) feed(ctx context.Context, sigs []pipeline.Signal) error {
	recs := make([]pipeline.Record, len(sigs))
	for i := range sigs {
		recs[i].Value = sigs[i].AppendJSON(nil)
	}
	return p.play(ctx, recs)
}

func (p *player) play(ctx context.Context, recs []pipeline.Record) error {
	p.batch.Reset()
	p.batch.Topic, p.batch.Tenant = pipeline.TopicSignals, scenarioTenant
	for i := range recs {
		p.offset++
		recs[i].Offset, recs[i].Time = p.offset, p.last
		p.batch.In = append(p.batch.In, recs[i])
	}
	if err := p.stage.Process(ctx, &p.batch); err != nil {
		return err
	}
	return p.take(ctx)
}

func (p *player) tick(ctx context.Context, until pipeline.Millis) error {
	// Signals that are derived when the time comes move the clock on: once per link of the
	// longest chain is enough.
	for range maxChain {
		p.batch.Reset()
		if err := p.stage.Tick(ctx, until, &p.batch); err != nil {
			return err
		}
		if err := p.take(ctx); err != nil {
			return err
		}
		p.stage.Commit()
	}
	return nil
}

// take reads what the stage told, and feeds back what it derived.
func (p *player) take(ctx context.Context) error {
	var derived []pipeline.Record
	for _, m := range p.batch.Out {
		if m.Topic == pipeline.TopicSignals {
			derived = append(derived, pipeline.Record{Value: slices.Clone(m.Value), Headers: slices.Clone(m.Headers)})
			continue
		}
		f, err := pipeline.DecodeFact(m.Value)
		if err != nil {
			return err
		}
		if _, known := p.alerts[f.Alert.ID]; !known {
			p.order = append(p.order, f.Alert.ID)
		}
		p.alerts[f.Alert.ID] = *f.Alert
	}
	p.stage.Commit()
	if len(derived) == 0 {
		return nil
	}
	return p.play(ctx, derived)
}
