package decide_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/decide"
)

var compiled sync.Map // name -> *jsonschema.Schema

// schema compiles schemas/json/<name>.v1.json; references lead to its neighbours.
func schema(tb testing.TB, name string) *jsonschema.Schema {
	tb.Helper()
	if s, ok := compiled.Load(name); ok {
		return s.(*jsonschema.Schema)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	const base = "https://riposte-sec.github.io/schemas/"
	for _, n := range []string{"decision", "incident", "step", "intent", "fact", "decision-document", "guard-document"} {
		src, err := os.ReadFile(filepath.Join("..", "..", "schemas", "json", n+".v1.json"))
		if err != nil {
			tb.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
		if err != nil {
			tb.Fatalf("%s: %v", n, err)
		}
		if err := c.AddResource(base+n+".v1.json", doc); err != nil {
			tb.Fatalf("%s: %v", n, err)
		}
	}
	s, err := c.Compile(base + name + ".v1.json")
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	compiled.Store(name, s)
	return s
}

func valid(tb testing.TB, name string, value []byte) error {
	tb.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return err
	}
	return schema(tb, name).Validate(v)
}

// conforms checks what every test of this package makes the stage write.
func conforms(tb testing.TB, out []pipeline.Message) {
	tb.Helper()
	names := map[string]string{pipeline.TopicDecisions: "decision", pipeline.TopicIntents: "intent", pipeline.TopicFacts: "fact"}
	for _, m := range out {
		if err := valid(tb, names[m.Topic], m.Value); err != nil {
			tb.Errorf("%s: %v\n%s", m.Topic, err, m.Value)
		}
		var headers []string
		for _, h := range m.Headers {
			headers = append(headers, h.Key)
		}
		if !strings.HasPrefix(strings.Join(headers, " "), "schema tenant id") {
			tb.Errorf("%s: headers %v, want schema, tenant and id first", m.Topic, headers)
		}
	}
}

// whole is a document that has every member that the schema knows.
const whole = `{"v":1,"playbook":{"id":"a.b","version":"1.2.3","controls":["NIST-800-61:3.3"]},"priority":"p2","score":80.5,"confidence":0.5,
"reasons":[{"code":"ABC","text":"t","weight":-3,"evidence":["e:1"]}],"attack":["T1110.003","TA0006"],"group":{"key":["e:1","user:alice"],"window":"24h"},
"wake_at":"2026-11-02T12:00:00Z","close":"benign","labels":{"a":"b"},"steps":[{"id":"s1","action":"ip.block","connector":"edl","target":"e:1",
"params":{"a":true,"b":1.5,"c":"word","d":["e:1"]},"text":{"title":"t"},"after":["s2"],"after_any":["s2:failed"],"deadline":"2m","ttl":"1h","on_expiry":"undo",
"when_absent":"undo","on_failure":"stop","retry_for":"1h","approval":{"need":1,"roles":["soc_l1"],"ttl":"15m","on_timeout":"deny"},"mode":"shadow"}]}`

const wholeGuard = `{"decision":"approve","need":2,"roles":["soc_l2"],"ttl_max":"24h","reasons":[{"code":"ABC","text":"t","weight":1,"evidence":["e:2"]}]}`

// TestDecoderAndSchemaAgree changes documents at random and asks both.
func TestDecoderAndSchemaAgree(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	f := func(name, doc string, decode func([]byte) error) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		good, bad := 0, 0
		for range 6000 {
			var v any
			if err := json.Unmarshal([]byte(doc), &v); err != nil {
				t.Fatal(err)
			}
			for range 1 + rnd.IntN(2) {
				v = mutate(rnd, v)
			}
			p, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			want, got := valid(t, name, p), decode(p)
			if (want == nil) != (got == nil) {
				t.Fatalf("%s: the schema says %v, the decoder %v, about\n%s", name, want, got, p)
			}
			if want == nil {
				good++
			} else {
				bad++
			}
		}
		if good < 300 || bad < 300 {
			t.Errorf("%s: %d good and %d bad documents, want hundreds of both", name, good, bad)
		}
	}
	f("decision-document", whole, decide.CheckDocument)
	f("guard-document", wholeGuard, decide.CheckRuling)
}

// mutate changes one place of a document.
func mutate(rnd *rand.Rand, v any) any {
	values := []any{
		nil, true, 0.0, 1.0, 1.5, -1.0, 3.0, 4.0, 101.0, "", "x", "p1", "drop", "allow", "shadow", "undo", "1h", "0h", "7d", "1000000s", "s1", "e:1", "1.2.3.4",
		"ABC", "benign", "2026-11-02T12:00:00Z", "2026-11-02", "2026-11-02T12:00:00.5+01:00", "s1:done", "T1110", strings.Repeat("é", 257), strings.Repeat("a", 64),
		[]any{},
		[]any{"e:1"},
		[]any{"a", "a"},
		[]any{"s2:done"},
		map[string]any{},
		map[string]any{"need": 1.0},
		map[string]any{"title": "x"},
		map[string]any{"Title": "x"},
	}
	switch x := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		if len(keys) == 0 || rnd.IntN(12) == 0 {
			x[[]string{"title", "V", "id", "need", "after", "extra", "a b"}[rnd.IntN(7)]] = values[rnd.IntN(len(values))]
			return x
		}
		// Order of keys decides nothing but which one is changed; sort for the seed's sake.
		k := smallestFrom(keys, rnd)
		switch rnd.IntN(8) {
		case 0:
			delete(x, k)
		case 1, 2:
			x[k] = values[rnd.IntN(len(values))]
		default:
			x[k] = mutate(rnd, x[k])
		}
		return x
	case []any:
		if len(x) == 0 || rnd.IntN(6) == 0 {
			return append(x, values[rnd.IntN(len(values))])
		}
		i := rnd.IntN(len(x))
		x[i] = mutate(rnd, x[i])
		return x
	}
	return values[rnd.IntN(len(values))]
}

func smallestFrom(keys []string, rnd *rand.Rand) string {
	for i := range keys {
		for j := i; j > 0 && keys[j] < keys[j-1]; j-- {
			keys[j], keys[j-1] = keys[j-1], keys[j]
		}
	}
	return keys[rnd.IntN(len(keys))]
}

func TestHostileDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	f := func(name, old, with string) {
		t.Helper()
		doc := strings.Replace(whole, old, with, 1)
		if doc == whole {
			t.Fatalf("%s: %q is not in the document", name, old)
		}
		if err := decide.CheckDocument([]byte(doc)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	f("literal target", `"target":"e:1"`, `"target":"0.0.0.0/0"`)
	f("free text in a parameter", `"c":"word"`, `"c":"a b; rm -rf /"`)
	f("unknown member", `"v":1`, `"v":1,"exec":"x"`)
	f("other case", `"priority"`, `"Priority"`)
	f("two values", `"mode":"shadow"}]}`, `"mode":"shadow"}]}{}`)
	f("step twice", `"steps":[`, `"steps":[{"id":"s1","action":"ip.block","target":"e:1"},`)
	f("null", `"score":80.5`, `"score":null`)
	f("too many approvals", `"need":1`, `"need":9`)
	f("no reason", `[{"code":"ABC","text":"t","weight":-3,"evidence":["e:1"]}]`, `[]`)
	f("open-ended number", `"score":80.5`, `"score":1e400`)
	if err := decide.CheckDocument([]byte(whole)); err != nil {
		t.Errorf("the whole document: %v", err)
	}
}

func FuzzDecodeDocument(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(wholeGuard))
	f.Fuzz(func(t *testing.T, p []byte) {
		if json.Valid(p) && bytes.Count(p, []byte{'"'}) > 0 {
			if want, got := valid(t, "decision-document", p), decide.CheckDocument(p); want != nil && got == nil {
				t.Errorf("the schema refuses what the decoder takes: %v\n%s", want, p)
			}
		}
		_ = decide.CheckRuling(p)
	})
}
