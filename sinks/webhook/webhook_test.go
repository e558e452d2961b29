package webhook_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sinks/sinktest"
	"github.com/riposte-sec/riposte/sinks/webhook"
)

const secret = "0123456789abcdef-old"

func sample(url string) webhook.Config {
	c := webhook.Default()
	c.URL, c.Internal = url, true
	c.Keys = []webhook.Key{{ID: "k1", Secret: config.SecretOf(secret)}}
	c.Timeout = config.Duration(300 * time.Millisecond)
	return c
}

func newSink(tb testing.TB, c webhook.Config) *webhook.Sink {
	tb.Helper()
	s, err := webhook.New(c, time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

func verify(h http.Header, body []byte) error {
	return webhook.Verify(h, body, "k1", []byte(secret), time.Now())
}

func action(name, kind, value string) pipeline.Action {
	return pipeline.Action{
		Intent: pipeline.HashID("intent", name, value), Attempt: 1, Tenant: "t", Incident: pipeline.HashID("incident", value), Name: name,
		Target: pipeline.EntityValue{Kind: kind, Value: value}, Text: map[string]string{"title": "x"}, Priority: 1,
		Expires: pipeline.MillisOf(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)),
	}
}

func TestSinkConforms(t *testing.T) {
	t.Parallel()
	v := sinktest.NewVendor(t, verify)
	sinktest.Conform(t, newSink(t, sample(v.URL())), func(s pipeline.ActionSpec) pipeline.EntityValue {
		return pipeline.EntityValue{Kind: s.Targets[0].String(), Value: "target"}
	})
}

func TestEveryAnswerHasItsFault(t *testing.T) {
	t.Parallel()
	f := func(word sinktest.Word, effects int, fault pipeline.Fault, reason string, after time.Duration) {
		t.Helper()
		v := sinktest.NewVendor(t, verify, word)
		_, err := newSink(t, sample(v.URL())).Apply(t.Context(), action("page.send", "user", "alice"))
		got, why := pipeline.FaultOf(err)
		if got != fault || why != reason || pipeline.RetryAfter(err) != after {
			t.Errorf("%s: got %v %s after %v (%v), want %v %s after %v", word, got, why, pipeline.RetryAfter(err), err, fault, reason, after)
		}
		if n := v.Effects("page.send", "alice"); n != effects {
			t.Errorf("%s: %d effects, want %d", word, n, effects)
		}
	}
	f(sinktest.OK, 1, pipeline.FaultNone, "", 0)
	f(sinktest.Garbage, 1, pipeline.FaultNone, "", 0)
	f(sinktest.Timeout, 1, pipeline.FaultUnknown, "timeout", 0)
	f(sinktest.Hang, 0, pipeline.FaultUnknown, "timeout", 0)
	f(sinktest.Reset, 0, pipeline.FaultUnknown, "broken", 0)
	f(sinktest.Mute, 1, pipeline.FaultUnknown, "broken", 0)
	f(sinktest.Busy, 0, pipeline.FaultRetry, "busy", 3*time.Second)
	f(sinktest.Broken, 0, pipeline.FaultUnknown, "server_error", 0)
	f(sinktest.Refuse, 0, pipeline.FaultReject, "refused", 0)
}

func TestRepeatedDeliveryHasOneEffect(t *testing.T) {
	t.Parallel()
	v := sinktest.NewVendor(t, verify, sinktest.Timeout, sinktest.Mute)
	s := newSink(t, sample(v.URL()))
	a := action("page.send", "user", "alice")
	for range 3 {
		_, _ = s.Apply(t.Context(), a)
		a.Attempt++
	}
	if n := v.Effects("page.send", "alice"); n != 1 {
		t.Errorf("%d effects, want 1; requests %v", n, v.Requests())
	}
}

func TestNothingListensMeansNothingHappened(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	url := gone.URL
	gone.Close()
	_, err := newSink(t, sample(url)).Apply(t.Context(), action("page.send", "user", "alice"))
	if fault, reason := pipeline.FaultOf(err); fault != pipeline.FaultRetry || reason != "connect" {
		t.Errorf("got %v %s (%v), want retry connect", fault, reason, err)
	}
}

func TestReceiverOnAnInnerAddressIsRefusedWhenDialled(t *testing.T) {
	t.Parallel()
	reached := false
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer srv.Close()
	f := func(url string) {
		t.Helper()
		c := sample(url)
		c.Internal = false
		_, err := newSink(t, c).Apply(t.Context(), action("page.send", "user", "alice"))
		if fault, reason := pipeline.FaultOf(err); fault != pipeline.FaultReject || reason != "address" {
			t.Errorf("%s: got %v %s (%v), want reject address", url, fault, reason, err)
		}
	}
	f(srv.URL)
	f(strings.Replace(srv.URL, "127.0.0.1", "localhost", 1))
	f("https://[::1]:8443/")
	f("https://169.254.169.254/latest/meta-data")
	f("https://10.0.0.1/")
	f("https://[::ffff:10.0.0.1]/")
	f("https://[64:ff9b::a00:1]/")
	f("https://100.64.0.1/")
	if reached {
		t.Error("the server was reached")
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	v := sinktest.NewVendor(t, verify)
	srv := httptest.NewServer(http.RedirectHandler(v.URL(), http.StatusTemporaryRedirect))
	defer srv.Close()
	_, err := newSink(t, sample(srv.URL)).Apply(t.Context(), action("page.send", "user", "alice"))
	if fault, reason := pipeline.FaultOf(err); fault != pipeline.FaultReject || reason != "redirect" {
		t.Errorf("got %v %s, want reject redirect", fault, reason)
	}
	if len(v.Requests()) > 0 {
		t.Errorf("followed to %v", v.Requests())
	}
}

func TestTwoKeysSignDuringAChangeOfKeys(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := func(keyID, key string, at time.Time, want bool) {
		t.Helper()
		checked := make(chan error, 1)
		v := sinktest.NewVendor(t, func(h http.Header, body []byte) error {
			checked <- webhook.Verify(h, body, keyID, []byte(key), at)
			return nil
		})
		c := sample(v.URL())
		c.Keys = append(c.Keys, webhook.Key{ID: "k2", Secret: config.SecretOf("fedcba9876543210-new")})
		s, err := webhook.New(c, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Apply(t.Context(), action("page.send", "user", "alice")); err != nil {
			t.Fatal(err)
		}
		if err := <-checked; (err == nil) != want {
			t.Errorf("key %s at %v: got %v, want accepted %v", keyID, at.Sub(now), err, want)
		}
	}
	f("k1", secret, now, true)
	f("k2", "fedcba9876543210-new", now.Add(4*time.Minute), true)
	f("k2", "fedcba9876543210-new", now.Add(6*time.Minute), false)
	f("k2", "fedcba9876543210-new", now.Add(-6*time.Minute), false)
	f("k1", "fedcba9876543210-new", now, false)
	f("k3", secret, now, false)
}

func TestConfigurationProblemsAreNamed(t *testing.T) {
	t.Parallel()
	f := func(want string, change func(*webhook.Config)) {
		t.Helper()
		c := sample("https://hooks.example.com/x")
		c.Internal = false
		change(&c)
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("", func(*webhook.Config) {})
	f("url", func(c *webhook.Config) { c.URL = "" })
	f("url", func(c *webhook.Config) { c.URL = "http://hooks.example.com/" })
	f("url", func(c *webhook.Config) { c.URL = "https://u:p@hooks.example.com/" })
	f("keys: want", func(c *webhook.Config) { c.Keys = nil })
	f("keys[0].secret", func(c *webhook.Config) { c.Keys[0].Secret = config.Secret{} })
	f("timeout", func(c *webhook.Config) { c.Timeout = 0 })
	f("actions[0].name", func(c *webhook.Config) { c.Actions[0].Name = "x" })
	f("actions[1].effect", func(c *webhook.Config) { c.Actions[1].Effect = "explode" })
	f("actions[2].targets", func(c *webhook.Config) { c.Actions[2].Targets = []string{"planet"} })
	short := sample("http://127.0.0.1/")
	short.Keys[0].Secret = config.SecretOf("short")
	if _, err := webhook.New(short, time.Now); err == nil {
		t.Error("a key of five bytes was taken")
	}
}

func TestAtMostOnceIsDeclaredAndSendsNoReplayHeader(t *testing.T) {
	t.Parallel()
	header := make(chan http.Header, 1)
	v := sinktest.NewVendor(t, func(h http.Header, _ []byte) error { header <- h.Clone(); return nil })
	c := sample(v.URL())
	c.AtMostOnce = true
	s := newSink(t, c)
	for _, a := range s.Actions() {
		if want := map[bool]pipeline.Idempotency{true: pipeline.IdemNone, false: pipeline.IdemState}[a.Effect == pipeline.EffectNotify]; a.Idempotency != want {
			t.Errorf("%s: idempotency %s, want %s", a.Name, a.Idempotency, want)
		}
	}
	if _, err := s.Apply(t.Context(), action("page.send", "user", "alice")); err != nil {
		t.Fatal(err)
	}
	if h := <-header; h.Get("Idempotency-Key") != "" || h.Get("Riposte-Id") == "" {
		t.Errorf("headers %v, want Riposte-Id alone", h)
	}
}

func TestVerifyRefusesABodyThatChanged(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(map[string]string{"a": "b"})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set(webhook.HeaderTimestamp, "1000")
	h.Set(webhook.HeaderSignature, "v1="+webhook.Signature([]byte(secret), "1000", body)+";key=k1")
	if err := webhook.Verify(h, body, "k1", []byte(secret), time.Unix(1000, 0)); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	if err := webhook.Verify(h, append(body, ' '), "k1", []byte(secret), time.Unix(1000, 0)); err == nil {
		t.Error("a changed body was accepted")
	}
}

func TestSecretIsInNoError(t *testing.T) {
	t.Parallel()
	v := sinktest.NewVendor(t, verify, sinktest.Refuse, sinktest.Reset)
	s := newSink(t, sample(v.URL()))
	var all []error
	for range 2 {
		_, err := s.Apply(t.Context(), action("page.send", "user", "alice"))
		all = append(all, err)
	}
	if text := errors.Join(all...).Error(); strings.Contains(text, secret) {
		t.Errorf("secret in %q", text)
	}
}
