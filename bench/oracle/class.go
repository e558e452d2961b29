package oracle

import (
	"fmt"
	"slices"
)

// Class is what must become of an input record.
type Class uint8

// The classes. The zero Class is invalid.
const (
	// Live records become exactly one event.
	Live Class = iota + 1
	// Duplicate records are byte-equal copies of an earlier record of their key. They become
	// nothing but a count.
	Duplicate
	// Poison records become exactly one reject with the same bytes.
	Poison
	// Late records lie behind the watermark. They become exactly one event that is marked.
	Late
	// Trigger records become exactly one event and one signal of the rule under test. All
	// triggers of a target together become one response.
	Trigger
	// Correlated records become exactly one event and one signal for each correlation that
	// looks at them. What the correlations must make of all of them is an Episode.
	Correlated
)

var classNames = []string{"", "live", "duplicate", "poison", "late", "trigger", "correlated"}

// String returns the name of the class as it stands in a truth file.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// MarshalText implements [encoding.TextMarshaler].
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *Class) UnmarshalText(text []byte) error {
	i := slices.Index(classNames, string(text))
	if i < 1 {
		return fmt.Errorf("class %q: want one of %q", text, classNames[1:])
	}
	*c = Class(i)
	return nil
}

// Eventful reports whether a record of the class becomes an event.
func (c Class) Eventful() bool { return c == Live || c == Late || c == Trigger || c == Correlated }
