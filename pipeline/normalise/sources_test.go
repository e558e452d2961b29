package normalise_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/riposte-sec/riposte/internal/sharedata"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/pipeline/normalise/normalisetest"
	"github.com/riposte-sec/riposte/sources/all"
)

// sampleSources says which source reads which folder of the sample events.
var sampleSources = map[string]string{
	"suricata_eve": "suricata", "zeek": "zeek", "windows": "windows", "aws_cloudtrail": "cloudtrail", "okta": "okta",
}

func compile(tb testing.TB) *normalise.Compiled {
	tb.Helper()
	c, err := normalise.New(all.Formats())
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// samples returns the vendor's events of each file of a folder, by file.
func samples(tb testing.TB, folder string) map[string][][]byte {
	tb.Helper()
	dir := filepath.Join(sharedata.Dir(tb), folder)
	files := map[string][][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".gz") {
			r, err := gzip.NewReader(bytes.NewReader(text))
			if err != nil {
				return err
			}
			if text, err = io.ReadAll(r); err != nil {
				return err
			}
		}
		lines := normalisetest.Lines(text)
		if filepath.Base(path) == "panther-cases.jsonl" {
			for i, line := range lines {
				lines[i] = unwrap(tb, line)
			}
		}
		files[strings.TrimPrefix(path, dir+"/")] = lines
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	if folder == "windows" {
		files["sigma"] = sigmaEvents(tb)
	}
	return files
}

// sigmaEvents returns the events of Sigma's regression cases: Windows in the nested shape.
func sigmaEvents(tb testing.TB) [][]byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(sharedata.Dir(tb), "sigma", "regression-cases.jsonl"))
	if err != nil {
		tb.Fatal(err)
	}
	var events [][]byte
	for _, line := range normalisetest.Lines(text) {
		var c struct{ Events []json.RawMessage }
		if err := json.Unmarshal(line, &c); err != nil {
			tb.Fatal(err)
		}
		for _, e := range c.Events {
			events = append(events, e)
		}
	}
	return events
}

// unwrap takes the vendor's event out of a test case of the sample data.
func unwrap(tb testing.TB, line []byte) []byte {
	tb.Helper()
	var c struct{ Log json.RawMessage }
	if err := json.Unmarshal(line, &c); err != nil {
		tb.Fatal(err)
	}
	return c.Log
}

// batchOf is a batch of lines, appended at a time near that of the events.
func batchOf(source string, lines [][]byte, at pipeline.Millis) *pipeline.Batch {
	b := &pipeline.Batch{Topic: pipeline.TopicRawPrefix + source, Tenant: "acme"}
	for i, line := range lines {
		b.In = append(b.In, pipeline.Record{Offset: int64(i), Time: at, Value: line})
	}
	return b
}

// TestEveryLineOfTheSampleEventsIsAccountedFor prints, by source, what became of the lines;
// all of them are truly of their vendor, so none may be refused.
func TestEveryLineOfTheSampleEventsIsAccountedFor(t *testing.T) {
	t.Parallel()
	c := compile(t)
	for _, folder := range slices.Sorted(maps.Keys(sampleSources)) {
		source := sampleSources[folder]
		lines, live, classes, entityless := 0, 0, map[pipeline.Class]int{}, 0
		reasons := map[string]int{}
		for file, in := range samples(t, folder) {
			b := batchOf(source, in, now)
			if err := c.Stage(source).Process(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			lines += len(in)
			live += len(b.Events)
			if b.Counts.In != len(in) || b.Counts.Live+b.Counts.Rejected != len(in) || b.Counts.Live != len(b.Events) || b.Counts.Rejected != len(b.Rejects) {
				t.Errorf("%s/%s: %d lines, counts %+v, %d events, %d rejects", folder, file, len(in), b.Counts, len(b.Events), len(b.Rejects))
			}
			for _, r := range b.Rejects {
				reasons[r.Reason]++
				t.Errorf("%s/%s line %d: %s %s: %.300s", folder, file, r.Record+1, r.Reason, r.Detail, in[r.Record])
			}
			for i := range b.Events {
				classes[b.Events[i].Class]++
				if len(b.Events[i].Entities) == 0 {
					entityless++
				}
				if v := b.Events[i].AppendJSON(nil); !json.Valid(v) {
					t.Errorf("%s/%s line %d: invalid JSON %s", folder, file, b.Events[i].Record+1, v)
				}
			}
		}
		t.Logf("%s: %d lines, %d live, rejects %v, %d without entity, classes %v", folder, lines, live, reasons, entityless, classes)
	}
}

// TestEventsOfTheSamplesFitTheSchema takes every tenth line: the schema is slow to check.
func TestEventsOfTheSamplesFitTheSchema(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile("../../schemas/json/event.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	c := compile(t)
	for folder, source := range sampleSources {
		for file, lines := range samples(t, folder) {
			b := batchOf(source, lines, now)
			if err := c.Stage(source).Process(context.Background(), b); err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(b.Events); i += 10 {
				value := b.Events[i].AppendJSON(nil)
				doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
				if err != nil {
					t.Fatal(err)
				}
				if err := schema.Validate(doc); err != nil {
					t.Errorf("%s/%s line %d: %v in %s", folder, file, b.Events[i].Record+1, err, value)
				}
			}
		}
	}
}
