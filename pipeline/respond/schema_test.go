package respond_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/riposte-sec/riposte/pipeline"
)

var compiled sync.Map // name -> *jsonschema.Schema

func schema(tb testing.TB, name string) *jsonschema.Schema {
	tb.Helper()
	if s, ok := compiled.Load(name); ok {
		return s.(*jsonschema.Schema)
	}
	src, err := os.ReadFile(filepath.Join("..", "..", "schemas", "json", name+".v1.json"))
	if err != nil {
		tb.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	s, err := c.Compile(name)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	compiled.Store(name, s)
	return s
}

// conforms checks what every test of this package makes the stage write: an outcome, then
// the fact that carries the same outcome.
func conforms(tb testing.TB, out []pipeline.Message) {
	tb.Helper()
	for i, m := range out {
		name := map[string]string{pipeline.TopicOutcomes: "outcome", pipeline.TopicFacts: "fact"}[m.Topic]
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Value))
		if err == nil {
			err = schema(tb, name).Validate(v)
		}
		if err != nil {
			tb.Errorf("%s: %v\n%s", m.Topic, err, m.Value)
		}
		if (m.Topic == pipeline.TopicOutcomes) != (i%2 == 0) {
			tb.Errorf("message %d is on %s", i, m.Topic)
		}
	}
}
