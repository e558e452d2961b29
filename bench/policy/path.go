package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/riposte-sec/riposte/bench/line"
	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/correlate"
	"github.com/riposte-sec/riposte/pipeline/decide"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
	"github.com/riposte-sec/riposte/pipeline/match"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/policies"
	"github.com/riposte-sec/riposte/sources/all"
	"github.com/riposte-sec/riposte/sources/sample"
)

// The path that is measured: the stages of the pipeline from raw records to intents
// with the shipped policies, over sample traffic with its five attacks, in batches, in
// one goroutine. Kafka and ClickHouse are left out: they cost the same either way.
const (
	pathBatch   = 256
	pathRate    = 100 // records per second of the traffic
	pathMinutes = 2   // and the time between two rounds of the attacks
)

// evaluators are what the two ways differ in. Nil leaves the rules out.
type evaluators struct {
	name    string
	matcher func() pipeline.Matcher
	decide  decide.Policy
	guard   decide.Policy
}

// measurePath measures the path with OPA's interpreter, as it was before the engine, and
// with the engine, and returns how many times more events a processor-second carries.
func measurePath(ctx context.Context, w *report, rounds int) (float64, error) {
	p, err := newPath(ctx)
	if err != nil {
		return 0, err
	}
	before, after, err := bothEvaluators(ctx, p.policies)
	if err != nil {
		return 0, err
	}
	bare := evaluators{name: "without rules", decide: after.decide, guard: after.guard}
	perSecond := map[string][]float64{}
	var want uint64
	outputs := map[string]int{}
	for round := range rounds + 1 {
		for _, e := range []evaluators{before, after, bare} {
			start := cpuTime()
			sum, counts, err := p.run(ctx, e)
			if err != nil {
				return 0, fmt.Errorf("path, %s: %w", e.name, err)
			}
			if round > 0 { // the first is for warming up
				perSecond[e.name] = append(perSecond[e.name], float64(p.records)/(cpuTime()-start).Seconds())
			}
			switch {
			case e.matcher == nil:
			case e.name == before.name && round == 0:
				want, outputs = sum, counts
			case sum != want:
				return 0, errors.New("path: the engine's outputs differ from those of OPA's interpreter")
			}
		}
	}
	ratios := quotients(perSecond[after.name], perSecond[before.name])
	fmt.Fprintf(&w.text, "\npath: %d raw records of sample traffic to %d events, %d signals, %d facts, %d decisions, %d intents; %d detections, %d correlations; outputs equal\n",
		p.records, outputs[pipeline.TopicEvents], outputs[pipeline.TopicSignals], outputs[pipeline.TopicFacts], outputs[pipeline.TopicDecisions], outputs[pipeline.TopicIntents],
		len(p.policies.Detections.Detections), len(p.policies.Correlations.All()))
	for _, e := range []evaluators{before, after, bare} {
		fmt.Fprintf(&w.text, "%-16s %9.0f events per processor-second\n", e.name, median(perSecond[e.name]))
	}
	fmt.Fprintf(&w.text, "path, %s : %s = %.2f\n", after.name, before.name, median(ratios))
	w.show()
	return median(ratios), nil
}

func bothEvaluators(ctx context.Context, p *assembly.Policies) (before, after evaluators, err error) {
	data, err := policies.Data(policies.Detections())
	if err != nil {
		return before, after, err
	}
	stock, err := match.NewTopdown(ctx, p.Detections, data)
	if err != nil {
		return before, after, err
	}
	before = evaluators{name: "topdown", matcher: func() pipeline.Matcher { return stock }}
	modules, text, err := decide.Bundle(policies.Decide())
	if err != nil {
		return before, after, err
	}
	if before.decide, err = decide.NewTopdown(ctx, p.Revision, decide.DocumentDecide, modules, text); err != nil {
		return before, after, err
	}
	if modules, text, err = decide.Bundle(policies.Guard()); err != nil {
		return before, after, err
	}
	if before.guard, err = decide.NewTopdown(ctx, p.Revision, decide.DocumentGuard, modules, text); err != nil {
		return before, after, err
	}
	return before, evaluators{name: "engine", matcher: p.Matcher, decide: p.Decide, guard: p.Guard}, nil
}

// path is the traffic in batches, and what the stages are made of.
type path struct {
	policies *assembly.Policies
	formats  *normalise.Compiled
	batches  []rawBatch
	records  int
	seed     maphash.Seed
}

type rawBatch struct {
	source string
	in     []pipeline.Record
}

func newPath(ctx context.Context) (*path, error) {
	p := &path{seed: maphash.MakeSeed()}
	var err error
	if p.policies, err = assembly.LoadPolicies(ctx, policies.FS, assembly.Watch{}); err != nil {
		return nil, err
	}
	if p.formats, err = normalise.New(all.Formats()); err != nil {
		return nil, err
	}
	cfg := sample.Default()
	cfg.Start = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	cfg.Rate, cfg.StoryEvery, cfg.Duration = pathRate, pathMinutes*time.Minute, pathMinutes*time.Minute
	g, err := sample.New(cfg)
	if err != nil {
		return nil, err
	}
	open := map[string]*rawBatch{}
	offsets := map[string]int64{}
	for r, ok := g.Next(); ok; r, ok = g.Next() {
		b := open[r.Source]
		if b == nil {
			b = &rawBatch{source: r.Source}
			open[r.Source] = b
		}
		offsets[r.Source]++
		p.records++
		b.in = append(b.in, pipeline.Record{
			Offset: offsets[r.Source], Time: pipeline.MillisOf(r.At), Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Headers: r.Headers,
		})
		if len(b.in) == pathBatch {
			p.batches = append(p.batches, *b)
			delete(open, r.Source)
		}
	}
	for _, source := range sample.Sources() {
		if b := open[source]; b != nil {
			p.batches = append(p.batches, *b)
		}
	}
	return p, nil
}

// pass is one run of the traffic through fresh stages.
type pass struct {
	ctx       context.Context //nolint:containedctx // lives as long as one run
	ingest    map[string]pipeline.Stage
	correlate pipeline.Stateful
	decide    pipeline.Stateful
	batch     *pipeline.Batch
	offsets   map[string]int64
	now       pipeline.Millis
	counts    map[string]int
	hash      maphash.Hash
}

// run sends all traffic through the stages and returns a hash over all outputs and how
// many there were by topic.
func (p *path) run(ctx context.Context, e evaluators) (sum uint64, counts map[string]int, err error) {
	s := &pass{
		ctx: ctx, ingest: map[string]pipeline.Stage{}, batch: &pipeline.Batch{Tenant: "acme"},
		offsets: map[string]int64{}, counts: map[string]int{},
	}
	s.hash.SetSeed(p.seed)
	for _, source := range sample.Sources() {
		if s.ingest[source], err = p.chain(source, e); err != nil {
			return 0, nil, err
		}
	}
	cfg := correlate.Default()
	cfg.Rules, cfg.Noise = p.policies.Correlations, p.policies.Noise
	if s.correlate, err = correlate.New(cfg); err != nil {
		return 0, nil, err
	}
	if s.decide, err = decide.New(decide.Default(), decide.Parts{Decide: e.decide, Guard: e.guard, Connectors: everyAction()}); err != nil {
		return 0, nil, err
	}
	for i := range p.batches {
		b := &p.batches[i]
		s.now = b.in[len(b.in)-1].Time
		s.batch.Reset()
		s.batch.Topic, s.batch.In = pipeline.TopicRawPrefix+b.source, append(s.batch.In, b.in...)
		if err := s.step(s.ingest[b.source], s.batch); err != nil {
			return 0, nil, err
		}
	}
	last := &pipeline.Batch{Tenant: "acme"}
	if err := s.correlate.Tick(ctx, s.now.Add(2*time.Hour), last); err != nil { // what waits for the end of a window
		return 0, nil, err
	}
	err = s.route(last.Out)
	return s.hash.Sum64(), s.counts, err
}

func (p *path) chain(source string, e evaluators) (pipeline.Stage, error) {
	seen, err := dedupe.New(dedupe.Default())
	if err != nil {
		return nil, err
	}
	stages := []pipeline.Stage{p.formats.Stage(source), seen}
	if e.matcher != nil {
		m, err := match.New(match.Config{Rules: p.policies.Detections, Matcher: e.matcher(), Consumers: p.policies.Correlations.Consumers()})
		if err != nil {
			return nil, err
		}
		stages = append(stages, m)
	}
	return line.Join(append(stages, new(pipeline.Publish))...)
}

// step lets a stage process a batch and hands on what comes out.
func (s *pass) step(stage pipeline.Stage, b *pipeline.Batch) error {
	if err := stage.Process(s.ctx, b); err != nil {
		return err
	}
	if st, ok := stage.(pipeline.Stateful); ok {
		st.Commit()
	}
	return s.route(b.Out)
}

func (s *pass) route(out []pipeline.Message) error {
	next := map[string]*pipeline.Batch{}
	for i := range out {
		m := &out[i]
		s.note(m)
		if m.Topic != pipeline.TopicSignals && m.Topic != pipeline.TopicFacts {
			continue
		}
		b := next[m.Topic]
		if b == nil {
			b = &pipeline.Batch{Tenant: "acme", Topic: m.Topic}
			next[m.Topic] = b
		}
		s.offsets[m.Topic]++
		b.In = append(b.In, pipeline.Record{Offset: s.offsets[m.Topic], Time: s.now, Key: m.Key, Value: m.Value, Headers: m.Headers})
	}
	if b := next[pipeline.TopicSignals]; b != nil {
		if err := s.step(s.correlate, b); err != nil {
			return err
		}
	}
	if b := next[pipeline.TopicFacts]; b != nil {
		return s.step(s.decide, b)
	}
	return nil
}

// note adds a message to the hash over the outputs, without the name of what evaluated
// a decision.
func (s *pass) note(m *pipeline.Message) {
	s.counts[m.Topic]++
	value := m.Value
	if m.Topic == pipeline.TopicDecisions {
		value = bytes.ReplaceAll(value, []byte(`"engine":"riposte"`), []byte(`"engine":"topdown"`))
	}
	for _, part := range [][]byte{[]byte(m.Topic), m.Key, value} {
		maphash.WriteComparable(&s.hash, len(part))
		_, _ = s.hash.Write(part) // never fails
	}
}

// everyAction offers every action that the shipped playbooks know.
func everyAction() map[string][]pipeline.ActionSpec {
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
