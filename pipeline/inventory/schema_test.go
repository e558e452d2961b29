package inventory_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// conforms checks a value against schemas/json/<name>.v1.json.
func conforms(tb testing.TB, name string, value []byte) {
	tb.Helper()
	read := func(p []byte) any {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(p))
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "schemas", "json", name+".v1.json"))
	if err != nil {
		tb.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, read(text)); err != nil {
		tb.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Validate(read(value)); err != nil {
		tb.Errorf("%s: %v\n%s", name, err, value)
	}
}
