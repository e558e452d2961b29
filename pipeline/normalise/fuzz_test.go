package normalise_test

import (
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/sources/all"
)

// FuzzMapping gives the compiler any mapping: it is refused, or what it compiles to takes a
// record to one fate.
func FuzzMapping(f *testing.F) {
	for _, format := range all.Formats() {
		f.Add(format.Mapping)
	}
	f.Add([]byte("source: test\nrequires: [a, 'b[1].c']\nfields: {message: a, time: {from: b, format: iso}}\n"))
	f.Add([]byte("source: test\nroots: &r [a]\nalso: {a: *r}\nclasses: [{class: 4001, when: {a: [x]}}]\n"))
	record := pipeline.Record{Time: now, Value: []byte(`{"a":{"b":[1,"x",null],"c":"2026-01-01T00:00:00Z"},"event_type":"dns","timestamp":"2026-01-01T00:00:00Z","ts":1e9}`)}
	f.Fuzz(func(t *testing.T, mapping []byte) {
		if len(mapping) > 32<<10 {
			t.Skip()
		}
		c, err := normalise.New([]pipeline.Format{{Name: "test", Mapping: mapping}})
		if err != nil {
			return
		}
		if b := run(t, c.Stage("test"), record); len(b.Events)+len(b.Rejects) != 1 {
			t.Errorf("%d events, %d rejects", len(b.Events), len(b.Rejects))
		}
	})
}

// FuzzTime holds times to package time where both take the text.
func FuzzTime(f *testing.F) {
	f.Add("2026-09-21T13:30:00.225Z", uint8(0))
	f.Add("2026-02-29T23:59:60+14:00", uint8(0))
	f.Add("1790000000.123456", uint8(1))
	f.Add("1.79e9", uint8(1))
	f.Add("1790000000123", uint8(2))
	f.Add("1790000000123456", uint8(3))
	formats := []string{"iso", "epoch_s", "epoch_ms", "epoch_us"}
	f.Fuzz(func(t *testing.T, text string, which uint8) {
		format := formats[int(which)%len(formats)]
		got, ok := normalise.ParseTime(text, format)
		if format != "iso" {
			if ok && got <= 0 {
				t.Errorf("%q as %s is %d: want a time after 1970", text, format, got)
			}
			return
		}
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || want.UnixMilli() <= 0 {
			return
		}
		if !ok || got != pipeline.Millis(want.UnixMilli()) {
			t.Errorf("%q is %d (%v), want %d", text, got, ok, want.UnixMilli())
		}
	})
}
