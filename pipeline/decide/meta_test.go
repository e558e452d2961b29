package decide_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/decide"
	playbooks "github.com/riposte-sec/riposte/policies/decide"
	guardrules "github.com/riposte-sec/riposte/policies/guard"
)

// TestOutputDoesNotDependOnBatchesCrashesOrRollbacks runs one log of facts, timers included,
// whole and then cut into random batches with rollbacks and restarts in between. What is
// emitted must be the same, byte by byte (I6).
func TestOutputDoesNotDependOnBatchesCrashesOrRollbacks(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := newWorld(t, func(c *decide.Config, p *decide.Parts) {
		c.HourlyCap = map[string]int{"ip.block": 3}
		p.Decide, p.Guard = fast(t, playbooks.FS, decide.DocumentDecide), fast(t, guardrules.FS, decide.DocumentGuard)
	})
	history(w, rand.New(rand.NewPCG(seed, 5)))
	want := render(w.out)
	if len(decodeAll[pipeline.Fact](t, w.out, pipeline.TopicFacts)) == 0 {
		t.Fatal("no timer fired, want a log with some")
	}
	if len(w.intents()) < 20 {
		t.Fatalf("%d intents, want a log worth the name", len(w.intents()))
	}
	for round := range uint64(3) {
		rnd := rand.New(rand.NewPCG(seed, round))
		got := replay(t, w, rnd)
		if i := firstDifference(want, got); i >= 0 {
			t.Fatalf("round %d: message %d of %d and %d differs:\n%s\n%s", round, i, len(got), len(want), at(got, i), at(want, i))
		}
	}
}

func at(l [][]byte, i int) []byte {
	if i < len(l) {
		return l[i]
	}
	return []byte("(none)")
}

func firstDifference(a, b [][]byte) int {
	for i := range max(len(a), len(b)) {
		if !bytes.Equal(at(a, i), at(b, i)) {
			return i
		}
	}
	return -1
}

// render makes a line of each decision and intent. When a timer fact is told depends on the
// clock that ticks, and must not matter.
func render(out []pipeline.Message) (lines [][]byte) {
	for _, m := range out {
		if m.Topic == pipeline.TopicFacts {
			continue
		}
		line := append([]byte(m.Topic+" "), m.Key...)
		line = append(append(line, ' '), m.Value...)
		for _, h := range m.Headers {
			line = append(append(append(line, ' '), h.Key...), h.Value...)
		}
		lines = append(lines, line)
	}
	return lines
}

// history lets a world live: alerts of several groups, outcomes, approvals, dispositions.
func history(w *world, rnd *rand.Rand) {
	w.tb.Helper()
	rules := []string{"known_bad_address", "password_spray_success", "dns_tunnel", "other", "cloud_key_abroad"}
	now := t0
	for range 60 {
		now += sec * pipeline.Millis(rnd.IntN(400))
		ip := fmt.Sprintf("ip:198.51.100.%d", rnd.IntN(6))
		switch n := rnd.IntN(10); {
		case n < 6 || len(w.said()) == 0:
			w.tell(alertFact(now, ip, rules[rnd.IntN(len(rules))], uint8(2+rnd.IntN(4)), nil, ent(ip), ent("user:alice"), ent("key:AKIA")))
		case n < 8:
			said := w.intents()
			in := said[rnd.IntN(len(said))]
			w.outcome(now, in.Step, pipeline.PhaseVerify, []string{pipeline.StateInPlace, pipeline.StateFailed}[rnd.IntN(2)])
		case n < 9:
			said := w.intents()
			w.approve(now, said[rnd.IntN(len(said))].Step, "ann", "soc_l2", rnd.IntN(4) > 0)
		default:
			w.dispose(now, ip, "false_positive")
		}
	}
	w.tick(now + 7200*sec)
}

// replay processes the world's log again in random batches. A batch may be rolled back and
// processed again; the stage may be replaced by one restored from snapshot and deltas; a
// clock that has nothing to do with the log ticks in between.
func replay(tb testing.TB, w *world, rnd *rand.Rand) [][]byte {
	tb.Helper()
	stage, pieces := w.fresh(), [][]byte{}
	var out []pipeline.Message
	rest := w.log
	for rest != nil {
		n := min(len(rest), 1+rnd.IntN(7))
		run := func() *pipeline.Batch {
			b := &pipeline.Batch{Topic: pipeline.TopicFacts, Tenant: "t", In: slices.Clone(rest[:n])}
			if err := stage.Process(tb.Context(), b); err != nil {
				tb.Fatal(err)
			}
			return b
		}
		if rnd.IntN(3) == 0 { // an idle moment, by a clock that may be wrong by hours
			b := &pipeline.Batch{Topic: pipeline.TopicFacts, Tenant: "t"}
			if err := stage.Tick(tb.Context(), rest[0].Time+pipeline.Millis(rnd.IntN(7200_000)-3600_000), b); err != nil {
				tb.Fatal(err)
			}
			out = append(out, b.Out...)
		}
		b := run()
		if rnd.IntN(3) == 0 {
			stage.Rollback()
			b = run()
		}
		if d := stage.AppendDelta(nil); len(d) > 0 {
			pieces = append(pieces, d)
		}
		stage.Commit()
		out = append(out, b.Out...)
		if rest = rest[n:]; len(rest) == 0 {
			rest = nil
		}
		if rnd.IntN(4) == 0 {
			stage, pieces = restart(tb, w, stage, pieces, rnd)
		}
	}
	return render(out)
}

func restart(tb testing.TB, w *world, old *decide.Stage, pieces [][]byte, rnd *rand.Rand) (*decide.Stage, [][]byte) {
	tb.Helper()
	if rnd.IntN(2) == 0 {
		pieces = nil
		if err := old.Snapshot(func(p []byte) error { pieces = append(pieces, bytes.Clone(p)); return nil }); err != nil {
			tb.Fatal(err)
		}
	}
	s := w.fresh()
	for _, p := range pieces {
		if err := s.Restore(p); err != nil {
			tb.Fatal(err)
		}
	}
	if s.StateBytes() != old.StateBytes() {
		tb.Fatalf("restored state of %d bytes, want %d", s.StateBytes(), old.StateBytes())
	}
	return s, pieces
}

func FuzzRestore(f *testing.F) {
	w := newWorld(f, nil)
	w.tell(alertFact(t0, badIP, "known_bad_address", 4, nil, ent(badIP)))
	if err := w.stage.Snapshot(func(p []byte) error { f.Add(bytes.Clone(p)); return nil }); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, piece []byte) {
		s, err := decide.New(w.cfg, w.parts)
		if err != nil {
			t.Fatal(err)
		}
		if s.Restore(piece) != nil && s.StateBytes() != 0 {
			t.Errorf("a refused piece left %d bytes", s.StateBytes())
		}
	})
}

func FuzzProcess(f *testing.F) {
	w := newWorld(f, nil)
	w.tell(alertFact(t0, badIP, "known_bad_address", 4, nil, ent(badIP)))
	for i := range w.log {
		f.Add(bytes.Clone(w.log[i].Value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		s, err := decide.New(w.cfg, w.parts)
		if err != nil {
			t.Fatal(err)
		}
		b := &pipeline.Batch{Topic: pipeline.TopicFacts, Tenant: "t", In: []pipeline.Record{{Value: value, Time: t0}}}
		if err := s.Process(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if b.Counts.In != b.Counts.Live+b.Counts.Duplicate+b.Counts.Rejected || len(b.Rejects) != b.Counts.Rejected {
			t.Errorf("counts %+v with %d rejects", b.Counts, len(b.Rejects))
		}
	})
}
