package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

func FuzzPointInTime(f *testing.F) {
	for _, s := range []string{"", "7d", "24h", "2026-11-01", "2026-11-01T08:00:00Z", "65535d", "-1h"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := pointInTime(text, now)
		if err == nil && at.IsZero() && !strings.HasPrefix(text, "0001-01-01") {
			t.Errorf("%q is the zero time", text)
		}
		if d := now.Sub(at); err == nil && strings.HasSuffix(text, "d") && d < 0 {
			t.Errorf("%q lies %v ahead", text, -d)
		}
	})
}

// FuzzReject reads any headers of the rejects topic: what is not ours goes along.
func FuzzReject(f *testing.F) {
	f.Add(pipeline.HeaderRejectTime, "1790000000000")
	f.Add(pipeline.HeaderRejectTime, "-9223372036854775808")
	f.Add(pipeline.HeaderRejectStage, "\x1b[31mnormalise")
	f.Add("riposte-demo", "1")
	f.Fuzz(func(t *testing.T, key, value string) {
		rec := &pipeline.Record{Offset: 7, Value: []byte(value), Headers: []pipeline.Header{{Key: key, Value: []byte(value)}}}
		r := rejectOf(3, rec)
		if r.ID != "3:7" {
			t.Errorf("id %q", r.ID)
		}
		if got := len(r.headers); got > 1 || got == 1 && r.headers[0].Key != key {
			t.Errorf("headers %v of %q", r.headers, key)
		}
	})
}

// FuzzReadings reads any text as an entity: each reading is in its canonical form.
func FuzzReadings(f *testing.F) {
	for _, s := range []string{"203.0.113.17", "host:dc-01.corp.example", "user:anna.berg", "::ffff:10.0.0.1", "a@b.c", "https://x/y", "ip:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range readings(text) {
			again := readings(e.Kind.String() + ":" + e.Value)
			if len(again) != 1 || again[0] != e {
				t.Errorf("%q is %v, which is %v", text, e, again)
			}
		}
	})
}

// FuzzInboxFile opens an inbox on any file: it is refused, or everything but a last line
// that was cut off stays.
func FuzzInboxFile(f *testing.F) {
	f.Add([]byte(`{"riposte_id":"a","verb":"apply","action":"ticket.create","target":{"kind":"ip","value":"203.0.113.7"}}` + "\n" + `{"riposte_id":"b"`))
	f.Add([]byte("{}\n\n"))
	f.Add([]byte("null\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "inbox.jsonl")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		b := &inbox{file: file, now: time.Now, seen: map[string]string{}, state: map[string]bool{}}
		err = b.load()
		got, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		want := string(text)
		if err == nil {
			want = want[:strings.LastIndexByte(want, '\n')+1]
		}
		if string(got) != want {
			t.Errorf("%q became %q (%v)", text, got, err)
		}
	})
}
