package dedupe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// A frame is: magic (2), version (1), kind (1), CRC-32C of what follows (4), and then
//
//	of a snapshot piece: its index (uvarint) and 1 if it is the last one, else 0 (1)
//	sequence number of the last delta that is in it, newest event time (uvarints)
//	generations: how many, then number, first, last, keys of each (uvarints)
//	entries until the end: flags (1), key (16), first (16, unless flagHere), print (12,
//	unless flagBare), generation (uvarint)
const (
	magic0, magic1 = 'R', 'D'
	version        = 1
	kindDelta      = 'D'
	kindSnapshot   = 'S'
	headSize       = 8

	flagHere = 1 // the key is the id of the first event
	flagBare = 2 // the key is the content: no print

	// pieceSize is how large a snapshot piece grows.
	pieceSize = 480 << 10
)

// The errors of Restore, and of Process after an unfinished one.
var (
	ErrFrame      = errors.New("dedupe: not a frame of this program")
	ErrVersion    = errors.New("dedupe: version of the frame is not known")
	ErrChecksum   = errors.New("dedupe: checksum of the frame differs")
	ErrOrder      = errors.New("dedupe: a frame is missing or out of order")
	errUnfinished = pipeline.AsStop("restore", errors.New("dedupe: the snapshot was not restored to its end"))
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendHead(dst []byte, kind byte) []byte {
	return append(dst, magic0, magic1, version, kind, 0, 0, 0, 0)
}

// seal writes the checksum of the frame that began at from.
func seal(dst []byte, from int) []byte {
	binary.LittleEndian.PutUint32(dst[from+4:], crc32.Checksum(dst[from+headSize:], castagnoli))
	return dst
}

func appendClock(dst []byte, c *clock, seq uint64) []byte {
	dst = binary.AppendUvarint(dst, seq)
	dst = binary.AppendVarint(dst, int64(c.newest))
	dst = binary.AppendUvarint(dst, uint64(len(c.gens)))
	for i := range c.gens {
		g := &c.gens[i]
		dst = binary.AppendUvarint(dst, uint64(g.num))
		dst = binary.AppendVarint(dst, int64(g.first))
		dst = binary.AppendVarint(dst, int64(g.last))
		dst = binary.AppendUvarint(dst, uint64(g.keys))
	}
	return dst
}

func appendSlot(dst []byte, v *slot) []byte {
	flags := byte(0)
	if v.first == v.key {
		flags |= flagHere
	}
	if v.print == [12]byte{} {
		flags |= flagBare
	}
	dst = append(append(dst, flags), v.key[:]...)
	if flags&flagHere == 0 {
		dst = append(dst, v.first[:]...)
	}
	if flags&flagBare == 0 {
		dst = append(dst, v.print[:]...)
	}
	return binary.AppendUvarint(dst, uint64(v.gen))
}

// AppendDelta appends what changed since the last Commit: the clock, and each new entry.
func (s *Stage) AppendDelta(dst []byte) []byte {
	if !s.dirty {
		return dst
	}
	from := len(dst)
	dst = appendClock(appendHead(dst, kindDelta), &s.clock, s.clock.seq+1)
	for i := range s.log {
		dst = appendSlot(dst, s.table.find(&s.log[i].key))
	}
	return seal(dst, from)
}

// Snapshot emits the committed state, whatever has changed since.
func (s *Stage) Snapshot(emit func(piece []byte) error) error {
	c := &s.clock
	before := map[pipeline.ID]slot{}
	if s.dirty {
		c = &s.committed
		for _, u := range slices.Backward(s.log) {
			before[u.key] = u.old
		}
	}
	p := pieces{emit: emit, clock: c}
	p.begin()
	err := s.table.each(func(v *slot) error {
		if old, changed := before[v.key]; changed {
			v = &old
		}
		if v.gen == 0 || v.gen < c.floor() {
			return nil
		}
		return p.add(v)
	})
	if err != nil {
		return err
	}
	return p.end(1)
}

// pieces cuts a snapshot.
type pieces struct {
	emit  func([]byte) error
	clock *clock
	buf   []byte
	index uint64
	last  int // where the mark of the last piece is
}

func (p *pieces) begin() {
	p.buf = binary.AppendUvarint(appendHead(p.buf[:0], kindSnapshot), p.index)
	p.last = len(p.buf)
	p.buf = appendClock(append(p.buf, 0), p.clock, p.clock.seq)
}

func (p *pieces) add(v *slot) error {
	if len(p.buf) > pieceSize {
		if err := p.end(0); err != nil {
			return err
		}
		p.index++
		p.begin()
	}
	p.buf = appendSlot(p.buf, v)
	return nil
}

func (p *pieces) end(last byte) error {
	p.buf[p.last] = last
	return p.emit(seal(p.buf, 0))
}

// Restore applies a piece. Pieces of a snapshot must come in order and to the end, and no
// delta may be missing; else the error is ErrOrder.
func (s *Stage) Restore(piece []byte) error {
	kind, r, err := open(piece)
	if err != nil {
		return err
	}
	if kind == kindSnapshot {
		err = s.restoreSnapshot(r)
	} else {
		err = s.restoreDelta(r)
	}
	if err != nil {
		return err
	}
	if r.bad {
		return ErrFrame
	}
	s.dirty, s.log = false, s.log[:0]
	return nil
}

// open checks the head and the checksum of a frame.
func open(piece []byte) (byte, *frameReader, error) {
	if len(piece) < headSize || piece[0] != magic0 || piece[1] != magic1 {
		return 0, nil, ErrFrame
	}
	if piece[2] != version {
		return 0, nil, fmt.Errorf("%w: %d", ErrVersion, piece[2])
	}
	kind := piece[3]
	if kind != kindDelta && kind != kindSnapshot {
		return 0, nil, ErrFrame
	}
	if crc32.Checksum(piece[headSize:], castagnoli) != binary.LittleEndian.Uint32(piece[4:]) {
		return 0, nil, ErrChecksum
	}
	return kind, &frameReader{p: piece[headSize:]}, nil
}

func (s *Stage) restoreSnapshot(r *frameReader) error {
	index := r.uvarint()
	last := r.bytes(1)
	if r.bad {
		return ErrFrame
	}
	if index == 0 {
		s.table, s.restored = table{}, 0
	} else if s.restored < 0 || index != uint64(s.restored) {
		return fmt.Errorf("%w: snapshot piece %d", ErrOrder, index)
	}
	s.restored++
	s.clock = r.clock()
	if index == 0 && !r.bad {
		// Entries come in the order of the table that they were in. One that is still small
		// would put all of the first ones next to each other, and search among them.
		s.table.reserve(min(max(s.clock.keys(), 0), s.maxKeys))
	}
	s.entries(r)
	if last[0] == 1 {
		s.restored = -1
	}
	return nil
}

func (s *Stage) restoreDelta(r *frameReader) error {
	c := r.clock()
	if r.bad {
		return ErrFrame
	}
	if s.restored >= 0 || c.seq != s.clock.seq+1 {
		return fmt.Errorf("%w: delta %d after %d", ErrOrder, c.seq, s.clock.seq)
	}
	s.clock = c
	s.entries(r)
	return nil
}

// entries reads the entries of a frame into the table.
func (s *Stage) entries(r *frameReader) {
	for len(r.p) > 0 && !r.bad {
		v := r.slot()
		if r.bad || v.gen == 0 {
			r.bad = true
			return
		}
		if old := s.table.find(&v.key); old != nil {
			*old = v
			continue
		}
		s.table.insert(&v, s.clock.floor())
	}
	s.unswept = 0
}

// frameReader reads the fields of a frame; bad is set once one is not there.
type frameReader struct {
	p   []byte
	bad bool
}

func (r *frameReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.p)
	if n <= 0 {
		r.p, r.bad = nil, true
		return 0
	}
	r.p = r.p[n:]
	return v
}

func (r *frameReader) varint() int64 {
	v, n := binary.Varint(r.p)
	if n <= 0 {
		r.p, r.bad = nil, true
		return 0
	}
	r.p = r.p[n:]
	return v
}

// bytes returns the next n bytes; zeros after the end.
func (r *frameReader) bytes(n int) []byte {
	if len(r.p) < n {
		r.p, r.bad = nil, true
		return make([]byte, n)
	}
	p := r.p[:n]
	r.p = r.p[n:]
	return p
}

func (r *frameReader) clock() clock {
	c := clock{seq: r.uvarint(), newest: pipeline.Millis(r.varint())}
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		g := generation{num: uint32(r.uvarint()), first: pipeline.Millis(r.varint()), last: pipeline.Millis(r.varint()), keys: int(r.uvarint())}
		c.gens = append(c.gens, g)
	}
	return c
}

func (r *frameReader) slot() slot {
	var v slot
	flags := r.bytes(1)[0]
	copy(v.key[:], r.bytes(16))
	if v.first = v.key; flags&flagHere == 0 {
		copy(v.first[:], r.bytes(16))
	}
	if flags&flagBare == 0 {
		copy(v.print[:], r.bytes(12))
	}
	v.gen = uint32(r.uvarint())
	return v
}
