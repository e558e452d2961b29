package sinktest

import (
	"reflect"
	"regexp"
	"sync"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

var reAction = regexp.MustCompile(`^[a-z]{2,20}\.[a-z_]{2,30}$`)

// Conform checks what every connector promises. target returns an entity that the action can
// be carried out on, and that nothing is in place on yet; r must be new.
func Conform(t *testing.T, r pipeline.Responder, target func(pipeline.ActionSpec) pipeline.EntityValue) {
	t.Helper()
	specs := r.Actions()
	if len(specs) == 0 {
		t.Fatal("no actions")
	}
	if !reflect.DeepEqual(specs, r.Actions()) {
		t.Error("Actions differs from call to call")
	}
	names := map[string]bool{}
	for _, spec := range specs {
		if names[spec.Name] {
			t.Errorf("%s: offered twice", spec.Name)
		}
		names[spec.Name] = true
		declaration(t, &spec)
		t.Run(spec.Name, func(t *testing.T) { conform(t, r, &spec, target(spec)) })
	}
	stranger := pipeline.Action{Intent: pipeline.HashID("conform", "stranger"), Name: "no.such", Target: target(specs[0])}
	_, err := r.Apply(t.Context(), stranger)
	if fault, _ := pipeline.FaultOf(err); fault != pipeline.FaultReject {
		t.Errorf("Apply of an action that is not offered: got fault %v (%v), want reject", fault, err)
	}
}

func declaration(t *testing.T, s *pipeline.ActionSpec) {
	t.Helper()
	if !reAction.MatchString(s.Name) {
		t.Errorf("%q is no name of an action", s.Name)
	}
	switch s.Effect {
	case pipeline.EffectRead, pipeline.EffectNotify, pipeline.EffectBlock, pipeline.EffectContain, pipeline.EffectIdentity, pipeline.EffectDestroy:
	default:
		t.Errorf("%s: effect %q is not known", s.Name, s.Effect)
	}
	switch s.Idempotency {
	case pipeline.IdemState, pipeline.IdemExternalID, pipeline.IdemLookup, pipeline.IdemVersion, pipeline.IdemAsync, pipeline.IdemNone:
	default:
		t.Errorf("%s: idempotency %q is not known", s.Name, s.Idempotency)
	}
	if len(s.Targets) == 0 {
		t.Errorf("%s: applies to nothing", s.Name)
	}
	if s.Timeout < 0 {
		t.Errorf("%s: timeout %v", s.Name, s.Timeout)
	}
}

// conform drives one action through the life of a lease, each call twice.
func conform(t *testing.T, r pipeline.Responder, spec *pipeline.ActionSpec, target pipeline.EntityValue) {
	t.Helper()
	a := pipeline.Action{
		Intent: pipeline.HashID("conform", spec.Name, target.Value), Attempt: 1, Tenant: "t", Name: spec.Name, Target: target,
		Incident: pipeline.HashID("incident", "conform"), Text: map[string]string{"title": "a <b> & \"c\"\n\x1b[31m"}, Priority: 2,
	}
	readable := spec.Idempotency != pipeline.IdemExternalID && spec.Idempotency != pipeline.IdemNone
	state := func(when, want string) {
		t.Helper()
		for range 2 {
			got, err := r.Check(t.Context(), a)
			if err != nil {
				t.Fatalf("Check %s: %v", when, err)
			}
			if blind := !readable && got.State == pipeline.StateUnknown; got.State != want && !blind {
				t.Errorf("Check %s: got %s, want %s", when, got.State, want)
			}
		}
	}
	do := func(name string, f func(pipeline.Action) (pipeline.State, error), want string) {
		t.Helper()
		for n := range 2 {
			got, err := f(a)
			if err != nil {
				t.Fatalf("%s, call %d: %v", name, n+1, err)
			}
			if got.State != want && got.State != pipeline.StatePending {
				t.Errorf("%s, call %d: got state %q, want %s", name, n+1, got.State, want)
			}
			a.VendorRef = got.VendorRef
			a.Attempt++
		}
	}
	apply := func(a pipeline.Action) (pipeline.State, error) { return r.Apply(t.Context(), a) }
	undo := func(a pipeline.Action) (pipeline.State, error) { return r.Undo(t.Context(), a) }

	state("before anything", pipeline.StateAbsent)
	if spec.Undo {
		do("Undo of what is absent", undo, pipeline.StateAbsent)
	}
	for range 2 { // wanted anew, the effect is brought about anew
		a.Cycle++
		do("Apply", apply, pipeline.StateInPlace)
		state("after Apply", pipeline.StateInPlace)
		if spec.Undo {
			do("Undo", undo, pipeline.StateAbsent)
			state("after Undo", pipeline.StateAbsent)
		}
	}
	concurrently(t, r, a)
}

// concurrently makes calls for many targets at once; the race detector is the judge.
func concurrently(t *testing.T, r pipeline.Responder, a pipeline.Action) {
	t.Helper()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, _ = r.Check(t.Context(), a)
			_ = r.Actions()
		})
	}
	wg.Wait()
}
