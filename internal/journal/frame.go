package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A frame is: magic (2), format (1), version of the stage's values (1), CRC-32C of what
// follows (4), entries. An entry is: table (1), op (1), key length (uvarint), key and, for
// opPut, value length (uvarint), value.
const (
	magic0, magic1 = 'R', 'J'
	format         = 1
	headSize       = 8
)

const (
	opPut    = 1
	opDelete = 2
)

// The errors of Restore. All of them mean that the frame is not one that this program wrote
// and read back whole.
var (
	ErrFrame    = errors.New("journal: not a frame")
	ErrChecksum = errors.New("journal: checksum differs")
	ErrVersion  = errors.New("journal: version not known")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type entry struct {
	table byte
	op    byte
	key   string
	value []byte
}

func appendHead(dst []byte, version byte) []byte {
	return append(dst, magic0, magic1, format, version, 0, 0, 0, 0)
}

// seal writes the checksum of the frame that began at from.
func seal(dst []byte, from int) {
	binary.LittleEndian.PutUint32(dst[from+4:], crc32.Checksum(dst[from+headSize:], castagnoli))
}

func appendEntry(dst []byte, e entry) []byte {
	dst = append(dst, e.table, e.op)
	dst = binary.AppendUvarint(dst, uint64(len(e.key)))
	dst = append(dst, e.key...)
	if e.op == opPut {
		dst = binary.AppendUvarint(dst, uint64(len(e.value)))
		dst = append(dst, e.value...)
	}
	return dst
}

// parse checks a frame and returns its entries, whose values are views into p.
func parse(p []byte, version byte) ([]entry, error) {
	if len(p) < headSize || p[0] != magic0 || p[1] != magic1 {
		return nil, fmt.Errorf("%w: %d bytes", ErrFrame, len(p))
	}
	if p[2] != format || p[3] == 0 || p[3] > version {
		return nil, fmt.Errorf("%w: format %d version %d, this program knows %d and up to %d",
			ErrVersion, p[2], p[3], format, version)
	}
	if binary.LittleEndian.Uint32(p[4:]) != crc32.Checksum(p[headSize:], castagnoli) {
		return nil, fmt.Errorf("%w: frame of %d bytes", ErrChecksum, len(p))
	}
	var out []entry
	for rest := p[headSize:]; len(rest) > 0; {
		e, n, err := parseEntry(rest)
		if err != nil {
			return nil, err
		}
		out, rest = append(out, e), rest[n:]
	}
	return out, nil
}

func parseEntry(p []byte) (entry, int, error) {
	if len(p) < 2 || (p[1] != opPut && p[1] != opDelete) {
		return entry{}, 0, fmt.Errorf("%w: broken entry", ErrFrame)
	}
	e, at := entry{table: p[0], op: p[1]}, 2
	key, n, err := parseBytes(p[at:])
	if err != nil {
		return entry{}, 0, err
	}
	e.key, at = string(key), at+n
	if e.op == opPut {
		if e.value, n, err = parseBytes(p[at:]); err != nil {
			return entry{}, 0, err
		}
		at += n
	}
	return e, at, nil
}

func parseBytes(p []byte) ([]byte, int, error) {
	size, n := binary.Uvarint(p)
	if n <= 0 || size > uint64(len(p)-n) {
		return nil, 0, fmt.Errorf("%w: cut off", ErrFrame)
	}
	end := n + int(size)
	return p[n:end], end, nil
}
