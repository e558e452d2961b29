package edl_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sinks/edl"
	"github.com/riposte-sec/riposte/sinks/sinktest"
)

var start = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func newSink(tb testing.TB, change func(*edl.Config)) (*edl.Sink, *sinktest.Clock) {
	tb.Helper()
	c, clock := edl.Default(), sinktest.NewClock(start)
	if change != nil {
		change(&c)
	}
	s, err := edl.New(c, clock.Now)
	if err != nil {
		tb.Fatal(err)
	}
	return s, clock
}

func act(name, kind, value string, change ...func(*pipeline.Action)) pipeline.Action {
	a := pipeline.Action{Intent: pipeline.HashID("intent", value), Name: name, Target: pipeline.EntityValue{Kind: kind, Value: value}}
	for _, c := range change {
		c(&a)
	}
	return a
}

func get(tb testing.TB, s *edl.Sink, path string, header ...string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func restored(tb testing.TB, s *edl.Sink, partitions ...string) {
	tb.Helper()
	for _, p := range partitions {
		if err := s.Restored(tb.Context(), pipeline.Action{VendorRef: p}); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestSinkConforms(t *testing.T) {
	t.Parallel()
	s, _ := newSink(t, nil)
	restored(t, s, "0")
	values := map[string]string{"ip.block": "203.0.113.7", "domain.block": "bad.example.net", "url.block": "https://bad.example.net/x"}
	sinktest.Conform(t, s, func(a pipeline.ActionSpec) pipeline.EntityValue {
		return pipeline.EntityValue{Kind: a.Targets[0].String(), Value: values[a.Name]}
	})
}

func TestListIsSortedAndHasOneEntryPerLine(t *testing.T) {
	t.Parallel()
	s, _ := newSink(t, nil)
	restored(t, s, "0")
	for _, ip := range []string{"203.0.113.20", "203.0.113.3", "2001:db8::1", "::ffff:198.51.100.7"} {
		if _, err := s.Apply(t.Context(), act("ip.block", "ip", ip)); err != nil {
			t.Fatal(err)
		}
	}
	w := get(t, s, "/edl/ip.txt")
	if want := "198.51.100.7\n203.0.113.3\n203.0.113.20\n2001:db8::1\n"; w.Body.String() != want || w.Code != http.StatusOK {
		t.Errorf("got %d %q, want %q", w.Code, w.Body, want)
	}
	if w := get(t, s, "/domain"); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("domain: got %d %q, want an empty list", w.Code, w.Body)
	}
	if w := get(t, s, "/planets"); w.Code != http.StatusNotFound {
		t.Errorf("planets: got %d, want 404", w.Code)
	}
}

func TestNoListIsServedBeforeEveryPartitionWasRestored(t *testing.T) {
	t.Parallel()
	s, _ := newSink(t, func(c *edl.Config) { c.Partitions = 2 })
	f := func(when string, want int) {
		t.Helper()
		if w := get(t, s, "/ip"); w.Code != want || want == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: got %d, want %d", when, w.Code, want)
		}
	}
	f("at first", http.StatusServiceUnavailable)
	restored(t, s, "0", "0")
	f("after one", http.StatusServiceUnavailable)
	restored(t, s, "1")
	f("after both", http.StatusOK)
}

func TestEtagChangesWithTheList(t *testing.T) {
	t.Parallel()
	s, _ := newSink(t, nil)
	restored(t, s, "0")
	first := get(t, s, "/ip").Header().Get("ETag")
	if w := get(t, s, "/ip", "If-None-Match", `"x", W/`+first); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("unchanged: got %d, want 304", w.Code)
	}
	if _, err := s.Apply(t.Context(), act("ip.block", "ip", "203.0.113.7")); err != nil {
		t.Fatal(err)
	}
	if w := get(t, s, "/ip", "If-None-Match", first); w.Code != http.StatusOK || w.Header().Get("ETag") == first {
		t.Errorf("changed: got %d with the same ETag", w.Code)
	}
}

func TestEntryEndsByItself(t *testing.T) {
	t.Parallel()
	s, clock := newSink(t, nil)
	restored(t, s, "0")
	a := act("ip.block", "ip", "203.0.113.7", func(a *pipeline.Action) { a.Expires = pipeline.MillisOf(start.Add(time.Hour)) })
	if _, err := s.Apply(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	clock.Pass(time.Hour - time.Second)
	if got := get(t, s, "/ip").Body.String(); got != "203.0.113.7\n" {
		t.Errorf("a second before: got %q", got)
	}
	clock.Pass(time.Second)
	if got := get(t, s, "/ip").Body.String(); got != "" {
		t.Errorf("at its end: got %q, want nothing", got)
	}
	if st, err := s.Check(t.Context(), a); err != nil || st.State != pipeline.StateAbsent {
		t.Errorf("Check: got %v %v, want absent", st, err)
	}
}

func TestEntryOfTwoLeasesEndsWithTheLast(t *testing.T) {
	t.Parallel()
	s, _ := newSink(t, nil)
	restored(t, s, "0")
	one := act("ip.block", "ip", "203.0.113.7")
	two := act("ip.block", "ip", "203.0.113.7", func(a *pipeline.Action) { a.Intent = pipeline.HashID("other") })
	for _, a := range []pipeline.Action{one, two} {
		if _, err := s.Apply(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Undo(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "/ip").Body.String(); got != "203.0.113.7\n" {
		t.Errorf("one left: got %q", got)
	}
	if _, err := s.Undo(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "/ip").Body.String(); got != "" {
		t.Errorf("none left: got %q", got)
	}
}

func TestWhatMustNotBeListedIsRefused(t *testing.T) {
	t.Parallel()
	f := func(name, kind, value, reason string) {
		t.Helper()
		s, _ := newSink(t, func(c *edl.Config) { c.MaxEntries = 1 })
		_, err := s.Apply(t.Context(), act(name, kind, value))
		if fault, why := pipeline.FaultOf(err); fault != pipeline.FaultReject || why != reason {
			t.Errorf("%q: got %v %s, want reject %s", value, fault, why, reason)
		}
	}
	for _, v := range []string{"127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "169.254.169.254", "fe80::1", "10.0.0.1", "192.168.0.1", "fd00::1", "::ffff:10.0.0.1"} {
		f("ip.block", "ip", v, "protected")
	}
	for _, v := range []string{"", "0.0.0.0/0", "203.0.113.7\n0.0.0.0/0", "1.2.3.4 # x", "fe80::1%eth0"} {
		f("ip.block", "ip", v, "bad_target")
	}
	for _, v := range []string{"", "com", "*.example.net", "a b.example.net", "x..net", ".net", "a\nb.net", strings.Repeat("a.", 130) + "net"} {
		f("domain.block", "domain", v, "bad_target")
	}
	for _, v := range []string{"", "/path", "https://", "https://x/\ny", "https://x/ y"} {
		f("url.block", "url", v, "bad_target")
	}
}

func TestFullListRefusesUntilSomethingEnds(t *testing.T) {
	t.Parallel()
	s, clock := newSink(t, func(c *edl.Config) { c.MaxEntries = 2 })
	add := func(n int) error {
		_, err := s.Apply(t.Context(), act("ip.block", "ip", fmt.Sprintf("203.0.113.%d", n), func(a *pipeline.Action) {
			a.Expires = pipeline.MillisOf(clock.Now().Add(time.Minute))
		}))
		return err
	}
	if err := add(1); err != nil {
		t.Fatal(err)
	}
	if err := add(2); err != nil {
		t.Fatal(err)
	}
	if _, reason := pipeline.FaultOf(add(3)); reason != "list_full" {
		t.Errorf("third: got %q, want list_full", reason)
	}
	clock.Pass(time.Minute)
	if err := add(3); err != nil {
		t.Errorf("after the others ended: %v", err)
	}
}

func TestTokenIsAskedFor(t *testing.T) {
	t.Parallel()
	s, _ := newSink(t, func(c *edl.Config) { c.Token = config.SecretOf("let-me-in") })
	restored(t, s, "0")
	f := func(want int, header ...string) {
		t.Helper()
		if w := get(t, s, "/ip", header...); w.Code != want {
			t.Errorf("%v: got %d, want %d", header, w.Code, want)
		}
	}
	f(http.StatusUnauthorized)
	f(http.StatusUnauthorized, "Authorization", "Bearer nope")
	f(http.StatusOK, "Authorization", "Bearer let-me-in")
	f(http.StatusOK, "Authorization", "Basic Znc6bGV0LW1lLWlu")
}

func FuzzApply(f *testing.F) {
	f.Add("203.0.113.7")
	f.Add("::ffff:10.0.0.1")
	f.Add("bad.example.net")
	f.Add("https://bad.example.net/x?y")
	f.Fuzz(func(t *testing.T, value string) {
		s, _ := newSink(t, nil)
		restored(t, s, "0")
		for name, kind := range map[string]string{"ip.block": "ip", "domain.block": "domain", "url.block": "url"} {
			if _, err := s.Apply(t.Context(), act(name, kind, value)); err != nil {
				continue
			}
			body := get(t, s, "/"+kind).Body.String()
			if strings.Count(body, "\n") != 1 || !strings.HasSuffix(body, "\n") || len(body) < 2 {
				t.Errorf("%s %q: list %q, want one line", name, value, body)
			}
		}
	})
}

// FuzzServe lets anybody ask for anything: only a list that exists is answered, only to
// who has the token, and only with what is on it.
func FuzzServe(f *testing.F) {
	f.Add("GET", "/edl/ip.txt", "Bearer let-me-in", `"x", W/"y"`)
	f.Add("HEAD", "/domain", "Basic Znc6bGV0LW1lLWlu", "*")
	f.Add("POST", "//ip", "Basic !", "")
	f.Fuzz(func(t *testing.T, method, path, authorization, match string) {
		s, _ := newSink(t, func(c *edl.Config) { c.Token = config.SecretOf("let-me-in") })
		restored(t, s, "0")
		if _, err := s.Apply(t.Context(), act("ip.block", "ip", "203.0.113.7")); err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{"Authorization": {authorization}, "If-None-Match": {match}}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		switch body := w.Body.String(); w.Code {
		case http.StatusOK:
			if !strings.Contains(authorization, "let-me-in") && !strings.HasPrefix(strings.ToLower(authorization), "basic ") {
				t.Errorf("%q got the list", authorization)
			}
			if body != "" && body != "203.0.113.7\n" {
				t.Errorf("list %q", body)
			}
		case http.StatusNotModified:
			if body != "" {
				t.Errorf("304 with %q", body)
			}
		case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnauthorized:
			if strings.Contains(body, "203.0.113.7") {
				t.Errorf("%d with the list", w.Code)
			}
		default:
			t.Errorf("answer %d", w.Code)
		}
	})
}
