package stories

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/correlate"
	"github.com/riposte-sec/riposte/pipeline/decide"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
	"github.com/riposte-sec/riposte/pipeline/inventory/inventorytest"
	"github.com/riposte-sec/riposte/pipeline/match"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/policies"
	"github.com/riposte-sec/riposte/sources/all"
	"github.com/riposte-sec/riposte/sources/sample"
)

// line is the pipeline from raw records to intents, with one partition of each topic.
type line struct {
	tb        testing.TB
	ingest    map[string][]pipeline.Stage // by source
	raw       map[string]*pipeline.Batch  // by source
	correlate *correlate.Stage
	decide    *decide.Stage
	offsets   map[string]int64 // of our topics
	now       pipeline.Millis
	known     pipeline.Context

	counts    pipeline.Counts // of ingest
	signals   []pipeline.Signal
	incidents map[pipeline.ID]pipeline.Incident // newest revision
	intents   map[pipeline.ID]pipeline.Intent   // newest form
}

func newLine(tb testing.TB) *line {
	tb.Helper()
	l := &line{
		tb: tb, ingest: map[string][]pipeline.Stage{}, raw: map[string]*pipeline.Batch{}, offsets: map[string]int64{},
		incidents: map[pipeline.ID]pipeline.Incident{}, intents: map[pipeline.ID]pipeline.Intent{},
	}
	org := sample.Default()
	org.Start = start
	l.known = inventorytest.Sample(tb, "acme", org)
	rules, err := match.Load(policies.Detections(), match.Options{})
	l.must(err)
	data, err := policies.Data(policies.Detections())
	l.must(err)
	correlations, err := correlate.Load(policies.Correlations())
	l.must(err)
	l.must(correlations.CheckRules(rules.IDs()))
	matcher, err := match.NewTopdown(tb.Context(), rules, data)
	l.must(err)
	m, err := match.New(match.Config{Rules: rules, Matcher: matcher, Consumers: correlations.Consumers()})
	l.must(err)
	formats, err := normalise.New(all.Formats())
	l.must(err)
	for _, src := range sample.Sources() {
		seen, err := dedupe.New(dedupe.Default())
		l.must(err)
		l.ingest[src] = []pipeline.Stage{formats.Stage(src), seen, m, &pipeline.Publish{}}
		l.raw[src] = &pipeline.Batch{Tenant: "acme"}
	}
	cfg := correlate.Default()
	cfg.Rules = correlations
	l.correlate, err = correlate.New(cfg)
	l.must(err)
	l.decide, err = decide.New(decide.Default(), decide.Parts{
		Decide: l.policy("decide", decide.DocumentDecide), Guard: l.policy("guard", decide.DocumentGuard), Connectors: connectors(),
	})
	l.must(err)
	return l
}

func (l *line) must(err error) {
	l.tb.Helper()
	if err != nil {
		l.tb.Fatal(err)
	}
}

func (l *line) policy(folder, document string) decide.Policy {
	l.tb.Helper()
	files := policies.Decide()
	if folder == "guard" {
		files = policies.Guard()
	}
	modules, data, err := decide.Bundle(files)
	l.must(err)
	p, err := decide.NewTopdown(l.tb.Context(), "shipped", document, modules, data)
	l.must(err)
	return p
}

// connectors offer every action that the shipped playbooks know, so that the test sees what
// is wanted and not what an installation happens to have.
func connectors() map[string][]pipeline.ActionSpec {
	var kinds []pipeline.EntityKind
	for k := pipeline.EntityHost; k <= pipeline.EntityAccount; k++ {
		kinds = append(kinds, k)
	}
	spec := func(name string, e pipeline.Effect) pipeline.ActionSpec {
		return pipeline.ActionSpec{Name: name, Effect: e, Idempotency: pipeline.IdemState, Targets: kinds, Undo: true}
	}
	return map[string][]pipeline.ActionSpec{"everything": {
		spec("notify.log", pipeline.EffectNotify), spec("ticket.open", pipeline.EffectNotify), spec("page.send", pipeline.EffectNotify),
		spec("ip.block", pipeline.EffectBlock), spec("domain.block", pipeline.EffectBlock),
		spec("endpoint.isolate", pipeline.EffectContain),
		spec("user.suspend", pipeline.EffectIdentity), spec("key.disable", pipeline.EffectIdentity),
	}}
}

// run sends all of g's traffic through the line, record by record.
func (l *line) run(g *sample.Generator) {
	l.tb.Helper()
	for r, ok := g.Next(); ok; r, ok = g.Next() {
		l.record(&r)
	}
	// Let what waits for the end of a window come to an end.
	b := &pipeline.Batch{Tenant: "acme"}
	l.must(l.correlate.Tick(l.tb.Context(), l.now.Add(2*time.Hour), b))
	l.pass(b.Out)
}

func (l *line) record(r *sample.Record) {
	l.tb.Helper()
	l.now = pipeline.MillisOf(r.At)
	b := l.raw[r.Source]
	b.Reset()
	b.Context = l.known
	b.Topic = pipeline.TopicRawPrefix + r.Source
	b.In = append(b.In, l.next(b.Topic, r.Key, r.Value, r.Headers))
	for _, s := range l.ingest[r.Source] {
		l.must(s.Process(l.tb.Context(), b))
		if st, ok := s.(pipeline.Stateful); ok {
			st.Commit()
		}
	}
	l.counts.In += b.Counts.In
	l.counts.Live += b.Counts.Live
	l.counts.Duplicate += b.Counts.Duplicate
	l.counts.Rejected += b.Counts.Rejected
	l.pass(b.Out)
}

// next makes a record of the topic, appended now.
func (l *line) next(topic string, key, value []byte, headers []pipeline.Header) pipeline.Record {
	l.offsets[topic]++
	return pipeline.Record{Offset: l.offsets[topic], Time: l.now, Key: key, Value: value, Headers: headers}
}

// pass hands messages on to who reads their topic, until nothing comes out any more.
func (l *line) pass(out []pipeline.Message) {
	l.tb.Helper()
	for _, m := range out {
		switch m.Topic {
		case pipeline.TopicSignals:
			l.note(m.Value)
			l.step(l.correlate, &m)
		case pipeline.TopicFacts:
			l.step(l.decide, &m)
		case pipeline.TopicDecisions:
			var rev pipeline.Revision
			l.must(json.Unmarshal(m.Value, &rev))
			if rev.Decision.Error != "" {
				l.tb.Errorf("decision on %s: %s", rev.Incident.Title, rev.Decision.Error)
			}
			l.incidents[rev.Incident.ID] = rev.Incident
		case pipeline.TopicIntents:
			var in pipeline.Intent
			l.must(json.Unmarshal(m.Value, &in))
			l.intents[in.ID] = in
		}
	}
}

func (l *line) note(value []byte) {
	l.tb.Helper()
	var s pipeline.Signal
	l.must(json.Unmarshal(value, &s))
	l.signals = append(l.signals, s)
}

// step lets a stage process one record and passes on what comes out.
func (l *line) step(s pipeline.Stateful, m *pipeline.Message) {
	l.tb.Helper()
	b := &pipeline.Batch{Topic: m.Topic, Tenant: "acme", Context: l.known, In: []pipeline.Record{l.next(m.Topic, m.Key, m.Value, m.Headers)}}
	l.must(s.Process(l.tb.Context(), b))
	s.Commit()
	for _, r := range b.Rejects {
		l.tb.Errorf("%s: rejected by %s: %s %s: %s", m.Topic, r.Stage, r.Reason, r.Detail, m.Value)
	}
	l.pass(b.Out)
}
