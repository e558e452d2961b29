package record

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/riposte-sec/riposte/internal/columns"
)

// flat returns the pairs of an object as "path=text", in order.
func flat(t *testing.T, object string) ([]string, error) {
	t.Helper()
	var (
		f   flattener
		out columns.Map
	)
	err := f.flatten([]byte(object), &out)
	pairs := make([]string, 0, out.Keys.Len())
	for i := range out.Values.Len() {
		pairs = append(pairs, string(out.Keys.Row(i))+"="+string(out.Values.Row(i)))
	}
	return pairs, err
}

func TestFlattenJoinsNamesByDots(t *testing.T) {
	t.Parallel()
	f := func(object string, want ...string) {
		t.Helper()
		got, err := flat(t, object)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", object, got, err, want)
		}
	}
	f(`{}`)
	f(` { "a" : 1 } `, "a=1")
	f(`{"a":{"b":{"c":"x"}},"d":true}`, "a.b.c=x", "d=true")
	f(`{"a":{},"b":null,"c":[]}`, "c=[]")
	f(`{"":{"a":1}}`, ".a=1")
	f(`{"id.orig_h":"10.0.0.1","":"e","a":{"":1}}`, "id.orig_h=10.0.0.1", "=e", "a.=1")
	f(`{"a":[1,"]}",{"b":[2]},"\"]"],"c":-1.5e+3}`, `a=[1,"]}",{"b":[2]},"\"]"]`, "c=-1.5e+3")
	f(`{"a":"q\"\\\/\b\f\n\r\t","b":"\u00e9\ud83d\ude00\ud800","c\n":1}`, "a=q\"\\/\b\f\n\r\t", "b=\u00e9\U0001f600\ufffd", "c\n=1")
	f(`{"a":1,"a":2}`, "a=1", "a=2")
}

func TestFlattenRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	for _, object := range []string{
		``, `1`, `[]`, `{`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a":"x`, `{"a":"\`, `{"a":"\x"}`, `{"a":"\u12"}`,
		`{"a":[1}`, `{"a":["`, `{a:1}`, `{"a" 1}`, `{"a":}`, `{"a":1}x`, `{"a":'b'}`, strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 50),
	} {
		if got, err := flat(t, object); err == nil {
			t.Errorf("%s: got %q, want an error", object, got)
		}
	}
}

// FuzzFlatten compares with encoding/json: what that accepts as an object must be flattened
// to the same paths and texts.
func FuzzFlatten(f *testing.F) {
	f.Add(`{"a":{"b":1,"c":null},"d":["x",{"y":1}],"e":"\ud83d\ude00\u0041"}`)
	f.Add(`{"a":"\ud800x","b":{"a":{}}}`)
	f.Fuzz(func(t *testing.T, object string) {
		got, err := flat(t, object)
		var v map[string]any
		dec := json.NewDecoder(strings.NewReader(object))
		dec.UseNumber()
		if !json.Valid([]byte(object)) || !utf8.ValidString(object) || dec.Decode(&v) != nil || v == nil || depth(v) >= maxDepth {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v, but encoding/json reads it", object, err)
		}
		want := map[string]bool{}
		for k, e := range v {
			paths(e, k, want)
		}
		for _, pair := range got {
			delete(want, pair)
		}
		if len(want) > 0 {
			t.Errorf("%q: got %q, missing %q", object, got, slices.Collect(maps.Keys(want)))
		}
	})
}

// paths collects the pairs of scalars that do not lie in a list.
func paths(v any, path string, out map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			paths(e, path+"."+k, out)
		}
	case json.Number:
		out[path+"="+v.String()] = true
	case bool:
		out[path+"="+map[bool]string{true: "true", false: "false"}[v]] = true
	case string:
		out[path+"="+v] = true
	}
}

func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, depth(e))
		}
	case []any:
		for _, e := range v {
			deepest = max(deepest, depth(e))
		}
	}
	return deepest + 1
}
