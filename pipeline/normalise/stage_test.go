package normalise_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/sources/all"
)

const now = pipeline.Millis(1_790_000_000_000)

// formatOf makes a source "test" of a mapping's lines behind the first.
func formatOf(lines string) pipeline.Format {
	return pipeline.Format{Name: "test", Mapping: []byte("source: test\n" + lines)}
}

func stageOf(tb testing.TB, format pipeline.Format) pipeline.Stage {
	tb.Helper()
	c, err := normalise.New([]pipeline.Format{format})
	if err != nil {
		tb.Fatal(err)
	}
	return c.Stage(format.Name)
}

func run(tb testing.TB, stage pipeline.Stage, records ...pipeline.Record) *pipeline.Batch {
	tb.Helper()
	b := &pipeline.Batch{Topic: "raw.test", Partition: 3, Tenant: "acme", In: records}
	if err := stage.Process(context.Background(), b); err != nil {
		tb.Fatal(err)
	}
	return b
}

func packed(tb testing.TB, n int) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(append([]byte(`{"a":"x"}`), bytes.Repeat([]byte(" "), n)...)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func TestEveryReasonOfARejectHasARecord(t *testing.T) {
	t.Parallel()
	format := formatOf("requires: [a]\nbatch: Records\n")
	format.Decode = func(dst, record []byte) ([]byte, error) {
		if bytes.HasPrefix(record, []byte("!")) {
			return dst, pipeline.AsReject("x", errors.New("no line"))
		}
		return append(dst, record...), nil
	}
	stage := stageOf(t, format)
	seen := map[string]bool{normalise.ReasonUnknownSource: true}
	f := func(want string, r pipeline.Record) {
		t.Helper()
		b := run(t, stage, r)
		if len(b.Rejects) != 1 || b.Rejects[0].Reason != want || len(b.Events) != 0 || b.Counts.Rejected != 1 || b.Rejects[0].Stage != "normalise" {
			t.Errorf("%s: got %+v, %d events", want, b.Rejects, len(b.Events))
		}
		seen[want] = true
	}
	value := func(v string) pipeline.Record { return pipeline.Record{Value: []byte(v)} }
	f(normalise.ReasonEmpty, value(""))
	f(normalise.ReasonTooLarge, value(`{"a":"`+strings.Repeat("x", normalise.MaxRecord)+`"}`))
	f(normalise.ReasonTooLarge, pipeline.Record{Value: packed(t, normalise.MaxRecord)})
	f(normalise.ReasonBomb, pipeline.Record{Value: packed(t, 100<<20)})
	f(normalise.ReasonCompression, value("\x1f\x8bxxxxxxxxxxxx"))
	f(normalise.ReasonCompression, value("\x28\xb5\x2f\xfdxxxxxxxxxxxx"))
	f(normalise.ReasonDecode, value("!"))
	f(normalise.ReasonNotObject, value("[1]"))
	f(normalise.ReasonSyntax, value("{"))
	f(normalise.ReasonTooDeep, value(strings.Repeat("[", 99)))
	f(normalise.ReasonTooManyNodes, value(`{"a":[`+strings.Repeat("1,", 20_000)+"1]}"))
	f(normalise.ReasonKeyTooLong, value(`{"`+strings.Repeat("k", 300)+`":1}`))
	f(normalise.ReasonNumber, value(`{"a":1e999}`))
	f(normalise.ReasonBatch, value(`{"Records":[{"a":1}]}`))
	f(normalise.ReasonNotThisSource, value(`{"b":1}`))
	f(normalise.ReasonNotThisSource, value(`{"a":null}`))
	f(normalise.ReasonTenant, pipeline.Record{Value: []byte(`{"a":1}`), Headers: []pipeline.Header{{Key: pipeline.HeaderTenant, Value: []byte("Bad Tenant")}}})
	f(normalise.ReasonReplay, pipeline.Record{Value: []byte(`{"a":1}`), Headers: []pipeline.Header{{Key: pipeline.HeaderReplay, Value: []byte("now")}}})
	c, err := normalise.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if b := run(t, c.Stage("nobody"), value("{}")); len(b.Rejects) != 1 || b.Rejects[0].Reason != normalise.ReasonUnknownSource {
		t.Errorf("got %+v", b.Rejects)
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, slices.Sorted(slices.Values(normalise.Reasons()))) {
		t.Errorf("got %q, Reasons returns %q", got, normalise.Reasons())
	}
}

func TestPackedRecordsAreUnpacked(t *testing.T) {
	t.Parallel()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := run(t, stageOf(t, formatOf("requires: [a]\nfields: {message: a}\n")),
		pipeline.Record{Value: packed(t, 3)}, pipeline.Record{Value: w.EncodeAll([]byte(`{"a":"y"}`), nil)})
	if len(b.Events) != 2 {
		t.Fatalf("got %d events, rejects %v", len(b.Events), b.Rejects)
	}
	if x, y := b.Events[0].Get(pipeline.FieldMessage).Str, b.Events[1].Get(pipeline.FieldMessage).Str; x != "x" || y != "y" || string(b.Events[1].Unmapped) != `{"a":"y"}` {
		t.Errorf("got %q, %q", x, y)
	}
}

func TestWhatHadToBeMendedIsFlagged(t *testing.T) {
	t.Parallel()
	stage := stageOf(t, formatOf("requires: [a]\nfields: {message: a, device.hostname: h}\ntime: [{path: t, format: iso}]\nentities: [{kind: host, role: device, field: device.hostname}]\n"))
	f := func(in string, message string, want ...string) {
		t.Helper()
		b := run(t, stage, pipeline.Record{Value: []byte(in), Time: now})
		if len(b.Events) != 1 {
			t.Fatalf("%.60q: rejected: %v", in, b.Rejects)
		}
		e := &b.Events[0]
		if got := e.Flags.AppendNames(nil); !slices.Equal(got, want) || e.Get(pipeline.FieldMessage).Str != message {
			t.Errorf("%.60q: got %q %.40q, want %q %.40q", in, got, e.Get(pipeline.FieldMessage).Str, want, message)
		}
		if !json.Valid(e.Unmapped) {
			t.Errorf("%.60q: unmapped is no JSON: %.80q", in, e.Unmapped)
		}
	}
	at := `,"t":"2026-09-21T13:30:00Z"}`
	long := strings.Repeat("x", normalise.MaxString)
	f(`{"a":"b"`+at, "b")
	f(`{"a":"b"}`, "b", "clock_skew")
	f(`{"a":"b","t":"2026-09-13T13:30:00Z"}`, "b", "clock_skew")
	f(`{"a":"b","t":"2026-09-21T14:20:00Z"}`, "b", "clock_skew")
	f("{\"a\":\"b\xff\""+at, "b\uFFFD", "invalid_utf8")
	f(`{"a":"\udc00b"`+at, "\uFFFDb", "invalid_utf8")
	f(`{"a":"`+long+`yz"`+at, long, "truncated")
	f(`{"a":"b","a":"c"`+at, "c", "duplicate_keys")
	f(`{"a":"b","h":"ws1\u200b"`+at, "b", "suspicious_unicode")
}

func TestReplayedRecordGetsTheTimesOfItsReplay(t *testing.T) {
	t.Parallel()
	stage := stageOf(t, formatOf("requires: [a]\ntime: [{path: t, format: epoch_s}]\n"))
	hour := pipeline.Millis(time.Hour.Milliseconds())
	f := func(name, in string, shift time.Duration, want pipeline.Millis, flags ...string) {
		t.Helper()
		clock := pipeline.ReplayClock{Start: now, Shift: shift}.AppendText(nil)
		for _, appended := range []pipeline.Millis{now + 1, now + 24*hour} { // whenever it is read, the same
			b := run(t, stage, pipeline.Record{Value: []byte(in), Time: appended, Headers: []pipeline.Header{{Key: pipeline.HeaderReplay, Value: clock}}})
			if len(b.Events) != 1 {
				t.Fatalf("%s: rejected: %v", name, b.Rejects)
			}
			e := &b.Events[0]
			if got := e.Flags.AppendNames(nil); e.At != want || e.Ingested != now || !slices.Equal(got, flags) || b.Counts.Skewed != len(flags) || string(e.Unmapped) != in {
				t.Errorf("%s: got at %d, ingested %d, %q, %s; want at %d, %q", name, e.At-now, e.Ingested-now, got, e.Unmapped, want-now, flags)
			}
		}
	}
	f("of this week", `{"a":1,"t":1789996400}`, 0, now-hour)
	f("moved", `{"a":1,"t":1600000000}`, 189996400*time.Second, now-hour, "clock_skew")
	f("older than the band", `{"a":1,"t":1500000000}`, 189996400*time.Second, now, "clock_skew")
	f("ahead of the band", `{"a":1,"t":1800000000}`, time.Hour, now, "clock_skew")
	f("without a time of its own", `{"a":1}`, time.Hour, now, "clock_skew")
}

func TestOfANameThatStandsTwiceTheLastCounts(t *testing.T) {
	t.Parallel()
	stage := stageOf(t, formatOf("requires: [k]\nfields: {message: a.b, status: a.c, status_code: 'l[1]'}\n"))
	f := func(in, message, status, code string) {
		t.Helper()
		e := run(t, stage, pipeline.Record{Value: []byte(in)}).Events[0]
		if m, s, c := e.Get(pipeline.FieldMessage).Str, e.Get(pipeline.FieldStatus).Str, e.Get(pipeline.FieldStatusCode).Str; m != message || s != status || c != code {
			t.Errorf("%s: got %q %q %q, want %q %q %q", in, m, s, c, message, status, code)
		}
	}
	for range 3 { // the first time it is learned, then it is expected
		f(`{"k":1,"a":{"b":"x","c":"y"},"l":[1,2]}`, "x", "y", "2")
		f(`{"k":1,"a":{"b":"x"},"a":{"c":"y"},"l":[1,2],"l":[1]}`, "", "y", "")
		f(`{"k":1,"a":{"b":"x","b":"z"},"l":[1,2]}`, "z", "", "2")
		f(`{"a":{"c":"y","b":"x"},"k":1}`, "x", "y", "")
	}
}

func TestIdentityComesFromTheVendorOrThePlace(t *testing.T) {
	t.Parallel()
	stage := stageOf(t, formatOf("requires: [k]\nid: [k, id]\nid_length: 4\nvolatile: [v]\ntime: [{path: t, format: epoch_s}]\n"))
	event := func(value string, offset int64) pipeline.Event {
		return run(t, stage, pipeline.Record{Value: []byte(value), Offset: offset, Time: now}).Events[0]
	}
	a := event(`{"k":"x","id":"abc","v":1}`, 1)
	b := event(`{"k":"x","id":"abc","v":2}`, 2)
	if !a.Exact || a.ID != b.ID || a.Print.IsZero() || a.Print != b.Print {
		t.Errorf("delivered twice: got %v %v and %v %v", a.ID, a.Print, b.ID, b.Print)
	}
	if c := event(`{"k":"x","id":"abc","w":2}`, 2); c.ID != a.ID || c.Print == a.Print {
		t.Error("other content has the same print, or the same vendor id another id")
	}
	d, e := event(`{"k":"x","id":"a"}`, 1), event(`{"k":"x","id":"a"}`, 2)
	if d.Exact || d.ID == e.ID || !d.Print.IsZero() {
		t.Errorf("too short an id: got %v, %v, print %v", d.Exact, d.ID == e.ID, d.Print)
	}
	if f := event(`{"k":"x","t":1789999000}`, 2); f.Exact || f.Print.IsZero() {
		t.Error("an event with its own time has no print")
	}
}

func TestParserTellsWhatAMappingSees(t *testing.T) {
	t.Parallel()
	c, err := normalise.New([]pipeline.Format{formatOf("fields: {message: a, status: b.c, status_code: d}\n")})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := c.Parser("test")
	if _, other := c.Parser("nobody"); !ok || other {
		t.Fatalf("got %v for a source, %v for none", ok, other)
	}
	f := func(in string, found int, reason string) {
		t.Helper()
		if n, r := p.Parse([]byte(in)); n != found || r != reason {
			t.Errorf("%s: got %d %q, want %d %q", in, n, r, found, reason)
		}
	}
	f(`{"a":"x\n","b":{"c":1},"e":2}`, 2, "")
	f(`{"b":[],"d":null}`, 0, "")
	f(`{"a":"x"`, 0, normalise.ReasonSyntax)
}

func TestParserTellsTheTimeThatARecordClaims(t *testing.T) {
	t.Parallel()
	c, err := normalise.New([]pipeline.Format{formatOf("time: [{path: t, format: epoch_s}, {path: u, format: iso}]\n")})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := c.Parser("test")
	f := func(in string, want pipeline.Millis) {
		t.Helper()
		if got := p.Claimed([]byte(in)); got != want {
			t.Errorf("%.40s: got %d, want %d", in, got, want)
		}
	}
	f(`{"t":1500000000}`, 1_500_000_000_000)
	f(`{"t":"soon","u":"2017-07-14T02:40:00Z"}`, 1_500_000_000_000)
	f(`{"v":1}`, 0)
	f(`{"t":1500000000`, 0)
	f("", 0)
}

func TestCostlyFormsAreRemembered(t *testing.T) {
	t.Parallel()
	c, err := normalise.New([]pipeline.Format{formatOf("fields: {query.hostname: q}\nentities: [{kind: domain, role: query, field: query.hostname}]\n")})
	if err != nil {
		t.Fatal(err)
	}
	stage := c.Stage("test")
	for range 10 {
		b := run(t, stage, pipeline.Record{Value: []byte(`{"q":"B\u00fccher.example"}`)}, pipeline.Record{Value: []byte(`{"q":"a.example"}`)})
		if got := b.Events[0].Entities[0].Value; got != "xn--bcher-kva.example" {
			t.Fatalf("got %q", got)
		}
	}
	if hits, misses := c.Cache().Hits.Load(), c.Cache().Misses.Load(); hits != 18 || misses != 2 { // lower case, then A-label
		t.Errorf("got %d hits, %d misses", hits, misses)
	}
}

func TestMistakesInAMappingNameFileLineAndNearestName(t *testing.T) {
	t.Parallel()
	f := func(lines, want string) {
		t.Helper()
		_, err := normalise.New([]pipeline.Format{formatOf(lines)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\ngot  %v\nwant %s", lines, err, want)
		}
	}
	f("fields: {src_endpoint.ipp: a}\n", `sources/test/mapping.yaml:2: unknown field "src_endpoint.ipp"; did you mean "src_endpoint.ip"?`)
	f("feilds: {}\n", `mapping.yaml:2: unknown name "feilds"; did you mean "fields"?`)
	f("fields:\n  message: {path: a, as: basname}\n", `mapping.yaml:3: unknown function "basname"; did you mean "basename"?`)
	f("time: [{path: a, format: epoch}]\n", `unknown time format "epoch"; did you mean "epoch_s"?`)
	f("fields: {src_endpoint.port: {const: many}}\n", `mapping.yaml:2: "many" is no value of src_endpoint.port`)
	f("fields: {status_id: {path: a, map: {x: y}}}\n", `"y" is no value of status_id`)
	f("fields: {message: {path: a, const: b}}\n", "want either path or const")
	f("classes:\n  - {class: 1, use: [tls]}\n", `mapping.yaml:3: no group "tls" above`)
	f("entities: [{kind: hose, role: r, field: device.ip}]\n", `unknown kind of entity "hose"`)
	f("requires: ['a[99]']\n", `mapping.yaml:2: path "a[99]": an index is [0] to [15]`)
	f("requires: ['a..b']\n", `mapping.yaml:2: path "a..b": an empty name`)
	f("identity: maybe\n", "want true or false")
	f("id_length: -1\n", "want a number from 0")
	f("fields: [x]\n", "want a mapping")
	f("fields: {message: a, message: b}\n", `"message" stands twice`)
	f("\t", "mapping.yaml")
	if _, err := normalise.New([]pipeline.Format{{Name: "other", Mapping: []byte("source: test")}}); err == nil {
		t.Error("a mapping of another source is taken")
	}
}

// FuzzExtract holds what a mapping extracts to encoding/json.
func FuzzExtract(f *testing.F) {
	for _, in := range []string{
		`{"k":1,"a":{"b":"x\u00e9\n"},"l":[1,"two"]}`, `{"k":1,"a":{"b":1.5},"a":{"c":true}}`, `{"l":[[],{}],"k":"é","a":null}`, `{"\u006b":1,"a":{"b":"\ud83d\ude00"}}`,
	} {
		f.Add([]byte(in))
	}
	stage := stageOf(f, formatOf("requires: [k]\nfields: {message: a.b, status: a.c, status_code: 'l[1]', status_detail: k}\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		b := run(t, stage, pipeline.Record{Value: p})
		if len(b.Events) == 0 {
			return
		}
		e := &b.Events[0]
		d := json.NewDecoder(bytes.NewReader(e.Unmapped))
		d.UseNumber()
		var want map[string]any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("%q: unmapped is no JSON: %v", e.Unmapped, err)
		}
		text := func(v any) string {
			switch v := v.(type) {
			case string:
				return v
			case json.Number:
				return v.String()
			case bool:
				if v {
					return "true"
				}
				return "false"
			}
			return ""
		}
		a, _ := want["a"].(map[string]any)
		l, _ := want["l"].([]any)
		var second any
		if len(l) > 1 {
			second = l[1]
		}
		for field, v := range map[pipeline.Field]any{pipeline.FieldMessage: a["b"], pipeline.FieldStatus: a["c"], pipeline.FieldStatusCode: second, pipeline.FieldStatusDetail: want["k"]} {
			if got := e.Get(field).Str; got != text(v) {
				t.Fatalf("%q: %s: got %q, want %q", p, field, got, text(v))
			}
		}
	})
}

// FuzzProcess lets every source have any record: an event's JSON form must be valid and read
// back as the event.
func FuzzProcess(f *testing.F) {
	f.Add([]byte(`{"event_type":"alert","timestamp":"2026-09-21T13:30:00Z","src_ip":"10.0.0.1","email":{"to":["a@b.c",1,null]}}`))
	f.Add([]byte(`{"Event":{"System":{"EventID":1,"Computer":"X","Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}}},"EventData":{"Hashes":"MD5=,SHA256=aa"}}}`))
	f.Add([]byte(`{"eventName":"ConsoleLogin","userIdentity":{"type":"Root"},"resources":[{}]}`))
	f.Add([]byte(`{"eventType":"x","target":[{"type":"User","alternateId":"\u202e"}]}`))
	f.Add([]byte(`{"_path":"dns","ts":1e9,"query":"\u00fc.example","answers":[1,"a",[]]}`))
	f.Add([]byte(`{"class_uid":4003,"time":1e3}`))
	c, err := normalise.New(all.Formats())
	if err != nil {
		f.Fatal(err)
	}
	var stages []pipeline.Stage
	for _, name := range c.Sources() {
		stages = append(stages, c.Stage(name))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, stage := range stages {
			b := run(t, stage, pipeline.Record{Value: p, Time: now})
			if len(b.Events)+len(b.Rejects) != 1 {
				t.Fatalf("%q: %d events, %d rejects", p, len(b.Events), len(b.Rejects))
			}
			if len(b.Events) == 0 {
				continue
			}
			want := b.Events[0]
			value := want.AppendJSON(nil)
			if !json.Valid(value) {
				t.Fatalf("%q: invalid JSON %s", p, value)
			}
			var got pipeline.Event
			if err := pipeline.DecodeEvent(value, &got, new(pipeline.Arena)); err != nil {
				t.Fatalf("%s: %v", value, err)
			}
			want.Exact, want.Print, want.Record = false, pipeline.ID{}, 0
			got.Attrs, got.Entities = append([]pipeline.Attr{}, got.Attrs...), append([]pipeline.Entity{}, got.Entities...)
			want.Attrs, want.Entities = append([]pipeline.Attr{}, want.Attrs...), append([]pipeline.Entity{}, want.Entities...)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%q:\ngot  %+v\nwant %+v", p, got, want)
			}
		}
	})
}
