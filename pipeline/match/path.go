package match

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// CheckPath reports whether path names something that an event can have: an OCSF path of
// the closed list, "unmapped." and a path into the vendor's object, "entity.<kind>", "e:1",
// "source" or "class_uid"; for the fields of correlations also what is known of the entities
// that they group by, "context.criticality" and "context.privileged".
func CheckPath(path string) error {
	if kind, ok := strings.CutPrefix(path, "entity."); ok {
		if pipeline.EntityKindOf(kind) == pipeline.EntityNone {
			return fmt.Errorf("path %q: no such kind of entity", path)
		}
		return nil
	}
	if rest, ok := strings.CutPrefix(path, "unmapped."); ok && rest != "" {
		return nil
	}
	if path == pathCriticality || path == pathPrivileged {
		return nil
	}
	if _, ok := pipeline.FieldOf(path); ok || path == "e:1" || path == "source" || path == "class_uid" {
		return nil
	}
	return fmt.Errorf("path %q is no OCSF path that events have", path)
}

// lookup returns the value of path in e as text, and whether there is one.
func lookup(e *pipeline.Event, path string) (string, bool) {
	if f, ok := pipeline.FieldOf(path); ok {
		return valueText(e.Get(f))
	}
	switch path {
	case "source":
		return e.Source, true
	case "class_uid":
		return strconv.FormatUint(uint64(e.Class), 10), true
	case "e:1":
		if len(e.Entities) == 0 {
			return "", false
		}
		return e.Entities[0].Kind.String() + ":" + e.Entities[0].Value, true
	}
	if kind, ok := strings.CutPrefix(path, "entity."); ok {
		k := pipeline.EntityKindOf(kind)
		for i := range e.Entities {
			if e.Entities[i].Kind == k {
				return e.Entities[i].Value, true
			}
		}
		return "", false
	}
	if rest, ok := strings.CutPrefix(path, "unmapped."); ok {
		return jsonText(e.Unmapped, rest)
	}
	return "", false
}

func valueText(v pipeline.Value) (string, bool) {
	switch v.Kind {
	case pipeline.KindString, pipeline.KindList:
		return v.Str, v.Str != ""
	case pipeline.KindInt:
		return strconv.FormatInt(v.Int, 10), true
	case pipeline.KindFloat:
		return strconv.FormatFloat(v.Float, 'g', -1, 64), true
	case pipeline.KindBool:
		return strconv.FormatBool(v.Int != 0), true
	case pipeline.KindNone:
	}
	return "", false
}

// jsonText walks path through the objects of doc. A member's name may itself contain dots
// (Zeek's "id.orig_h"): the longest name that is there is taken.
func jsonText(doc []byte, path string) (string, bool) {
	var obj map[string]json.RawMessage
	if json.Unmarshal(doc, &obj) != nil {
		return "", false
	}
	for end := len(path); end > 0; end = strings.LastIndexByte(path[:end], '.') {
		v, ok := obj[path[:end]]
		if !ok {
			continue
		}
		if end == len(path) {
			return scalarText(v)
		}
		return jsonText(v, path[end+1:])
	}
	return "", false
}

func scalarText(v json.RawMessage) (string, bool) {
	v = bytes.TrimSpace(v)
	if len(v) == 0 || v[0] == '{' || bytes.Equal(v, []byte("null")) {
		return "", false
	}
	if v[0] == '"' {
		var s string
		err := json.Unmarshal(v, &s)
		return s, err == nil && s != ""
	}
	return string(v), true
}
