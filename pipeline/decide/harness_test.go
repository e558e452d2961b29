package decide_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/decide"
	playbooks "github.com/riposte-sec/riposte/policies/decide"
	guardrules "github.com/riposte-sec/riposte/policies/guard"
)

// t0 is where the virtual clocks of the tests begin.
var t0 = pipeline.MillisOf(time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC))

func everyKind() (out []pipeline.EntityKind) {
	for k := pipeline.EntityHost; k <= pipeline.EntityAccount; k++ {
		out = append(out, k)
	}
	return out
}

// catalogue is what the connectors of these tests offer.
func catalogue() map[string][]pipeline.ActionSpec {
	notify := func(name string) pipeline.ActionSpec {
		return pipeline.ActionSpec{Name: name, Effect: pipeline.EffectNotify, Idempotency: pipeline.IdemExternalID, Targets: everyKind(), Undo: true}
	}
	act := func(name string, e pipeline.Effect, k pipeline.EntityKind) pipeline.ActionSpec {
		return pipeline.ActionSpec{
			Name: name, Effect: e, Idempotency: pipeline.IdemState, Targets: []pipeline.EntityKind{k}, Undo: true,
			Params: map[string]pipeline.ParamSpec{"scope": {Type: "enum", Enum: []string{"full", "selective"}}},
		}
	}
	return map[string][]pipeline.ActionSpec{
		"log": {notify("notify.log")},
		"webhook": {
			notify("ticket.open"), notify("page.send"),
			act("user.suspend", pipeline.EffectIdentity, pipeline.EntityUser),
			act("key.disable", pipeline.EffectIdentity, pipeline.EntityKey),
			act("endpoint.isolate", pipeline.EffectContain, pipeline.EntityHost),
		},
		"edl": {
			act("ip.block", pipeline.EffectBlock, pipeline.EntityIP),
			act("domain.block", pipeline.EffectBlock, pipeline.EntityDomain),
		},
	}
}

func topdown(tb testing.TB, files fs.FS, document string) decide.Policy {
	tb.Helper()
	modules, data, err := decide.Bundle(files)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := decide.NewTopdown(tb.Context(), "test-1", document, modules, data)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// fixed is a policy that answers what a function says.
type fixed func(input []byte) ([]byte, error)

func (f fixed) Eval(_ context.Context, input []byte) ([]byte, error) { return f(input) }
func (fixed) Revision() string                                       { return "fixed-1" }
func (fixed) Engine() string                                         { return "topdown" }

// world is a stage of one partition with its input topic.
type world struct {
	tb     testing.TB
	cfg    decide.Config
	parts  decide.Parts
	stage  *decide.Stage
	known  pipeline.Context
	offset int64
	seq    uint32
	log    []pipeline.Record  // of the facts topic, ours included
	out    []pipeline.Message // everything that was emitted
	last   pipeline.Batch
}

func newWorld(tb testing.TB, change func(*decide.Config, *decide.Parts)) *world {
	tb.Helper()
	w := &world{tb: tb, cfg: decide.Default()}
	w.parts = decide.Parts{Connectors: catalogue()}
	if change != nil {
		change(&w.cfg, &w.parts)
	}
	if w.parts.Decide == nil {
		w.parts.Decide = topdown(tb, playbooks.FS, decide.DocumentDecide)
	}
	if w.parts.Guard == nil {
		w.parts.Guard = topdown(tb, guardrules.FS, decide.DocumentGuard)
	}
	w.stage = w.fresh()
	return w
}

func (w *world) fresh() *decide.Stage {
	w.tb.Helper()
	s, err := decide.New(w.cfg, w.parts)
	if err != nil {
		w.tb.Fatal(err)
	}
	return s
}

// record wraps a fact; its append time is its event time plus 200 ms.
func (w *world) record(f pipeline.Fact) pipeline.Record {
	w.tb.Helper()
	value, err := json.Marshal(&f)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.offset++
	return pipeline.Record{
		Offset: w.offset, Time: f.Time + 200, Value: value,
		Headers: []pipeline.Header{{Key: pipeline.HeaderTimes, Value: fmt.Appendf(nil, `{"normalised":%d}`, f.Time+100)}},
	}
}

// tell processes facts in one batch and commits it.
func (w *world) tell(facts ...pipeline.Fact) {
	w.tb.Helper()
	var in []pipeline.Record
	for _, f := range facts {
		in = append(in, w.record(f))
	}
	w.feed(in...)
}

func (w *world) feed(in ...pipeline.Record) {
	w.tb.Helper()
	w.last = pipeline.Batch{Topic: pipeline.TopicFacts, Tenant: "t", In: in, Context: w.known}
	if err := w.stage.Process(w.tb.Context(), &w.last); err != nil {
		w.tb.Fatalf("Process: %v", err)
	}
	w.commit()
}

func (w *world) commit() {
	w.tb.Helper()
	conforms(w.tb, w.last.Out)
	w.log = append(w.log, w.last.In...)
	w.out = append(w.out, w.last.Out...)
	w.stage.Commit()
}

// tick lets time pass and feeds the timer facts back.
func (w *world) tick(now pipeline.Millis) {
	w.tb.Helper()
	w.last = pipeline.Batch{Topic: pipeline.TopicFacts, Tenant: "t", Context: w.known}
	if err := w.stage.Tick(w.tb.Context(), now, &w.last); err != nil {
		w.tb.Fatalf("Tick: %v", err)
	}
	w.commit()
	for back := w.told(now); len(back) > 0; back = w.told(now) {
		w.feed(back...)
	}
}

// told are the timer facts of the last batch as they come back, appended at a time.
func (w *world) told(at pipeline.Millis) (back []pipeline.Record) {
	for _, m := range w.last.Out {
		if m.Topic == pipeline.TopicFacts {
			w.offset++
			back = append(back, pipeline.Record{Offset: w.offset, Time: at, Value: bytes.Clone(m.Value), Headers: m.Headers})
		}
	}
	return back
}

func alertFact(at pipeline.Millis, group, rule string, severity uint8, techniques []string, entities ...pipeline.EntityValue) pipeline.Fact {
	id := pipeline.AlertID("t", rule, group, pipeline.HashID("signal", rule, group, fmt.Sprint(at)))
	return pipeline.Fact{
		ID: pipeline.HashID("fact", id.View(), "1"), Tenant: "t", Group: group, Kind: pipeline.FactAlert, Ref: id, Time: at, Actor: "engine",
		Alert: &pipeline.Alert{
			ID: id, Tenant: "t", Rule: rule, Kind: pipeline.AlertSingle, Revision: 1, Severity: severity, Title: "Rule " + rule,
			Techniques: techniques, Sources: []string{"zeek"}, Group: []string{group}, Entities: entities, Signals: 1, Evidence: []pipeline.ID{},
			Fate: "incident", Occurred: at - 1000, Triggered: at, Ingested: at + 50,
		},
	}
}

func ent(text string) pipeline.EntityValue {
	kind, value, _ := strings.Cut(text, ":")
	content := strings.HasPrefix(value, "?")
	return pipeline.EntityValue{Kind: kind, Value: strings.TrimPrefix(value, "?"), Content: content}
}

func decodeAll[T any](tb testing.TB, out []pipeline.Message, topic string) (all []T) {
	tb.Helper()
	for _, m := range out {
		if m.Topic != topic {
			continue
		}
		var v T
		dec := json.NewDecoder(bytes.NewReader(m.Value))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&v); err != nil {
			tb.Fatalf("%s: %v", topic, err)
		}
		all = append(all, v)
	}
	return all
}

func (w *world) intents() []pipeline.Intent {
	w.tb.Helper()
	return decodeAll[pipeline.Intent](w.tb, w.out, pipeline.TopicIntents)
}

func (w *world) revisions() []pipeline.Revision {
	w.tb.Helper()
	return decodeAll[pipeline.Revision](w.tb, w.out, pipeline.TopicDecisions)
}

func (w *world) revision() pipeline.Revision {
	w.tb.Helper()
	all := w.revisions()
	if len(all) == 0 {
		w.tb.Fatal("no revision yet")
	}
	return all[len(all)-1]
}

// said are the intents so far, one line each: step, target, want and verdict.
func (w *world) said() (out []string) {
	w.tb.Helper()
	for _, in := range w.intents() {
		line := in.Step + " " + in.Target.Kind + ":" + in.Target.Value + " " + in.Verdict
		if in.Want == pipeline.WantAbsent {
			line = in.Step + " " + in.Target.Kind + ":" + in.Target.Value + " absent"
		}
		out = append(out, line)
	}
	return out
}

func (w *world) intent(step string) pipeline.Intent {
	w.tb.Helper()
	for _, in := range slices.Backward(w.intents()) {
		if in.Step == step {
			return in
		}
	}
	w.tb.Fatalf("no intent of step %s among %v", step, w.said())
	return pipeline.Intent{}
}

// outcome tells what became of a step's intent.
func (w *world) outcome(at pipeline.Millis, step, phase, state string, change ...func(*pipeline.Outcome)) {
	w.tb.Helper()
	in := w.intent(step)
	w.seq++
	o := &pipeline.Outcome{
		Intent: in.ID, Seq: w.seq, Tenant: in.Tenant, Incident: in.Incident, Group: in.Group, Connector: in.Connector, Action: in.Action,
		Effect: in.Effect, Step: in.Step, Target: in.Target, Phase: phase, State: state, Attempt: 1, Started: at - 20, Done: at - 10, Actor: "engine",
	}
	for _, c := range change {
		c(o)
	}
	w.tell(pipeline.Fact{
		ID: pipeline.HashID("outcome", in.ID.View(), fmt.Sprint(w.seq)), Tenant: in.Tenant, Group: in.Group,
		Kind: pipeline.FactOutcome, Ref: in.ID, Time: at, Actor: "connector:" + in.Connector, Outcome: o,
	})
}

func (w *world) approve(at pipeline.Millis, step, subject, role string, granted bool) {
	w.tb.Helper()
	in := w.intent(step)
	w.seq++
	w.tell(pipeline.Fact{
		ID: pipeline.HashID("approval", subject, fmt.Sprint(w.seq)), Tenant: in.Tenant, Group: in.Group, Kind: pipeline.FactApproval,
		Ref: in.ID, Time: at, Actor: "user:" + subject,
		Approval: &pipeline.Approval{Intent: in.ID, Digest: in.Digest, Subject: subject, Role: role, Granted: granted},
	})
}

func (w *world) dispose(at pipeline.Millis, group, disposition string) {
	w.tb.Helper()
	w.seq++
	w.tell(pipeline.Fact{
		ID: pipeline.HashID("disposition", fmt.Sprint(w.seq)), Tenant: "t", Group: group, Kind: pipeline.FactDisposition,
		Time: at, Actor: "user:ann", Disposition: disposition,
	})
}

func equal(tb testing.TB, what string, got, want []string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("%s:\n got  %s\n want %s", what, strings.Join(got, "\n      "), strings.Join(want, "\n      "))
	}
}
