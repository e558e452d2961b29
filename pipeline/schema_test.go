package pipeline

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var rewrite = flag.Bool("rewrite", false, "write schemas/json/event.v1.json anew")

const schemaDir = "../schemas/json/"

// object is a JSON object whose members are written in order by encoding/json: sorted.
type object = map[string]any

// eventSchema is made from the closed list of fields, so that it cannot differ from it.
func eventSchema() object {
	integer := func(text string) object { return object{"type": "integer", "description": text} }
	text := func(text string) object { return object{"type": "string", "description": text} }
	root := object{
		"class_uid": integer("OCSF class"), "category_uid": integer("OCSF category"), "activity_id": integer("OCSF activity of the class"),
		"type_uid": integer("class_uid * 100 + activity_id"), "severity_id": integer("what the source says: 0 unknown to 6 fatal"),
		"time": integer("event time, ms since 1970 UTC, within [logged_time - 7 d, logged_time + 5 min]"),
		"observables": object{"type": "array", "description": "entities in canonical form, the most specific first: e:1, e:2, ...", "items": object{
			"type": "object", "additionalProperties": false, "required": []string{"name", "type", "type_id", "value", "origin"}, "properties": object{
				"name": text("where it stood: device, src, dst, actor, user, ..."), "type": object{"enum": entityNames[1:]},
				"type_id": integer("OCSF observable type"), "value": text("canonical form"),
				"origin": object{"enum": []string{"sensor", "content"}, "description": "content: an attacker may have chosen the value"},
			},
		}},
		"raw_ref": object{
			"type": "object", "description": "where the record lies on raw.<log_name>", "additionalProperties": false,
			"required": []string{"partition", "offset"}, "properties": object{"partition": integer("partition"), "offset": integer("offset")},
		},
		"unmapped": object{"type": "object", "description": "the vendor's object, unchanged"},
		"metadata": object{"type": "object", "additionalProperties": false, "required": []string{"version", "uid", "tenant_uid", "log_name", "logged_time"}, "properties": object{
			"version":    object{"const": OCSFVersion, "description": "of OCSF"},
			"uid":        object{"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "description": "event id: hash of tenant, source and vendor id, or of topic, partition and offset"},
			"tenant_uid": text("who owns the data"), "log_name": text("<source> of raw.<source>"), "logged_time": integer("broker append time on raw.<source>, ms since 1970 UTC"),
			"labels": object{"type": "array", "items": object{"enum": flagNames[:]}},
		}},
	}
	for f := FieldNone + 1; f < fieldCount; f++ {
		place(root, strings.Split(f.String(), "."), f.Kind())
	}
	return object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://riposte-sec.github.io/schemas/event.v1.json", "title": "event/1",
		"description": "Value of a record on the topic events: one normalised event (OCSF " + OCSFVersion + " names). Key: tenant and primary entity, joined by U+001F.",
		"type":        "object", "additionalProperties": false, "properties": root,
		"required": []string{"class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "time", "metadata", "raw_ref"},
	}
}

// place puts a leaf into the properties of nested objects.
func place(properties object, path []string, kind Kind) {
	if len(path) == 1 {
		properties[path[0]] = map[Kind]object{
			KindString: {"type": "string"}, KindInt: {"type": "integer"}, KindBool: {"type": "boolean"},
			KindList: {"type": "array", "items": object{"type": "string"}},
		}[kind]
		return
	}
	child, ok := properties[path[0]].(object)
	if !ok {
		child = object{"type": "object", "additionalProperties": false, "properties": object{}}
		properties[path[0]] = child
	}
	place(child["properties"].(object), path[1:], kind)
}

func TestEventSchemaIsMadeOfTheFields(t *testing.T) {
	t.Parallel()
	want, err := json.MarshalIndent(eventSchema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *rewrite {
		if err := os.WriteFile(schemaDir+"event.v1.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaDir + "event.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("schemas/json/event.v1.json is not that of the fields; run with -rewrite")
	}
}

func schemaOf(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(schemaDir + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, value []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		t.Fatalf("%v in %s", err, value)
	}
	return s.Validate(doc)
}

func TestWhatIsWrittenFitsItsSchema(t *testing.T) {
	t.Parallel()
	const seed = 21
	rng := rand.New(rand.NewPCG(seed, seed))
	events, signals := schemaOf(t, "event.v1.json"), schemaOf(t, "signal.v1.json")
	for range 300 {
		e, s := randomEvent(rng), randomSignal(rng)
		if value := e.AppendJSON(nil); validate(t, events, value) != nil {
			t.Fatalf("seed %d: %v in %s", seed, validate(t, events, value), value)
		}
		if value := s.AppendJSON(nil); validate(t, signals, value) != nil {
			t.Fatalf("seed %d: %v in %s", seed, validate(t, signals, value), value)
		}
	}
}

func TestSchemasRefuseWhatIsWrong(t *testing.T) {
	t.Parallel()
	event := Event{ID: HashID("event"), Tenant: "t", Source: "s"}
	signal := Signal{ID: HashID("signal"), Event: HashID("event")}
	f := func(schema string, value []byte, old, broken string) {
		t.Helper()
		s := schemaOf(t, schema)
		if err := validate(t, s, value); err != nil {
			t.Fatal(err)
		}
		wrong := strings.Replace(string(value), old, broken, 1)
		if wrong == string(value) || validate(t, s, []byte(wrong)) == nil {
			t.Errorf("%s takes %s", schema, wrong)
		}
	}
	f("event.v1.json", event.AppendJSON(nil), `"class_uid":0`, `"class_uid":"0"`)
	f("event.v1.json", event.AppendJSON(nil), `"class_uid":0`, `"klass_uid":0`)
	f("event.v1.json", event.AppendJSON(nil), `"class_uid":0`, `"src_endpoint":{"port":"x"},"class_uid":0`)
	f("event.v1.json", event.AppendJSON(nil), `"time":0`, `"src_endpoint":{"prt":1},"time":0`)
	f("signal.v1.json", signal.AppendJSON(nil), `"rule"`, `"role"`)
	headers := []byte(`{"reject-topic":"raw.zeek","reject-partition":"0","reject-offset":"7","reject-time":"1","reject-stage":"normalise","reject-reason":"too_deep"}`)
	f("reject.v1.json", headers, `"too_deep"`, `"Too deep"`)
}
