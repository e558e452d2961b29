package vendor

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func post(t *testing.T, v *Vendor, key string) *http.Response {
	t.Helper()
	srv := httptest.NewServer(v)
	t.Cleanup(srv.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader(`{"verb":"apply","action":"ip.block","target":{"kind":"ip","value":"185.77.0.1"}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(KeyHeader, key)
	resp, err := srv.Client().Do(req)
	if err != nil {
		return nil
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func open(t *testing.T, path string, f Faults) *Vendor {
	t.Helper()
	v, err := Open(path, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func TestKeyIsRememberedOverARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "effects.jsonl")
	if r := post(t, open(t, path, Faults{}), "k1"); r == nil || r.StatusCode != http.StatusOK {
		t.Fatalf("got %v", r)
	}
	torn, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = torn.WriteString(`{"key":"k2","ac`)
	_ = torn.Close()
	post(t, open(t, path, Faults{}), "k1")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"key":"k1","verb":"apply","action":"ip.block","target":"185.77.0.1","repeated":false}
{"key":"k1","verb":"apply","action":"ip.block","target":"185.77.0.1","repeated":true}
`
	if string(text) != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
}

func TestFaultsDoWhatTheySay(t *testing.T) {
	t.Parallel()
	f := func(name string, faults Faults, status, effects int) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "effects.jsonl")
		r := post(t, open(t, path, faults), "k")
		got := 0
		if r != nil {
			got = r.StatusCode
		}
		text, _ := os.ReadFile(path)
		if n := strings.Count(string(text), "\n"); got != status || n != effects {
			t.Errorf("%s: status %d with %d effects, want %d with %d", name, got, n, status, effects)
		}
	}
	f("none", Faults{}, 200, 1)
	f("busy", Faults{Busy: 1}, 429, 0)
	f("break", Faults{Break: 1}, 500, 0)
	f("reset", Faults{Reset: 1}, 0, 0)
	f("mute", Faults{Mute: 1}, 0, 1)
}

func TestDeliveryWithoutKeyIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "effects.jsonl")
	if r := post(t, open(t, path, Faults{}), ""); r == nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("got %v, want 400", r)
	}
}
