package normalise

import "github.com/riposte-sec/riposte/pipeline"

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
