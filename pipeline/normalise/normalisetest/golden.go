// Package normalisetest holds what the tests of sources share: a golden test of a mapping
// and the reading of sample events.
package normalisetest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// Golden normalises each testdata/*.jsonl of the package under test with the format, and
// compares the events, without the vendor's object, with the .golden file beside it. With
// -rewrite it writes those files.
func Golden(t *testing.T, format pipeline.Format) {
	t.Helper()
	compiled, err := normalise.New([]pipeline.Format{format})
	if err != nil {
		t.Fatal(err)
	}
	inputs, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no testdata/*.jsonl (%v)", err)
	}
	for _, input := range inputs {
		name := strings.TrimSuffix(filepath.Base(input), ".jsonl")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			got := render(t, compiled.Stage(format.Name), format.Name, text)
			path := filepath.Join("testdata", name+".golden")
			if *rewrite {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs from what the mapping gives now:\n%s", path, firstDifference(got, want))
			}
		})
	}
}

// ingested is the append time of the records of golden tests: close enough to the times in
// the fixtures for most of them to be believed.
const ingested = pipeline.Millis(1_790_000_000_000) // 2026-09-21T13:33:20Z

func render(t *testing.T, stage pipeline.Stage, source string, text []byte) []byte {
	t.Helper()
	b := &pipeline.Batch{Topic: pipeline.TopicRawPrefix + source, Tenant: "acme"}
	for i, line := range Lines(text) {
		b.In = append(b.In, pipeline.Record{Offset: int64(i), Time: ingested, Value: line})
	}
	if err := stage.Process(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, r := range b.Rejects {
		fmt.Fprintf(&out, "line %d rejected: %s %s\n\n", r.Record+1, r.Reason, r.Detail)
	}
	for i := range b.Events {
		renderEvent(&out, &b.Events[i])
	}
	return out.Bytes()
}

// renderEvent writes an event as a reader wants it: its head, an attribute a line, an entity
// a line.
func renderEvent(out *bytes.Buffer, e *pipeline.Event) {
	id := "the record's place"
	if e.Exact {
		id = "the vendor's id"
	}
	fmt.Fprintf(out, "line %d: class %d, activity %d, severity %d, %s, id from %s %v\n",
		e.Record+1, e.Class, e.Activity, e.Severity, e.At.Time().Format("2006-01-02T15:04:05.000Z"), id, e.Flags.AppendNames(nil))
	for _, a := range e.Attrs {
		fmt.Fprintf(out, "  %s: %s\n", a.Field, valueText(a.Value))
	}
	for k, n := range e.Entities {
		origin := ""
		if n.Content {
			origin = " (content)"
		}
		fmt.Fprintf(out, "  e:%d %s %s %q%s\n", k+1, n.Role, n.Kind, n.Value, origin)
	}
	out.WriteByte('\n')
}

func valueText(v pipeline.Value) string {
	switch v.Kind {
	case pipeline.KindInt:
		return strconv.FormatInt(v.Int, 10)
	case pipeline.KindBool:
		return strconv.FormatBool(v.Int != 0)
	case pipeline.KindList:
		return v.Str
	default:
		return strconv.Quote(v.Str)
	}
}

// Lines returns the lines of text that are not empty.
func Lines(text []byte) [][]byte {
	var lines [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			lines = append(lines, line)
		}
	}
	return lines
}

func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\ngot  %s\nwant %s", i+1, a, b)
		}
	}
	return "no difference by lines"
}
