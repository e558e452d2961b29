package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// askStage asks for a call per record, "key value" being the target and what to do, and
// puts what came back on the topic out. Its state is what it still waits for.
type askStage struct {
	waits, before map[string]bool
}

var _ pipeline.Stateful = (*askStage)(nil)

func newAsk() *askStage { return &askStage{waits: map[string]bool{}, before: map[string]bool{}} }

func (s *askStage) set(id string, waits bool) {
	if _, ok := s.before[id]; !ok {
		s.before[id] = s.waits[id]
	}
	s.waits[id] = waits
}

func (s *askStage) Process(_ context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		target, what := string(b.In[i].Key), string(b.In[i].Value)
		c := pipeline.Call{Connector: "fake", Op: pipeline.OpApply, Action: pipeline.Action{
			Name: what, Target: pipeline.EntityValue{Kind: "ip", Value: target},
		}}
		if strings.HasPrefix(what, "later") {
			c.NotBefore = b.Now.Add(150 * time.Millisecond)
		}
		s.set(target+" "+what, true)
		b.Calls = append(b.Calls, c)
	}
	for i := range b.Returns {
		r := &b.Returns[i]
		fault, _ := pipeline.FaultOf(r.Err)
		id := r.Call.Action.Target.Value + " " + r.Call.Action.Name
		s.set(id, false)
		b.Emit(pipeline.Message{Topic: "out", Key: []byte(r.Call.Action.Target.Value), Value: []byte(id + " " + fault.String())})
	}
	return nil
}

func (s *askStage) Tick(context.Context, pipeline.Millis, *pipeline.Batch) error { return nil }

func (s *askStage) AppendDelta(dst []byte) []byte {
	for id := range s.before {
		dst = binary.AppendUvarint(dst, uint64(len(id)))
		dst = append(dst, id...)
	}
	return dst
}
func (s *askStage) Commit() { clear(s.before) }
func (s *askStage) Rollback() {
	maps.Copy(s.waits, s.before)
	clear(s.before)
}
func (s *askStage) Snapshot(func([]byte) error) error { return nil }
func (s *askStage) Restore([]byte) error              { return nil }
func (s *askStage) StateBytes() int                   { return len(s.waits) }

// fakeResponder records calls and fails if two run at once for a target.
type fakeResponder struct {
	mu      sync.Mutex
	running map[string]bool
	calls   []string
	at      map[string]time.Time
	clash   []string
	gate    chan struct{} // calls wait for it to be closed, nil: they do not
}

func newFakeResponder() *fakeResponder {
	return &fakeResponder{running: map[string]bool{}, at: map[string]time.Time{}}
}

func (f *fakeResponder) Actions() []pipeline.ActionSpec {
	return []pipeline.ActionSpec{{Name: "slow", Timeout: 30 * time.Millisecond}}
}

func (f *fakeResponder) Check(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	return f.do(ctx, a)
}

func (f *fakeResponder) Apply(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	return f.do(ctx, a)
}

func (f *fakeResponder) Undo(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	return f.do(ctx, a)
}

func (f *fakeResponder) do(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	key := a.Target.Value
	f.mu.Lock()
	if f.running[key] {
		f.clash = append(f.clash, key)
	}
	f.running[key] = true
	f.calls = append(f.calls, key+" "+a.Name)
	f.at[key+" "+a.Name] = time.Now()
	gate := f.gate
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.running, key)
		f.mu.Unlock()
	}()
	if gate != nil {
		<-gate
	}
	switch {
	case a.Name == "slow":
		<-ctx.Done()
		return pipeline.State{}, pipeline.AsUnknown("timeout", ctx.Err())
	case strings.HasPrefix(a.Name, "panic"):
		panic("no")
	case strings.HasPrefix(a.Name, "reject"):
		return pipeline.State{}, pipeline.AsReject("no", errors.New("no"))
	}
	return pipeline.State{State: pipeline.StateInPlace}, nil
}

func (f *fakeResponder) made() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

// patientStage is an askStage that tells for how many calls it waits.
type patientStage struct{ *askStage }

func (s patientStage) Unsettled() int {
	n := 0
	for _, waits := range s.waits {
		if waits {
			n++
		}
	}
	return n
}

func TestCallThatWaitsForItsTimeKeepsTheLaneBusy(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	f := newFakeResponder()
	c := r.askConfig(f)
	c.New = func(string, int32) (pipeline.Stage, error) { return patientStage{newAsk()}, nil }
	l := r.start(c)
	idle := func() string {
		if n := l.Busy(); n != 0 {
			return fmt.Sprintf("%d things are under way, want none", n)
		}
		return ""
	}
	eventually(t, idle)
	r.produce("a later")
	eventually(t, func() string {
		if l.Stats().Committed == 0 {
			return "the record is not read"
		}
		return ""
	})
	for len(r.read("out")[0]) == 0 {
		if n := l.Busy(); n == 0 && len(r.read("out")[0]) == 0 {
			t.Fatal("not busy although a call is still to be made")
		}
	}
	eventually(t, idle)
}

func (r *rig) askConfig(f *fakeResponder) LaneConfig {
	c := r.config("w1")
	c.New = func(string, int32) (pipeline.Stage, error) { return newAsk(), nil }
	c.Responders = map[string]pipeline.Responder{"fake": f}
	return c
}

func TestCallsComeBackAsReturns(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	f := newFakeResponder()
	l := r.start(r.askConfig(f))
	r.produce("a block", "b slow", "c panic", "d reject")
	want := []string{"a block none", "b slow unknown", "c panic stop", "d reject reject"}
	eventually(t, func() string {
		if got := flat(r.read("out")); len(got) < len(want) {
			return fmt.Sprintf("got %q, want %q", got, want)
		}
		return ""
	})
	equal(t, flat(r.read("out")), want)
	eventually(t, func() string {
		if n := l.Busy(); n != 0 {
			return fmt.Sprintf("%d calls are busy, want none", n)
		}
		return ""
	})
}

func TestNoTwoCallsAtOnceForATargetAndInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	f := newFakeResponder()
	r.start(r.askConfig(f))
	var want []string
	for i := range 60 {
		line := fmt.Sprintf("t%d do%02d", i%3, i)
		r.produce(line)
		want = append(want, line+" none")
	}
	eventually(t, func() string {
		if got := flat(r.read("out")); len(got) < len(want) {
			return fmt.Sprintf("%d returns, want %d", len(got), len(want))
		}
		return ""
	})
	equal(t, flat(r.read("out")), flat([][]string{want}))
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.clash) > 0 {
		t.Errorf("two calls at once for %v", f.clash)
	}
	last := map[string]string{}
	for _, c := range f.calls {
		target, what, _ := strings.Cut(c, " ")
		if what < last[target] {
			t.Errorf("target %s: %s after %s", target, what, last[target])
		}
		last[target] = what
	}
}

// idleLane is a lane that talks to nobody and whose executor makes the calls of a partition
// that the group counts as ours.
func idleLane(tb testing.TB, f *fakeResponder, workers int) (*Lane, *part) {
	tb.Helper()
	c := DefaultLane(Kafka{Brokers: []string{"127.0.0.1:1"}}, "toy", "in")
	c.New, c.Worker, c.Workers = tallyFactory, "w1", workers
	c.Responders = map[string]pipeline.Responder{"fake": f}
	l, err := NewLane(c)
	if err != nil {
		tb.Fatal(err)
	}
	return l, &part{tenure: &tenure{lasts: time.Second, ask: func(context.Context) error { return nil }}}
}

func callOn(target, what string, notBefore pipeline.Millis) pipeline.Call {
	return pipeline.Call{Connector: "fake", Op: pipeline.OpApply, NotBefore: notBefore, Action: pipeline.Action{
		Name: what, Target: pipeline.EntityValue{Kind: "ip", Value: target},
	}}
}

func TestCallIsMadeAtItsTimeAndNotBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeResponder()
		l, p := idleLane(t, f, 8)
		stop := l.effects.start(t.Context())
		now := l.now()
		l.effects.submit(p, []pipeline.Call{
			callOn("a", "in ten minutes", now.Add(10*time.Minute)), callOn("b", "in a minute", now.Add(time.Minute)), callOn("c", "at once", 0),
		})
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if got := f.made(); !slices.Equal(got, want) {
				t.Errorf("after %v: calls %q, want %q", l.now().Sub(now), got, want)
			}
		}
		expect("c at once")
		time.Sleep(time.Minute - time.Millisecond)
		expect("c at once")
		time.Sleep(time.Millisecond)
		expect("c at once", "b in a minute")
		l.effects.submit(p, []pipeline.Call{callOn("d", "before the ten minutes", now.Add(9*time.Minute))})
		time.Sleep(8 * time.Minute)
		expect("c at once", "b in a minute", "d before the ten minutes")
		time.Sleep(time.Hour)
		expect("c at once", "b in a minute", "d before the ten minutes", "a in ten minutes")
		stop()
	})
}

func TestCallsUnderWayAreBoundedAndCutOffByTheirTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeResponder()
		l, p := idleLane(t, f, 2)
		stop := l.effects.start(t.Context())
		began := time.Now()
		l.effects.submit(p, []pipeline.Call{callOn("a", "slow", 0), callOn("b", "slow", 0), callOn("c", "block", 0)})
		synctest.Wait()
		if n := l.effects.active(); n != 2 {
			t.Errorf("%d calls run, want two", n)
		}
		time.Sleep(30 * time.Millisecond) // what the action slow declares
		synctest.Wait()
		if n := l.effects.active(); n != 0 {
			t.Errorf("%d calls run after their timeout, want none", n)
		}
		if at := f.at["c block"].Sub(began); at != 30*time.Millisecond {
			t.Errorf("the third call began after %v, want 30ms: when there was room", at)
		}
		stop()
	})
}

// TestNothingIsCalledForAnAbortedBatch is I3: the calls of a batch that fails in the end
// are never made.
func TestNothingIsCalledForAnAbortedBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	f := newFakeResponder()
	c := r.askConfig(f)
	stop := pipeline.AsStop("broken", errors.New("no"))
	c.New = func(string, int32) (pipeline.Stage, error) { return stopAfter{newAsk(), stop}, nil }
	l := r.start(c)
	r.produce("a block", "b block")
	if err := l.wait(t); err == nil {
		t.Fatal("the lane goes on")
	}
	if got := f.made(); len(got) != 0 {
		t.Errorf("got calls %v, want none", got)
	}
}

type stopAfter struct {
	*askStage
	err error
}

func (s stopAfter) Process(ctx context.Context, b *pipeline.Batch) error {
	if err := s.askStage.Process(ctx, b); err != nil {
		return err
	}
	if len(b.In) == 0 {
		return nil
	}
	return s.err
}

func TestDrainWaitsForCallsAndCommitsTheirResults(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	f := newFakeResponder()
	f.gate = make(chan struct{})
	l := r.start(r.askConfig(f))
	r.produce("a block")
	eventually(t, func() string {
		if len(f.made()) == 0 {
			return "no call"
		}
		return ""
	})
	l.cancel()
	close(f.gate)
	if err := l.wait(t); err != nil {
		t.Fatal(err)
	}
	equal(t, flat(r.read("out")), []string{"a block none"})
}
