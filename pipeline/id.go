package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// ID is a 128-bit identity: the first half of a SHA-256 over what the thing is made of.
// The zero ID means "none". A collision would be a lost alert, hence a cryptographic hash:
// the parts are chosen by whoever writes the logs.
type ID [16]byte

// HashID derives an ID from a kind and its parts. Each part is preceded by its length, so
// that ("ab","c") and ("a","bc") differ. It allocates nothing when the parts together are
// shorter than 448 bytes.
func HashID(kind string, parts ...string) ID {
	var stack [512]byte
	buf := appendPart(stack[:0], kind)
	for _, p := range parts {
		buf = appendPart(buf, p)
	}
	sum := sha256.Sum256(buf)
	return ID(sum[:16])
}

func appendPart(dst []byte, p string) []byte {
	n := len(p)
	dst = append(dst, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(dst, p...)
}

// IsZero reports whether the ID means "none".
func (id ID) IsZero() bool { return id == ID{} }

// View returns the 16 bytes as a string, as a part for [HashID] of something derived.
func (id ID) View() string { return string(id[:]) }

// AppendText appends the ID in the 36-character form of RFC 9562 (8-4-4-4-12, lower-case
// hexadecimal), the form in which ids stand on topics and in ClickHouse. It never fails.
func (id ID) AppendText(dst []byte) ([]byte, error) {
	var t [36]byte
	hex.Encode(t[:8], id[:4])
	hex.Encode(t[9:13], id[4:6])
	hex.Encode(t[14:18], id[6:8])
	hex.Encode(t[19:23], id[8:10])
	hex.Encode(t[24:], id[10:])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return append(dst, t[:]...), nil
}

// MarshalText implements [encoding.TextMarshaler] in the form of AppendText.
func (id ID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// String returns the form of AppendText.
func (id ID) String() string {
	t, _ := id.AppendText(nil)
	return string(t)
}

// UnmarshalText reads the form of AppendText; anything else is an error.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return fmt.Errorf("id %.40q: want 8-4-4-4-12 hexadecimal digits", text)
	}
	var h [32]byte
	n := copy(h[:], text[:8])
	n += copy(h[n:], text[9:13])
	n += copy(h[n:], text[14:18])
	n += copy(h[n:], text[19:23])
	copy(h[n:], text[24:])
	if _, err := hex.Decode(id[:], h[:]); err != nil {
		return fmt.Errorf("id %q: %w", text, err)
	}
	return nil
}
