package respond_test

import (
	"bytes"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/respond"
)

// FuzzRestore gives a stage any piece of a ledger. It is taken whole or refused whole, and
// what was taken can be worked on.
func FuzzRestore(f *testing.F) {
	r := newRig(f, pipeline.IdemState, "ok", "pending")
	r.give(intent("a", target), intent("b", target))
	r.pass(3)
	if err := r.stage.Snapshot(func(p []byte) error { f.Add(bytes.Clone(p)); return nil }); err != nil {
		f.Fatal(err)
	}
	r = newRig(f, pipeline.IdemState, "die")
	r.give(intent("c", target))
	if err := r.stage.Snapshot(func(p []byte) error { f.Add(bytes.Clone(p)); return nil }); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, piece []byte) {
		s, err := respond.New(r.cfg, map[string][]pipeline.ActionSpec{"fw": r.product.Actions()})
		if err != nil {
			t.Fatal(err)
		}
		if s.Restore(piece) != nil {
			if s.StateBytes() != 0 {
				t.Errorf("a refused piece left %d bytes", s.StateBytes())
			}
			return
		}
		b := &pipeline.Batch{Topic: pipeline.TopicIntents, Tenant: "t", Now: t0}
		if err := s.Tick(t.Context(), t0+3600*sec, b); err != nil {
			t.Fatal(err)
		}
	})
}
