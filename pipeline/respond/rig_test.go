package respond_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/respond"
)

var t0 = pipeline.MillisOf(time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC))

const sec = pipeline.Millis(1000)

// product is a connector whose effects are counted. Each call takes one word off the script:
// ok, busy (retry in 7 s), refuse, break (unknown, nothing happened), mute (unknown, it
// happened), pending, and "die" (the process ends before the call comes back).
type product struct {
	idem     pipeline.Idempotency
	volatile bool
	script   []string
	inPlace  map[string]string // target -> intent
	effects  map[string]int    // target -> times it was brought about
	seen     map[pipeline.ID]bool
	calls    []string
	restored bool
	cycle    uint16 // of the last Apply
}

func (p *product) Actions() []pipeline.ActionSpec {
	spec := func(name string, e pipeline.Effect) pipeline.ActionSpec {
		return pipeline.ActionSpec{
			Name: name, Effect: e, Idempotency: p.idem, Undo: true, Volatile: p.volatile,
			Targets: []pipeline.EntityKind{pipeline.EntityIP, pipeline.EntityHost}, Timeout: 10 * time.Second,
		}
	}
	return []pipeline.ActionSpec{spec("ip.block", pipeline.EffectBlock), spec("page.send", pipeline.EffectNotify)}
}

var errDied = errors.New("the process died")

func (p *product) do(a pipeline.Action, op string, effect func()) (pipeline.State, error) {
	word := "ok"
	if len(p.script) > 0 {
		word, p.script = p.script[0], p.script[1:]
	}
	p.calls = append(p.calls, op+" "+word)
	st := func() pipeline.State {
		if p.inPlace[a.Target.Value] != "" {
			return pipeline.State{State: pipeline.StateInPlace, VendorRef: "v-" + a.Target.Value}
		}
		return pipeline.State{State: pipeline.StateAbsent}
	}
	switch word {
	case "busy":
		return pipeline.State{}, pipeline.AsRetry("busy", 7*time.Second, errors.New("429"))
	case "refuse":
		return pipeline.State{}, pipeline.AsReject("bad_request", errors.New("400"))
	case "break":
		return pipeline.State{}, pipeline.AsUnknown("reset", errors.New("reset"))
	case "mute":
		effect()
		return pipeline.State{}, pipeline.AsUnknown("timeout", errors.New("timeout"))
	case "die":
		effect()
		return pipeline.State{}, errDied
	case "die-before":
		return pipeline.State{}, errDied
	case "pending":
		effect()
		return pipeline.State{State: pipeline.StatePending}, nil
	}
	effect()
	return st(), nil
}

func (p *product) Check(_ context.Context, a pipeline.Action) (pipeline.State, error) {
	if p.idem == pipeline.IdemNone || p.idem == pipeline.IdemExternalID {
		p.calls = append(p.calls, "check blind")
		return pipeline.State{State: pipeline.StateUnknown}, nil
	}
	return p.do(a, "check", func() {})
}

func (p *product) Apply(_ context.Context, a pipeline.Action) (pipeline.State, error) {
	p.cycle = a.Cycle
	return p.do(a, "apply", func() {
		if p.idem == pipeline.IdemExternalID && p.seen[a.Intent] {
			return
		}
		p.seen[a.Intent] = true
		if p.inPlace[a.Target.Value] == "" || p.idem == pipeline.IdemNone || p.idem == pipeline.IdemExternalID {
			p.effects[a.Target.Value]++
		}
		p.inPlace[a.Target.Value] = a.Intent.String()
	})
}

func (p *product) Undo(_ context.Context, a pipeline.Action) (pipeline.State, error) {
	return p.do(a, "undo", func() { delete(p.inPlace, a.Target.Value) })
}

// rig is a stage with a runtime around it: it commits, makes the calls that a committed
// batch asked for, and brings back their results.
type rig struct {
	tb      testing.TB
	product *product
	cfg     respond.Config
	stage   *respond.Stage
	now     pipeline.Millis
	pieces  [][]byte // state topic
	queue   []pipeline.Call
	returns []pipeline.Return
	out     []pipeline.Message
	offset  int64
	died    bool
}

func newRig(tb testing.TB, idem pipeline.Idempotency, script ...string) *rig {
	tb.Helper()
	r := &rig{tb: tb, now: t0, cfg: respond.Default(), product: &product{
		idem: idem, script: script, inPlace: map[string]string{}, effects: map[string]int{}, seen: map[pipeline.ID]bool{},
	}}
	r.start()
	return r
}

// start makes a new stage from what the state topic holds, as after a crash.
func (r *rig) start() {
	r.tb.Helper()
	s, err := respond.New(r.cfg, map[string][]pipeline.ActionSpec{"fw": r.product.Actions()})
	if err != nil {
		r.tb.Fatal(err)
	}
	for _, p := range r.pieces {
		if err := s.Restore(p); err != nil {
			r.tb.Fatalf("Restore: %v", err)
		}
	}
	r.stage, r.queue, r.returns, r.died = s, nil, nil, false
	r.product.restored = false
}

func intent(step, target string, change ...func(*pipeline.Intent)) pipeline.Intent {
	tgt := pipeline.EntityValue{Kind: "ip", Value: target}
	inc := pipeline.HashID("incident", step)
	in := pipeline.Intent{
		ID: pipeline.IntentID("t", inc, "book", step, "ip.block", tgt), Tenant: "t", Incident: inc, Group: "ip:" + target, Revision: 1,
		Want: pipeline.WantPresent, Playbook: "book", Step: step, Action: "ip.block", Effect: pipeline.EffectBlock, Connector: "fw",
		Target: tgt, TTL: 3600, Verdict: pipeline.VerdictAllow, Reasons: []pipeline.Reason{}, Mode: "live", Created: t0, OnExpiry: "undo", Priority: 2,
	}
	for _, c := range change {
		c(&in)
	}
	return in
}

func notify(in *pipeline.Intent) {
	in.Action, in.Effect, in.OnExpiry, in.TTL = "page.send", pipeline.EffectNotify, "keep", 0
}

func absent(in *pipeline.Intent) { in.Want, in.Revision = pipeline.WantAbsent, in.Revision+1 }

// give puts intents on the topic, appended now.
func (r *rig) give(intents ...pipeline.Intent) {
	r.tb.Helper()
	var in []pipeline.Record
	for _, i := range intents {
		in = append(in, r.record(i, r.now))
	}
	r.batch(in)
	r.settle()
}

func (r *rig) record(in pipeline.Intent, appended pipeline.Millis) pipeline.Record {
	r.tb.Helper()
	value, err := json.Marshal(&in)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.offset++
	return pipeline.Record{Offset: r.offset, Time: appended, Value: value}
}

func (r *rig) batch(in []pipeline.Record) {
	r.tb.Helper()
	b := &pipeline.Batch{Topic: pipeline.TopicIntents, Tenant: "t", In: in, Now: r.now, Returns: r.returns}
	if err := r.stage.Process(r.tb.Context(), b); err != nil {
		r.tb.Fatalf("Process: %v", err)
	}
	if err := r.stage.Tick(r.tb.Context(), r.now, b); err != nil {
		r.tb.Fatalf("Tick: %v", err)
	}
	for _, x := range b.Rejects {
		r.tb.Fatalf("reject: %s %s", x.Reason, x.Detail)
	}
	if d := r.stage.AppendDelta(nil); len(d) > 0 {
		r.pieces = append(r.pieces, d)
	}
	r.stage.Commit()
	r.returns = nil
	conforms(r.tb, b.Out)
	for i := range b.Out {
		m := b.Out[i]
		m.Value = bytes.Clone(m.Value)
		r.out = append(r.out, m)
	}
	r.queue = append(r.queue, b.Calls...)
}

// settle makes the calls whose time has come until nothing moves any more, or the process dies.
func (r *rig) settle() {
	r.tb.Helper()
	for range 200 {
		var later []pipeline.Call
		calls := r.queue
		r.queue = nil
		for _, c := range calls {
			if c.NotBefore > r.now {
				later = append(later, c)
				continue
			}
			if r.call(c); r.died {
				return
			}
		}
		r.queue = append(r.queue, later...)
		if len(r.returns) == 0 {
			return
		}
		r.batch(nil)
	}
	r.tb.Fatalf("no rest after 200 rounds: %v", r.product.calls)
}

func (r *rig) call(c pipeline.Call) {
	ctx := r.tb.Context()
	ret := pipeline.Return{Call: c, Started: r.now, Done: r.now + 1}
	switch c.Op {
	case pipeline.OpCheck:
		ret.State, ret.Err = r.product.Check(ctx, c.Action)
	case pipeline.OpApply:
		ret.State, ret.Err = r.product.Apply(ctx, c.Action)
	case pipeline.OpUndo:
		ret.State, ret.Err = r.product.Undo(ctx, c.Action)
	case pipeline.OpRestore:
		r.product.calls = append(r.product.calls, "restore "+c.Action.Target.Value)
		r.product.inPlace[c.Action.Target.Value] = c.Action.Intent.String()
	case pipeline.OpRestored:
		r.product.calls = append(r.product.calls, "restored")
		r.product.restored = true
	}
	if errors.Is(ret.Err, errDied) {
		r.died = true
		return
	}
	r.returns = append(r.returns, ret)
}

// pass lets time go by, with a look every second.
func (r *rig) pass(seconds int) { r.tb.Helper(); r.steps(seconds, sec) }

func (r *rig) steps(n int, of pipeline.Millis) {
	r.tb.Helper()
	for range n {
		r.now += of
		if r.died {
			r.start()
		}
		r.batch(nil)
		r.settle()
	}
}

func (r *rig) outcomes() (out []pipeline.Outcome) {
	r.tb.Helper()
	facts := 0
	for _, m := range r.out {
		if m.Topic == pipeline.TopicFacts {
			facts++
			continue
		}
		var o pipeline.Outcome
		if err := json.Unmarshal(m.Value, &o); err != nil {
			r.tb.Fatal(err)
		}
		out = append(out, o)
	}
	if facts != len(out) {
		r.tb.Fatalf("%d outcomes and %d facts, want one each", len(out), facts)
	}
	return out
}

// told are the outcomes of a step, one word each: phase, state and fault.
func (r *rig) told(step string) (out []string) {
	r.tb.Helper()
	seq := uint32(0)
	for _, o := range r.outcomes() {
		if o.Step != step {
			continue
		}
		if seq++; o.Seq != seq {
			r.tb.Errorf("%s: outcome %d has seq %d", step, seq, o.Seq)
		}
		line := o.Phase + ":" + o.State
		if o.Fault != "" {
			line += ":" + o.Fault
		}
		if o.Already {
			line += ":already"
		}
		out = append(out, line)
	}
	return out
}

func (r *rig) want(what string, got []string, want ...string) {
	r.tb.Helper()
	if !slices.Equal(got, want) {
		r.tb.Errorf("%s:\n got  %s\n want %s", what, strings.Join(got, " "), strings.Join(want, " "))
	}
}

func (r *rig) effects(target string, want int) {
	r.tb.Helper()
	if got := r.product.effects[target]; got != want {
		r.tb.Errorf("%d effects on %s, want %d; calls %v", got, target, want, r.product.calls)
	}
}
