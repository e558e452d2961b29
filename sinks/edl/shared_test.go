package edl_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sinks/edl"
	"github.com/riposte-sec/riposte/sinks/sinktest"
)

func apply(tb testing.TB, s *edl.Sink, a pipeline.Action) {
	tb.Helper()
	if _, err := s.Apply(tb.Context(), a); err != nil {
		tb.Fatal(err)
	}
}

func inPlace(tb testing.TB, s *edl.Sink, a pipeline.Action) bool {
	tb.Helper()
	st, err := s.Check(tb.Context(), a)
	if err != nil {
		tb.Fatal(err)
	}
	return st.State == pipeline.StateInPlace
}

func TestWorkersThatShareServeTheSameList(t *testing.T) {
	t.Parallel()
	var topic sinktest.Topic
	two := func(c *edl.Config) { c.Partitions = 2 }
	a, _ := newSink(t, two)
	b, _ := newSink(t, two)
	topic.Join(a)
	topic.Join(b)
	one, other := act("ip.block", "ip", "203.0.113.1"), act("ip.block", "ip", "203.0.113.2")
	apply(t, a, one)
	restored(t, a, "0") // each has one of the partitions
	if w := get(t, b, "/ip"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("half of the partitions: got %d, want 503", w.Code)
	}
	apply(t, b, other)
	restored(t, b, "1")
	want := "203.0.113.1\n203.0.113.2\n"
	first, second := get(t, a, "/ip"), get(t, b, "/ip")
	if first.Body.String() != want || second.Body.String() != want || first.Header().Get("ETag") != second.Header().Get("ETag") {
		t.Errorf("got %q %q and %q %q, want %q twice", first.Body, first.Header().Get("ETag"), second.Body, second.Header().Get("ETag"), want)
	}
	if !inPlace(t, b, one) {
		t.Error("an entry that the other worker brought about is not in place")
	}
	// The partition of a lease moves: the other worker ends it.
	if _, err := b.Undo(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*edl.Sink{a, b} {
		if got := get(t, s, "/ip").Body.String(); got != "203.0.113.2\n" {
			t.Errorf("after an undo by another worker: %q", got)
		}
	}
}

func TestWorkerThatStartsServesWhatOthersBroughtAbout(t *testing.T) {
	t.Parallel()
	var topic sinktest.Topic
	a, _ := newSink(t, nil)
	topic.Join(a)
	restored(t, a, "0")
	gone := act("ip.block", "ip", "203.0.113.9")
	apply(t, a, act("ip.block", "ip", "203.0.113.1"))
	apply(t, a, gone)
	if _, err := a.Undo(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	topic.Compact()
	b, _ := newSink(t, nil)
	b.Share(nil) // nothing was read yet, and nothing can be written
	if w := get(t, b, "/ip"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("before the topic was read: got %d, want 503", w.Code)
	}
	if _, err := b.Check(t.Context(), gone); !isRetry(err) {
		t.Errorf("Check before the topic was read: %v, want a retry", err)
	}
	topic.Join(b)
	if got := get(t, b, "/ip").Body.String(); got != "203.0.113.1\n" {
		t.Errorf("got %q, want what the other brought about", got)
	}
}

func isRetry(err error) bool {
	f, _ := pipeline.FaultOf(err)
	return f == pipeline.FaultRetry
}

func TestListIsNotServedWhenItsTopicWasDeleted(t *testing.T) {
	t.Parallel()
	var before, after sinktest.Topic
	a, _ := newSink(t, nil)
	before.Join(a)
	restored(t, a, "0")
	apply(t, a, act("ip.block", "ip", "203.0.113.1"))
	b, _ := newSink(t, nil)
	after.Join(b)
	if w := get(t, b, "/ip"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d %q, want 503", w.Code, w.Body)
	}
	// What is in place is applied again after a start of its partition.
	apply(t, b, act("ip.block", "ip", "203.0.113.1"))
	restored(t, b, "0")
	if got := get(t, b, "/ip").Body.String(); got != "203.0.113.1\n" {
		t.Errorf("written anew: got %q", got)
	}
}

func TestDoubtAboutAPutIsDoubtAboutTheEffect(t *testing.T) {
	t.Parallel()
	var topic sinktest.Topic
	s, _ := newSink(t, nil)
	topic.Join(s)
	restored(t, s, "0")
	topic.Fail(pipeline.AsUnknown("kafka", errors.New("timed out")))
	a := act("ip.block", "ip", "203.0.113.1")
	_, err := s.Apply(t.Context(), a)
	if f, _ := pipeline.FaultOf(err); f != pipeline.FaultUnknown {
		t.Errorf("Apply: %v, want an unknown", err)
	}
	if !inPlace(t, s, a) {
		t.Error("the put took place and Check does not see it")
	}
}

func TestRecordsThatAreNoneOfOursChangeNothing(t *testing.T) {
	t.Parallel()
	id := pipeline.HashID("x").String()
	f := func(key, value string) {
		t.Helper()
		s, _ := newSink(t, nil)
		restored(t, s, "0")
		if err := s.Learn(&pipeline.Record{Key: []byte(key), Value: []byte(value)}); err == nil {
			t.Errorf("%q %q was learned", key, value)
		}
		for _, list := range []string{"/ip", "/domain", "/url"} {
			if w := get(t, s, list); w.Code != http.StatusOK || w.Body.Len() > 0 {
				t.Errorf("%q %q: %s is %d %q", key, value, list, w.Code, w.Body)
			}
		}
	}
	f("", `{"until":0}`)
	f("ip 0.0.0.0/0 "+id, `{"until":0}`)
	f("ip 10.0.0.1 "+id, `{"until":0}`)
	f("ip 203.0.113.007 "+id, `{"until":0}`)
	f("ip ::ffff:203.0.113.7 "+id, `{"until":0}`)
	f("ip 203.0.113.7\n0.0.0.0/0 "+id, `{"until":0}`)
	f("ip 203.0.113.7 "+id, `{"until":-1}`)
	f("ip 203.0.113.7 "+id, `{"until":"soon"}`)
	f("ip 203.0.113.7 "+id, `no`)
	f("ip 203.0.113.7", `{"until":0}`)
	f("ip 203.0.113.7 me", `{"until":0}`)
	f("domain BAD.example.net "+id, `{"until":0}`)
	f("url /x "+id, `{"until":0}`)
	f("mail a@example.net "+id, `{"until":0}`)
	f("restored x", `{}`)
	f("restored -1", `{}`)
}

// What is served depends on what was done alone: not on who did it, nor on when a worker
// came, left, or found the topic compacted.
func TestListsOfAllWorkersAreThoseOfOne(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	r := rand.New(rand.NewPCG(seed, 1))
	alone, clock := newSink(t, nil)
	restored(t, alone, "0")
	var topic sinktest.Topic
	join := func() *edl.Sink {
		s, err := edl.New(edl.Default(), clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		topic.Join(s)
		return s
	}
	workers := []*edl.Sink{join()}
	restored(t, workers[0], "0")
	for range 400 {
		i := r.IntN(len(workers))
		a := act("ip.block", "ip", fmt.Sprintf("203.0.113.%d", r.IntN(12)), func(a *pipeline.Action) {
			a.Intent = pipeline.HashID("intent", a.Target.Value, fmt.Sprint(r.IntN(3)))
			if r.IntN(2) == 0 {
				a.Expires = pipeline.MillisOf(clock.Now().Add(time.Duration(1+r.IntN(60)) * time.Second))
			}
		})
		switch n := r.IntN(20); {
		case n < 9:
			apply(t, alone, a)
			apply(t, workers[i], a)
		case n < 15:
			for _, s := range []*edl.Sink{alone, workers[i]} {
				if _, err := s.Undo(t.Context(), a); err != nil {
					t.Fatal(err)
				}
			}
		case n < 16:
			workers[i] = join() // the old one died
		case n < 17 && len(workers) < 4:
			workers = append(workers, join())
		case n < 18:
			topic.Compact()
		default:
			clock.Pass(time.Duration(r.IntN(10)) * time.Second)
		}
		want := get(t, alone, "/ip")
		for _, s := range workers {
			got := get(t, s, "/ip")
			if got.Body.String() != want.Body.String() || got.Header().Get("ETag") != want.Header().Get("ETag") {
				t.Fatalf("a worker serves %q, one alone %q", strings.Fields(got.Body.String()), strings.Fields(want.Body.String()))
			}
		}
	}
	if errs := topic.Errors(); len(errs) > 0 {
		t.Error(errs)
	}
}

func FuzzLearn(f *testing.F) {
	id := pipeline.HashID("x").String()
	f.Add("ip 203.0.113.7 "+id, `{"until":1764061200000}`)
	f.Add("url bad.example.net/x?y "+id, `{"until":0}`)
	f.Add("domain bad.example.net "+id, "")
	f.Add("restored 0", "{}")
	f.Add("restored 0", "")
	f.Fuzz(func(t *testing.T, key, value string) {
		s, _ := newSink(t, nil)
		restored(t, s, "0")
		if err := s.Learn(&pipeline.Record{Key: []byte(key), Value: []byte(value)}); err != nil {
			return
		}
		lines := 0
		for _, list := range []string{"/ip", "/domain", "/url"} {
			w := get(t, s, list)
			if w.Code != http.StatusOK {
				continue
			}
			lines += strings.Count(w.Body.String(), "\n")
			if w.Body.Len() > 0 && !strings.Contains(key, strings.TrimSuffix(w.Body.String(), "\n")) {
				t.Errorf("%q: %s has %q", key, list, w.Body)
			}
		}
		if lines > 1 {
			t.Errorf("%q: %d lines", key, lines)
		}
	})
}
