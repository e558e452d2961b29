package normalise

import (
	"errors"
	"unicode/utf8"

	"github.com/riposte-sec/riposte/pipeline"
)

// NewParser returns the parser of a source for tests: it checks a record and reads the text
// of every value that the mapping asks for, and tells how many there are, -1 if the record is
// refused.
func NewParser(c *Compiled, source string) (func(p []byte) int, error) {
	s, ok := c.Stage(source).(*Stage)
	if !ok {
		return nil, errors.New("unknown source")
	}
	var arena pipeline.Arena
	return func(p []byte) int {
		arena.Reset()
		if !utf8.Valid(p) || s.scan.scan(p, s.plan.root, &arena) == nil {
			return -1
		}
		found := 0
		for slot := range s.scan.slots {
			if s.text(slot) != "" {
				found++
			}
		}
		return found
	}, nil
}

// Structure is what the scanner finds out about a record of any shape.
type Structure struct {
	Object []byte
	Reason string
	Twice  bool
}

// NewScanner returns a scanner that looks for no values, for tests.
func NewScanner() func(p []byte) Structure {
	s := scanner{keys: newKeyTable(1)}
	root := newNode()
	var arena pipeline.Arena
	return func(p []byte) Structure {
		arena.Reset()
		object := s.scan(p, root, &arena)
		return Structure{object, s.reason, s.twice}
	}
}

// Repair and ToUTF8 are exported for tests.
var (
	Repair = repair
	ToUTF8 = toUTF8
)

// ParseTime is exported for tests; format is a name of the mapping language.
func ParseTime(text, format string) (pipeline.Millis, bool) {
	return parseTime(text, timeFormats[format])
}

// Entity returns the canonical form of an entity, for tests.
func Entity(kind pipeline.EntityKind, text string) (string, bool) {
	c := newCanon(new(CacheStats))
	c.arena = new(pipeline.Arena)
	return c.entity(kind, text)
}
