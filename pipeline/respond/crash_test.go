package respond_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/respond"
)

func TestProcessThatDiesInACallLooksBeforeItActsAgain(t *testing.T) {
	t.Parallel()
	f := func(name string, script []string, effects int, calls ...string) {
		t.Helper()
		r := newRig(t, pipeline.IdemState, script...)
		r.give(intent("a", target))
		r.pass(10)
		r.want(name, r.product.calls, calls...)
		r.effects(target, effects)
		told := r.told("a")
		if last := told[len(told)-1]; last != "verify:in_place" {
			t.Errorf("%s: ends with %s, want verify:in_place", name, last)
		}
	}
	f("in the first check", []string{"die"}, 1, "check die", "check ok", "apply ok", "check ok")
	f("after the effect", []string{"ok", "die"}, 1, "check ok", "apply die", "check ok")
	f("before the effect", []string{"ok", "die-before"}, 1, "check ok", "apply die-before", "check ok", "apply ok", "check ok")
	f("in the verification", []string{"ok", "ok", "die"}, 1, "check ok", "apply ok", "check die", "check ok")
}

func TestProcessThatDiesInACallThatCannotBeCheckedDoesNotRepeatIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemNone, "die")
	r.give(intent("a", target, notify))
	r.pass(60)
	r.want("outcomes", r.told("a"), "apply:unknown:lost")
	r.effects(target, 1)
}

func TestCallThatNeverComesBackIsLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.batch([]pipeline.Record{r.record(intent("a", target), r.now)})
	r.queue = nil // the runtime lost it
	r.pass(135)
	r.want("outcomes", r.told("a"), "check:absent", "apply:in_place", "verify:in_place")
}

func TestReturnOfAnEarlierCallIsIgnored(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.batch([]pipeline.Record{r.record(intent("a", target), r.now)})
	stale := r.queue[0]
	r.settle()
	r.returns = []pipeline.Return{{Call: stale, State: pipeline.State{State: pipeline.StateAbsent}}}
	r.batch(nil)
	r.want("outcomes", r.told("a"), "check:absent", "apply:in_place", "verify:in_place")
	r.effects(target, 1)
}

// TestNoEffectHappensTwice drives leases through random failures, deaths of the process and
// retractions. Whatever happens, a target that is wanted once has one effect at most, and at
// the end nothing is in place that nobody wants.
func TestNoEffectHappensTwice(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 7))
	words := []string{"ok", "ok", "ok", "busy", "break", "mute", "die", "die-before", "pending"}
	for range 150 {
		idem := []pipeline.Idempotency{pipeline.IdemState, pipeline.IdemExternalID, pipeline.IdemNone}[rnd.IntN(3)]
		var script []string
		for range rnd.IntN(25) {
			script = append(script, words[rnd.IntN(len(words))])
		}
		r := newRig(t, idem, slices.Clone(script)...)
		change := func(*pipeline.Intent) {}
		if idem != pipeline.IdemState {
			change = notify
			r.product.script = slices.DeleteFunc(r.product.script, func(w string) bool { return w == "pending" })
		}
		targets := []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"}
		for _, tgt := range targets {
			r.give(intent("s"+tgt, tgt, change))
			r.pass(rnd.IntN(30))
		}
		r.pass(120)
		for _, tgt := range targets {
			if n := r.product.effects[tgt]; n > 1 {
				t.Errorf("%s: %d effects on %s; script %v, calls %v", idem, n, tgt, script, r.product.calls)
			}
		}
		if idem != pipeline.IdemState {
			continue
		}
		r.steps(900, 10*sec)
		if len(r.product.inPlace) > 0 {
			t.Errorf("still in place after its end: %v; script %v calls %v", r.product.inPlace, script, r.product.calls)
		}
	}
}

func TestRollbackThenTheSameBatchGivesTheSameRecords(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState, "ok", "mute", "ok", "busy")
	r.give(intent("a", target))
	render := func(b *pipeline.Batch) string {
		var s strings.Builder
		for _, m := range b.Out {
			s.WriteString(m.Topic)
			s.Write(m.Key)
			s.Write(m.Value)
		}
		for _, c := range b.Calls {
			s.WriteString(c.Action.Intent.String())
			s.WriteByte(byte(c.Op))
		}
		return s.String()
	}
	rec := r.record(intent("b", "203.0.113.9"), r.now)
	r.now += 3 * sec
	run := func() (string, []byte) {
		b := &pipeline.Batch{Topic: pipeline.TopicIntents, Tenant: "t", In: []pipeline.Record{rec}, Now: r.now, Returns: slices.Clone(r.returns)}
		if err := r.stage.Process(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := r.stage.Tick(t.Context(), r.now, b); err != nil {
			t.Fatal(err)
		}
		return render(b), r.stage.AppendDelta(nil)
	}
	first, delta := run()
	r.stage.Rollback()
	again, delta2 := run()
	if first == "" || first != again || !bytes.Equal(delta, delta2) {
		t.Errorf("after a rollback the same batch gave other records:\n%s\n%s", first, again)
	}
}

func TestSnapshotCarriesTheLedger(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.give(intent("a", target), intent("b", target))
	r.pieces = nil
	if err := r.stage.Snapshot(func(p []byte) error { r.pieces = append(r.pieces, bytes.Clone(p)); return nil }); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.pass(3605)
	r.want("first", r.told("a")[3:], "expire:in_place", "undo:in_place")
	r.want("second", r.told("b")[1:], "expire:in_place", "undo:absent", "verify_undo:absent")
}

func TestBrokenRecordIsRejected(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	f := func(value string) {
		t.Helper()
		b := &pipeline.Batch{Topic: pipeline.TopicIntents, Tenant: "t", In: []pipeline.Record{{Value: []byte(value)}}, Now: r.now}
		if err := r.stage.Process(t.Context(), b); err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		if len(b.Rejects) != 1 || b.Rejects[0].Reason != respond.RejectMalformed || b.Counts.Rejected != 1 || b.Counts.In != 1 {
			t.Errorf("%s: rejects %v counts %+v, want one reject", value, b.Rejects, b.Counts)
		}
	}
	f("")
	f("{}")
	f(`{"intent_id":"00000000-0000-0000-0000-000000000001","tenant":"t","group":"g","target":{"kind":"ip","value":"1.2.3.4"},"want":"maybe"}`)
}

func FuzzProcess(f *testing.F) {
	f.Add([]byte(`{"intent_id":"00000000-0000-0000-0000-000000000001","tenant":"t","group":"g","target":{"kind":"ip","value":"1.2.3.4"},` +
		`"want":"present","verdict":"allow","effect":"block","connector":"fw","action":"ip.block","ttl_s":9223372036854775807,"mode":"live"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		r := newRig(t, pipeline.IdemState)
		b := &pipeline.Batch{Topic: pipeline.TopicIntents, Tenant: "t", In: []pipeline.Record{{Value: value, Time: t0}}, Now: r.now}
		if err := r.stage.Process(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		again, err := respond.New(r.cfg, map[string][]pipeline.ActionSpec{"fw": r.product.Actions()})
		if err != nil {
			t.Fatal(err)
		}
		if d := r.stage.AppendDelta(nil); len(d) > 0 {
			if err := again.Restore(d); err != nil {
				t.Fatalf("own delta refused: %v", err)
			}
		}
	})
}
