package config

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Duration is a span of time, written "250ms", "30s", "5m", "24h" or "7d". A bare number is
// an error.
type Duration time.Duration

// UnmarshalYAML implements [yaml.Unmarshaler].
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML implements [yaml.Marshaler].
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// ParseDuration reads what [Duration] describes.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("duration %q: want a whole number of days", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("duration %q: want a number with a unit, such as 30s, 5m, 24h or 7d", s)
	}
	return v, nil
}

// Size is a number of bytes, written "64KiB", "16MiB" or "2GiB", or "0". Another bare number
// is an error.
type Size int64

var units = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	v, err := ParseSize(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*s = v
	return nil
}

// MarshalYAML implements [yaml.Marshaler]: the number with the largest unit that it is a whole
// number of.
func (s Size) MarshalYAML() (any, error) {
	if s == 0 {
		return "0", nil
	}
	best := units[len(units)-1]
	for _, u := range units {
		if int64(s)%u.bytes == 0 && u.bytes > best.bytes {
			best = u
		}
	}
	return strconv.FormatInt(int64(s)/best.bytes, 10) + best.suffix, nil
}

// ParseSize reads what [Size] describes.
func ParseSize(text string) (Size, error) {
	if text == "0" {
		return 0, nil
	}
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err == nil && v >= 0 && v <= math.MaxInt64/u.bytes {
			return Size(v * u.bytes), nil
		}
		break
	}
	return 0, fmt.Errorf("size %q: want a whole number with a unit, such as 64KiB, 16MiB or 2GiB", text)
}

// Secret is a reference to a secret, written {env: NAME} or {file: PATH}; a value in the
// document itself is refused. It prints as *** in every format. The zero Secret is "none".
type Secret struct {
	env, file string
	value     string // only of SecretOf
}

// SecretOf makes a secret of a value that a program already holds, such as one that it
// generated itself. Documents cannot contain one.
func SecretOf(value string) Secret { return Secret{value: value} }

// UnmarshalYAML implements [yaml.Unmarshaler].
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	var ref struct {
		Env  string `yaml:"env"`
		File string `yaml:"file"`
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a secret is a reference, {env: NAME} or {file: PATH}, never the value itself", n.Line)
	}
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i].Value; k != "env" && k != "file" {
			return fmt.Errorf("line %d: unknown key %q of a secret: want env or file", n.Content[i].Line, k)
		}
	}
	if err := n.Decode(&ref); err != nil {
		return err
	}
	if (ref.Env == "") == (ref.File == "") {
		return fmt.Errorf("line %d: a secret has one of env and file", n.Line)
	}
	*s = Secret{env: ref.Env, file: ref.File}
	return nil
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s == Secret{} }

// Reveal reads the secret; a final newline of a file is cut off. An unset variable, an
// unreadable file and an empty secret are errors that name the reference.
func (s Secret) Reveal() (string, error) {
	switch {
	case s.value != "":
		return s.value, nil
	case s.env != "":
		if v := os.Getenv(s.env); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("secret: the environment variable %s is not set", s.env)
	case s.file != "":
		b, err := os.ReadFile(s.file)
		if err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}
		if v := strings.TrimRight(string(b), "\r\n"); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("secret: the file %s is empty", s.file)
	}
	return "", nil
}

const hidden = "***"

// String hides the secret.
func (s Secret) String() string { return hidden }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return hidden }

// Format hides the secret from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the secret from JSON and other text encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalYAML hides the secret from YAML.
func (s Secret) MarshalYAML() (any, error) { return hidden, nil }

// Section is a part of a document that its owner decodes later.
type Section struct{ node yaml.Node }

// UnmarshalYAML keeps the part as it is.
func (s *Section) UnmarshalYAML(n *yaml.Node) error {
	s.node = *n
	return nil
}

// SectionOf makes a section of a YAML document.
func SectionOf(doc string) (Section, error) {
	var s Section
	return s, yaml.Unmarshal([]byte(doc), &s)
}

// Decode fills into, a pointer to a struct that already holds its defaults, as [Decode] does.
// name is the document's, path where the section lies in it: errors have both, and the line
// in the document. An empty section changes nothing.
func (s Section) Decode(name, path string, into any) error {
	if s.node.IsZero() || s.node.Tag == "!!null" {
		return nil
	}
	return decodeNode(name, path, &s.node, into)
}

// MarshalYAML returns the part as it is.
func (s Section) MarshalYAML() (any, error) {
	if s.node.IsZero() {
		return nil, nil
	}
	return &s.node, nil
}
