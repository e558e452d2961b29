package normalise

import (
	"encoding/binary"
	"math/bits"
)

// keyTable remembers the member names of the objects of one record, to find names that
// stand twice. It is an open table that is never cleared: entries carry the number of their
// object, and numbers below base are those of earlier records.
type keyTable struct {
	entries []keyEntry // power of two
	used    int        // entries of this record
	base    uint32     // number of this record's first object
	next    uint32     // number of the next object
	seed    uint64
}

type keyEntry struct {
	hash   uint64
	name   string
	object uint32
}

const keyTableSize = 512

func newKeyTable(seed uint64) keyTable {
	return keyTable{entries: make([]keyEntry, keyTableSize), base: 1, next: 1, seed: seed}
}

// begin forgets the record before.
func (t *keyTable) begin() {
	if t.next > 1<<31 {
		clear(t.entries)
		t.next = 1
	}
	t.base, t.used = t.next, 0
}

// object returns a number for an object of this record.
func (t *keyTable) object() uint32 {
	t.next++
	return t.next - 1
}

// seen records that object has a member called name and reports whether it had one before.
// hash must be hashKey of name under the table's seed.
func (t *keyTable) seen(object uint32, hash uint64, name string) bool {
	mask := uint64(len(t.entries) - 1)
	for i := (hash + uint64(object)*0x9e3779b97f4a7c15) & mask; ; i = (i + 1) & mask {
		e := &t.entries[i]
		if e.object < t.base {
			*e = keyEntry{hash, name, object}
			if t.used++; t.used > len(t.entries)/2 {
				t.grow()
			}
			return false
		}
		if e.hash == hash && e.object == object && e.name == name {
			return true
		}
	}
}

func (t *keyTable) grow() {
	old := t.entries
	t.entries = make([]keyEntry, 2*len(old))
	mask := uint64(len(t.entries) - 1)
	for _, e := range old {
		if e.object < t.base {
			continue
		}
		i := (e.hash + uint64(e.object)*0x9e3779b97f4a7c15) & mask
		for t.entries[i].object != 0 {
			i = (i + 1) & mask
		}
		t.entries[i] = e
	}
}

// hashKey is a multiply-and-fold hash in the manner of wyhash. With a seed that is not
// known outside it keeps whoever writes the logs from choosing names that collide. What is
// found with it is compared byte by byte, so that results do not depend on the seed.
func hashKey(seed uint64, p []byte) uint64 {
	var a, b uint64
	n := len(p)
	switch {
	case n > 16:
		h := seed
		for q := p; len(q) > 16; q = q[16:] {
			h = fold(binary.LittleEndian.Uint64(q)^h, binary.LittleEndian.Uint64(q[8:])^0xe7037ed1a0b428db)
		}
		seed = h
		a, b = binary.LittleEndian.Uint64(p[n-16:]), binary.LittleEndian.Uint64(p[n-8:])
	case n >= 8:
		a, b = binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[n-8:])
	case n >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(p)), uint64(binary.LittleEndian.Uint32(p[n-4:]))
	case n > 0:
		a = uint64(p[0])<<16 | uint64(p[n>>1])<<8 | uint64(p[n-1])
	}
	return fold(a^seed^uint64(n)*0xa0761d6478bd642f, b^0x8ebc6af09c88c6e3)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
