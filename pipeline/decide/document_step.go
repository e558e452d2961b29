package decide

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

func (r *reader) step(path string, v any) pipeline.Step {
	m := r.object(path, v, []string{"id", "action", "target"}, "connector", "params", "text", "after", "after_any",
		"deadline", "ttl", "on_expiry", "when_absent", "on_failure", "retry_for", "approval", "mode")
	s := pipeline.Step{
		ID:         r.member(path, m, "id", reStep),
		Action:     r.member(path, m, "action", reAction),
		Connector:  r.member(path, m, "connector", reConn),
		Target:     r.member(path, m, "target", reRef),
		Params:     r.params(path+".params", m),
		Text:       r.texts(path+".text", m),
		After:      r.matches(path, m, "after", 8, reStep),
		AfterAny:   r.matches(path, m, "after_any", 8, reAfterAny),
		Deadline:   r.member(path, m, "deadline", reDuration),
		TTL:        r.member(path, m, "ttl", reDuration),
		OnExpiry:   r.oneOf(path, m, "on_expiry", "undo", "keep", "ask"),
		WhenAbsent: r.oneOf(path, m, "when_absent", "keep", "undo"),
		OnFailure:  r.oneOf(path, m, "on_failure", "continue", "stop", "undo_chain", "page"),
		RetryFor:   r.member(path, m, "retry_for", reDuration),
		Approval:   r.approval(path+".approval", m),
		Mode:       r.oneOf(path, m, "mode", "enforce", "approve_all", "shadow"),
	}
	for i, a := range s.After {
		if slices.Contains(s.After[:i], a) {
			r.fail(path+".after", "%q twice", a)
		}
	}
	return s
}

func (r *reader) approval(path string, m map[string]any) *pipeline.ApprovalRule {
	v, ok := m["approval"]
	if !ok {
		return nil
	}
	a := r.object(path, v, []string{"need"}, "roles", "ttl", "on_timeout")
	need := r.number(path, a, "need", 0, 3)
	if need != float64(int(need)) {
		r.fail(path+".need", "want a whole number")
	}
	return &pipeline.ApprovalRule{
		Need:      int(need),
		Roles:     r.matches(path, a, "roles", 8, reStep),
		TTL:       r.member(path, a, "ttl", reDuration),
		OnTimeout: r.oneOf(path, a, "on_timeout", "deny", "escalate"),
	}
}

// params reads what reaches a field with a meaning at the vendor: never free text.
func (r *reader) params(path string, m map[string]any) map[string]json.RawMessage {
	v, ok := m["params"]
	if !ok {
		return nil
	}
	o, ok := v.(map[string]any)
	if !ok || len(o) > 16 {
		r.fail(path, "want an object of at most 16")
		return nil
	}
	out := make(map[string]json.RawMessage, len(o))
	for _, k := range slices.Sorted(maps.Keys(o)) {
		r.match(path, k, reParam)
		r.param(path+"."+k, o[k])
		raw, err := json.Marshal(o[k])
		if err != nil {
			r.fail(path+"."+k, "%v", err)
		}
		out[k] = raw
	}
	return out
}

func (r *reader) param(path string, v any) {
	switch v := v.(type) {
	case bool, json.Number:
	case string:
		r.match(path, v, reParamVal)
	case []any:
		r.list(path, map[string]any{"": v}, "", 64, func(path string, v any) { r.match(path, v, reRef) })
	default:
		r.fail(path, "want a bool, a number, a word or a list of references")
	}
}

func (r *reader) texts(path string, m map[string]any) map[string]string {
	v, ok := m["text"]
	if !ok {
		return nil
	}
	o, ok := v.(map[string]any)
	if !ok || len(o) > 4 {
		r.fail(path, "want an object of at most 4")
		return nil
	}
	out := make(map[string]string, len(o))
	for _, k := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains([]string{"title", "body", "comment", "summary"}, k) {
			r.fail(path, "unknown member %.40q", k)
		}
		out[k] = r.text(path+"."+k, o[k], 4096)
	}
	return out
}

// span converts a duration of the schema ("90s", "15m", "4h", "7d"); an empty one is zero.
func span(s string) time.Duration {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s[:len(s)-1])
	if err != nil {
		return 0
	}
	switch s[len(s)-1] {
	case 's':
		return time.Duration(n) * time.Second
	case 'm':
		return time.Duration(n) * time.Minute
	case 'h':
		return time.Duration(n) * time.Hour
	}
	return time.Duration(n) * 24 * time.Hour
}
