package correlate

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/riposte-sec/riposte/pipeline"
)

func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "schemas", "json", name))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatTheStageWritesIsAsTheSchemaSays(t *testing.T) {
	t.Parallel()
	s := schema(t, "fact.v1.json")
	st := stageOf(t, func(c *Config) { c.Storm = 1 }, documentOf(t, "n", countOf3+"; generate: true"),
		documentOf(t, "r", "type: risk; rules: [a]; timespan: 1h; condition: {gte: 12}"))
	b := &pipeline.Batch{}
	var sigs []pipeline.Signal
	for i := range 20 {
		for _, step := range []string{"", "n", "r"} {
			sigs = append(sigs, sig(step, string(rune('a'+i%3)), i, time.Duration(i)*time.Second))
		}
	}
	b.In = records(sigs)
	if err := st.Process(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.Out) < 10 {
		t.Fatalf("%d facts", len(b.Out))
	}
	for _, m := range b.Out {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Value))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s:\n%v", m.Value, err)
		}
	}
	if s.Validate(map[string]any{"kind": "alert"}) == nil {
		t.Error("the schema accepts anything")
	}
}

func TestDocumentsAreAsTheSchemaSays(t *testing.T) {
	t.Parallel()
	s := schema(t, "correlation.v1.json")
	var files []string
	for _, dir := range []string{shipped, "testdata/kinds"} {
		found, err := filepath.Glob(filepath.Join(dir, "*.yml"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.yml") {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := yaml.Unmarshal(src, &doc); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}
