package oracle

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Digest is the SHA-256 of a record's value.
type Digest [sha256.Size]byte

// MarshalText implements [encoding.TextMarshaler] in hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(d) {
		return fmt.Errorf("digest of %d characters: want %d", len(text), 2*len(d))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// DigestOf returns the digest of value.
func DigestOf(value []byte) Digest { return sha256.Sum256(value) }

// Entry is the truth about one input record.
type Entry struct {
	Seq    uint64 `json:"seq"`
	Class  Class  `json:"class"`
	Of     uint64 `json:"of,omitempty"`
	Key    string `json:"key"`
	Target string `json:"target,omitempty"`
	Step
	Digest Digest `json:"sha256"`
}

// Truth is what must become of every record of a run.
type Truth struct {
	Plan    Plan
	Entries []Entry // Entries[i].Seq is i+1
}

// Add appends the truth about r, which must follow the last record added.
func (t *Truth) Add(r Record) {
	t.Entries = append(t.Entries, Entry{Seq: r.Seq, Class: r.Class, Of: r.Of, Key: r.Key, Target: r.Target, Step: r.Step, Digest: DigestOf(r.Value)})
}

// entry returns the truth about seq, nil if no such record was made.
func (t *Truth) entry(seq uint64) *Entry {
	if seq < 1 || seq > uint64(len(t.Entries)) {
		return nil
	}
	return &t.Entries[seq-1]
}

// Save writes the truth as one line of JSON with the plan and one for each record.
func (t *Truth) Save(path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("truth: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	if err := enc.Encode(t.Plan); err != nil {
		return fmt.Errorf("truth: %w", err)
	}
	for i := range t.Entries {
		if err := enc.Encode(&t.Entries[i]); err != nil {
			return fmt.Errorf("truth: %w", err)
		}
	}
	return w.Flush()
}

// LoadTruth reads what Save wrote.
func LoadTruth(path string) (t *Truth, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("truth: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	t = new(Truth)
	dec := json.NewDecoder(bufio.NewReader(f))
	if err := dec.Decode(&t.Plan); err != nil {
		return nil, fmt.Errorf("truth %s: %w", path, err)
	}
	for {
		var e Entry
		switch err := dec.Decode(&e); {
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil:
			return nil, fmt.Errorf("truth %s after record %d: %w", path, len(t.Entries), err)
		case e.Seq != uint64(len(t.Entries)+1):
			return nil, fmt.Errorf("truth %s: record %d follows record %d", path, e.Seq, len(t.Entries))
		}
		t.Entries = append(t.Entries, e)
	}
}
