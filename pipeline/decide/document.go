package decide

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/riposte-sec/riposte/pipeline"
)

// document is what the policy riposte.decide returns: the decision document of
// schemas/json/decision-document.v1.json. A test holds this decoder and the schema together.
type document struct {
	playbook pipeline.PlaybookRef
	priority uint8
	score    float64
	reasons  []pipeline.Reason
	wakeAt   pipeline.Millis
	close    string
	steps    []pipeline.Step
}

// The patterns of the schema.
var (
	rePlaybook = regexp.MustCompile(`^[a-z][a-z0-9_.-]{2,63}$`)
	reVersion  = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)
	reControl  = regexp.MustCompile(`^[A-Za-z0-9 ._:/-]{1,48}$`)
	reCode     = regexp.MustCompile(`^[A-Z][A-Z0-9_]{2,39}$`)
	reAttack   = regexp.MustCompile(`^(TA[0-9]{4}|T[0-9]{4}(\.[0-9]{3})?)$`)
	reDuration = regexp.MustCompile(`^[1-9][0-9]{0,5}(s|m|h|d)$`)
	reStep     = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	reRef      = regexp.MustCompile(`^(e|asset|user|msg|incident):[A-Za-z0-9_.@-]{1,128}$`)
	reAction   = regexp.MustCompile(`^[a-z]{2,20}\.[a-z_]{2,30}$`)
	reConn     = regexp.MustCompile(`^[a-z][a-z0-9-]{1,63}$`)
	reParam    = regexp.MustCompile(`^[a-z_]{1,32}$`)
	reParamVal = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)
	reAfterAny = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}:(done|failed|expired)$`)
)

var priorities = map[string]uint8{"p1": 1, "p2": 2, "p3": 3, "p4": 4, "drop": 5}

// decodeDocument reads a decision document. It accepts what the schema accepts, nothing else.
func decodeDocument(p []byte) (*document, error) {
	v, err := decodeAny(p)
	if err != nil {
		return nil, err
	}
	var r reader
	d := r.document(v)
	if err := errors.Join(r.errs...); err != nil {
		return nil, fmt.Errorf("decision document: %w", err)
	}
	return d, nil
}

func decodeAny(p []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(p))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("document: more than one value")
	}
	return v, nil
}

// reader walks a decoded document and gathers what is wrong with it, by path.
type reader struct{ errs []error }

func (r *reader) fail(path, format string, args ...any) {
	if len(r.errs) < 8 {
		r.errs = append(r.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
}

// object returns v as an object with the members of required and any of optional.
func (r *reader) object(path string, v any, required []string, optional ...string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		r.fail(path, "want an object")
		return nil
	}
	for _, k := range required {
		if _, ok := m[k]; !ok {
			r.fail(path, "%s is missing", k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(required, k) && !slices.Contains(optional, k) {
			r.fail(path, "unknown member %.40q", k)
		}
	}
	return m
}

// list calls f for each element of m[key], if that is there. It must be a list of at most
// most elements.
func (r *reader) list(path string, m map[string]any, key string, most int, f func(path string, v any)) {
	v, ok := m[key]
	if !ok {
		return
	}
	l, ok := v.([]any)
	if !ok || len(l) > most {
		r.fail(path+"."+key, "want a list of at most %d", most)
		return
	}
	for i, e := range l {
		f(path+"."+key+"["+strconv.Itoa(i)+"]", e)
	}
}

func (r *reader) text(path string, v any, most int) string {
	s, ok := v.(string)
	if !ok || utf8.RuneCountInString(s) > most {
		r.fail(path, "want a text of at most %d characters", most)
		return ""
	}
	return s
}

func (r *reader) match(path string, v any, re *regexp.Regexp) string {
	s, ok := v.(string)
	if !ok || !re.MatchString(s) {
		r.fail(path, "%.60q does not match %s", fmt.Sprint(v), re)
		return ""
	}
	return s
}

func (r *reader) member(path string, m map[string]any, key string, re *regexp.Regexp) string {
	if v, ok := m[key]; ok {
		return r.match(path+"."+key, v, re)
	}
	return ""
}

func (r *reader) matches(path string, m map[string]any, key string, most int, re *regexp.Regexp) (out []string) {
	r.list(path, m, key, most, func(path string, v any) { out = append(out, r.match(path, v, re)) })
	return out
}

func (r *reader) oneOf(path string, m map[string]any, key string, of ...string) string {
	v, ok := m[key]
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok || !slices.Contains(of, s) {
		r.fail(path+"."+key, "%.40q is none of %v", fmt.Sprint(v), of)
		return ""
	}
	return s
}

func (r *reader) number(path string, m map[string]any, key string, lo, hi float64) float64 {
	v, ok := m[key]
	if !ok {
		return 0
	}
	n, ok := v.(json.Number)
	f, err := n.Float64()
	if !ok || err != nil || f < lo || f > hi {
		r.fail(path+"."+key, "want a number from %g to %g", lo, hi)
		return 0
	}
	return f
}

func (r *reader) document(v any) *document {
	m := r.object("$", v, []string{"v", "playbook", "priority", "reasons", "steps"},
		"score", "confidence", "attack", "group", "wake_at", "close", "labels")
	if m == nil {
		return nil
	}
	if n, _ := m["v"].(json.Number); r.number("$", m, "v", 1, 1) != 1 && n != "1" {
		r.fail("$.v", "want 1")
	}
	d := &document{
		playbook: r.playbook("$.playbook", m["playbook"]),
		priority: priorities[r.oneOf("$", m, "priority", "p1", "p2", "p3", "p4", "drop")],
		score:    r.number("$", m, "score", 0, 100),
		close:    r.oneOf("$", m, "close", "false_positive", "true_positive", "benign", "duplicate", "test"),
		wakeAt:   r.moment("$", m, "wake_at"),
		steps:    []pipeline.Step{},
	}
	r.number("$", m, "confidence", 0, 1)
	r.matches("$", m, "attack", 16, reAttack)
	r.group("$.group", m)
	r.labels("$.labels", m)
	r.list("$", m, "reasons", 16, func(path string, v any) { d.reasons = append(d.reasons, r.reason(path, v)) })
	if len(d.reasons) == 0 {
		r.fail("$.reasons", "want at least one")
	}
	r.list("$", m, "steps", 64, func(path string, v any) { d.steps = append(d.steps, r.step(path, v)) })
	r.uniqueSteps(d.steps)
	return d
}

// uniqueSteps is the one rule that the schema cannot say: a step is named once.
func (r *reader) uniqueSteps(steps []pipeline.Step) {
	seen := map[string]bool{}
	for _, s := range steps {
		if seen[s.ID] {
			r.fail("$.steps", "step %q twice", s.ID)
		}
		seen[s.ID] = true
	}
}

func (r *reader) playbook(path string, v any) pipeline.PlaybookRef {
	m := r.object(path, v, []string{"id", "version"}, "controls")
	return pipeline.PlaybookRef{
		ID:       r.member(path, m, "id", rePlaybook),
		Version:  r.member(path, m, "version", reVersion),
		Controls: r.matches(path, m, "controls", 16, reControl),
	}
}

func (r *reader) reason(path string, v any) pipeline.Reason {
	m := r.object(path, v, []string{"code", "text"}, "weight", "evidence")
	return pipeline.Reason{
		Code:     r.member(path, m, "code", reCode),
		Text:     r.text(path+".text", m["text"], 256),
		Weight:   r.number(path, m, "weight", -100, 100),
		Evidence: r.matches(path, m, "evidence", 16, reRef),
	}
}

func (r *reader) moment(path string, m map[string]any, key string) pipeline.Millis {
	v, ok := m[key]
	if !ok {
		return 0
	}
	s, _ := v.(string)
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		r.fail(path+"."+key, "%.40q is no RFC 3339 time", s)
		return 0
	}
	return pipeline.MillisOf(at)
}

func (r *reader) group(path string, m map[string]any) {
	v, ok := m["group"]
	if !ok {
		return
	}
	g := r.object(path, v, []string{"key"}, "window")
	if len(r.matches(path, g, "key", 6, reRef)) == 0 {
		r.fail(path+".key", "want at least one")
	}
	r.member(path, g, "window", reDuration)
}

func (r *reader) labels(path string, m map[string]any) {
	v, ok := m["labels"]
	if !ok {
		return
	}
	l, ok := v.(map[string]any)
	if !ok || len(l) > 8 {
		r.fail(path, "want an object of at most 8")
	}
	for _, k := range slices.Sorted(maps.Keys(l)) {
		r.text(path+"."+k, l[k], 64)
	}
}
