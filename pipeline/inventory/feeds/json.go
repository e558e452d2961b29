package feeds

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// decodeJSON reads one JSON document, which is held in memory: Options.MaxBytes bounds it,
// and encoding/json how deep it nests. Errors name the line.
func decodeJSON(r io.Reader, into any) error {
	doc, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	err = json.Unmarshal(doc, into)
	offset := int64(-1)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	} else if typ, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = typ.Offset
	}
	if offset < 0 {
		return err
	}
	line := 1 + bytes.Count(doc[:min(offset, int64(len(doc)))], []byte("\n"))
	return fmt.Errorf("line %d: %w", line, err)
}

// hasMember reports whether the beginning of a JSON document has one of the members.
func hasMember(head []byte, names ...string) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	if len(head) == 0 || head[0] != '{' && head[0] != '[' {
		return false
	}
	for _, n := range names {
		if bytes.Contains(head, []byte(`"`+n+`"`)) {
			return true
		}
	}
	return false
}

// text is a JSON string, or a number or a boolean as its text: exporters do not agree.
type text string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(p []byte) error {
	var s string
	if p[0] == '"' {
		if err := json.Unmarshal(p, &s); err != nil {
			return err
		}
		*t = text(s)
		return nil
	}
	if p[0] == '{' || p[0] == '[' || bytes.Equal(p, []byte("null")) {
		*t = ""
		return nil
	}
	*t = text(p)
	return nil
}

// yes reports whether the text means true.
func (t text) yes() bool {
	switch strings.ToLower(string(t)) {
	case "true", "1", "yes", "y":
		return true
	}
	return false
}

// moment reads a time of RFC 3339, or a date; zero if it is neither.
func moment(s string) pipeline.Millis {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && t.UnixMilli() > 0 {
			return pipeline.MillisOf(t)
		}
	}
	return 0
}
