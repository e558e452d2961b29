package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sinks/webhook"
)

// FuzzAnswer lets a receiver answer anything: the connector says one of the states, or a
// classified error, and passes nothing on that is too long.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "", `{"state":"in_place","vendor_ref":"T-1","result":{"a":1}}`)
	f.Add(429, "120", "")
	f.Add(503, "Fri, 31 Dec 1999 23:59:59 GMT", "<html>")
	f.Add(302, "-9223372036854775808", `{"state":"in_place"}`)
	f.Add(500, "1e9", `[]`)
	f.Fuzz(func(t *testing.T, status int, after, body string) {
		if status < 200 || status > 599 {
			t.Skip()
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Retry-After"] = []string{after}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body)) // 204 and 304 have none
		}))
		defer server.Close()
		s := newSink(t, sample(server.URL))
		spec := s.Actions()[0]
		st, err := s.Apply(t.Context(), pipeline.Action{
			Intent: pipeline.HashID("intent"), Name: spec.Name, Target: pipeline.EntityValue{Kind: spec.Targets[0].String(), Value: "x"},
		})
		if err != nil {
			if d := pipeline.RetryAfter(err); d < 0 || d > time.Hour {
				t.Errorf("wait for %v", d)
			}
			if fault, reason := pipeline.FaultOf(err); fault == pipeline.FaultStop || reason == "unmarked" {
				t.Errorf("unclassified: %v", err)
			}
			return
		}
		switch st.State {
		case pipeline.StateInPlace, pipeline.StateAbsent, pipeline.StatePending, pipeline.StateUnknown:
		default:
			t.Errorf("state %q", st.State)
		}
		if len(st.VendorRef) > 256 {
			t.Errorf("a reference of %d bytes", len(st.VendorRef))
		}
	})
}

// FuzzVerify lets anybody send anything to a receiver: only what was signed passes.
func FuzzVerify(f *testing.F) {
	at := time.Unix(1000, 0)
	f.Add("1000", "v1=abc;key=k1", "{}")
	f.Add("1000", "v1="+webhook.Signature([]byte(secret), "1000", []byte("{}"))+";key=k1", "{}")
	f.Add("-9223372036854775808", ",,", "")
	f.Fuzz(func(t *testing.T, stamp, signature, body string) {
		h := http.Header{webhook.HeaderTimestamp: {stamp}, webhook.HeaderSignature: {signature}}
		err := webhook.Verify(h, []byte(body), "k1", []byte(secret), at)
		if want := webhook.Signature([]byte(secret), stamp, []byte(body)); err == nil && !strings.Contains(signature, want) {
			t.Errorf("passed without the signature %s", want)
		}
	})
}
