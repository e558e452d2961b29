package normalise_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
)

func TestScanChecksGrammarAndLimits(t *testing.T) {
	t.Parallel()
	scan := normalise.NewScanner()
	f := func(in, want string) {
		t.Helper()
		if got := scan([]byte(in)); got.Reason != want || (got.Object != nil) != (want == "") {
			t.Errorf("%.80s: got %q, want %q", in, got.Reason, want)
		}
	}
	nested := func(depth int) string {
		return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
	}
	list := func(n int) string { return `{"a":[` + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]}" }
	f(` {"a" : [1, -0.5e+3, "x\u00e9\ud83d\ude00", true, false, null, {}], "b":[]} `+"\n", "")
	f("", normalise.ReasonEmpty)
	f(" \n", normalise.ReasonEmpty)
	f("[]", normalise.ReasonNotObject)
	f(`"a"`, normalise.ReasonNotObject)
	for _, bad := range []string{
		"{", "}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1}}`, `{"a":1}x`, `{a:1}`, `{'a':1}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`,
		`{"a":1e}`, `{"a":-}`, `{"a":NaN}`, `{"a":tru}`, `{"a":nul`, `{"a":"x}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`, "{\"a\":\"\n\"}",
		"{\"a\":\"\x00\"}", `{"a":[1,]}`, `{"a":[1 2]}`, `{"a":1 "b":2}`, `{"a":"1234567` + "\t" + `"}`,
	} {
		f(bad, normalise.ReasonSyntax)
	}
	f(nested(normalise.MaxDepth), "")
	f(nested(normalise.MaxDepth+1), normalise.ReasonTooDeep)
	f(strings.Repeat(`[`, 100_000), normalise.ReasonTooDeep)
	f(list(normalise.MaxNodes-2), "")
	f(list(normalise.MaxNodes-1), normalise.ReasonTooManyNodes)
	f(`{"`+strings.Repeat("k", normalise.MaxKey)+`":1}`, "")
	f(`{"`+strings.Repeat("k", normalise.MaxKey+1)+`":1}`, normalise.ReasonKeyTooLong)
	f(`{"a":`+strings.Repeat("1", normalise.MaxDigits)+"}", "")
	f(`{"a":1.`+strings.Repeat("1", normalise.MaxDigits)+"}", normalise.ReasonNumber)
	f(`{"a":1e308,"b":1e-308}`, "")
	f(`{"a":1e309}`, normalise.ReasonNumber)
	f(`{"a":1e99999999999999999999}`, normalise.ReasonNumber)
}

func TestNamesThatStandTwiceAreFound(t *testing.T) {
	t.Parallel()
	scan := normalise.NewScanner()
	f := func(in string, want bool) {
		t.Helper()
		if got := scan([]byte(in)); got.Twice != want || got.Object == nil {
			t.Errorf("%.80s: got %v, %q, want %v", in, got.Twice, got.Reason, want)
		}
	}
	f(`{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}`, false)
	f(`{"a":1,"b":2,"a":3}`, true)
	f(`{"x":[{"y":{"a":1,"\u0061":2}}]}`, true)
	f(`{"":1,"":2}`, true)
	var many []string
	for i := range 3000 {
		many = append(many, fmt.Sprintf(`"k%d":%d`, i, i))
	}
	f("{"+strings.Join(many, ",")+"}", false)
	f("{"+strings.Join(append(many, `"k17":0`), ",")+"}", true)
}

// doubled reports whether an object in p has a name twice, by the standard library.
func doubled(p []byte) bool {
	d := json.NewDecoder(bytes.NewReader(p))
	type level struct {
		names map[string]bool
		value bool // the next token is a value
	}
	var levels []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			panic(err)
		}
		if n := len(levels); n > 0 && levels[n-1].names != nil {
			top := &levels[n-1]
			if name, ok := token.(string); ok && !top.value {
				if top.names[name] {
					return true
				}
				top.names[name], top.value = true, true
				continue
			}
			top.value = false
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: map[string]bool{}})
		case json.Delim('['):
			levels = append(levels, level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
	}
}

func isLimit(reason string) bool {
	switch reason {
	case normalise.ReasonTooDeep, normalise.ReasonTooManyNodes, normalise.ReasonKeyTooLong, normalise.ReasonNumber:
		return true
	}
	return false
}

// FuzzScan holds the scanner to encoding/json: the same objects are taken, and the same
// names are found to stand twice.
func FuzzScan(f *testing.F) {
	for _, in := range []string{`{"a":[1,{"b":"\ud800\u0041"}],"a":null}`, `{"a":-1.5E+10,"\u0061":"é"}`, " {}\n", `{"a":"\`, "[", `{"a":1e400}`} {
		f.Add([]byte(in))
	}
	scan := normalise.NewScanner()
	f.Fuzz(func(t *testing.T, p []byte) {
		if !utf8.Valid(p) {
			p = normalise.ToUTF8(new(pipeline.Arena), p)
		}
		got := scan(p)
		if isLimit(got.Reason) {
			return
		}
		trimmed := bytes.Trim(p, " \t\r\n")
		want := json.Valid(p) && len(trimmed) > 0 && trimmed[0] == '{'
		if (got.Object != nil) != want {
			t.Fatalf("%q: taken: %v (%s), want %v", p, got.Object != nil, got.Reason, want)
		}
		if !want {
			return
		}
		if !bytes.Equal(got.Object, trimmed) {
			t.Fatalf("%q: got object %q", p, got.Object)
		}
		if twice := doubled(p); got.Twice != twice {
			t.Fatalf("%q: a name stands twice: got %v, want %v", p, got.Twice, twice)
		}
	})
}

func TestRepairCutsAndReplaces(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", normalise.MaxString)
	f := func(in, want string) {
		t.Helper()
		if got := string(normalise.Repair(new(pipeline.Arena), []byte(in))); got != want {
			t.Errorf("%.60q: got %.80q, want %.80q", in, got, want)
		}
	}
	f(`{"a":"b"}`, `{"a":"b"}`)
	f(`{"a":"\ud800 \udc00\ud83d\ude00 \"\\"}`, `{"a":"\ufffd \ufffd\ud83d\ude00 \"\\"}`)
	f(`{"a":"\\ud800"}`, `{"a":"\\ud800"}`)
	f(`{"a":"`+long+`"}`, `{"a":"`+long+`"}`)
	f(`{"a":"`+long+`y","b":1}`, `{"a":"`+long+`","b":1}`)
	f(`{"a":"`+long[1:]+`é"}`, `{"a":"`+long[1:]+`"}`)
	f(`{"a":"`+long[5:]+`\u0041\n"}`, `{"a":"`+long[5:]+`"}`)
	if got := string(normalise.ToUTF8(new(pipeline.Arena), []byte("a\xffé\xc3"))); got != "a\uFFFDé\uFFFD" {
		t.Errorf("got %q", got)
	}
}
