package correlate

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// A frame is: magic (2), version (1), reserved (1), CRC-32C of what follows (4), entries.
// Deltas and snapshot pieces have the same form: an entry is a whole new value, but that the
// lists of marks are told as changes of the lists before.
const (
	magic0, magic1 = 'R', 'C'
	stateVersion   = 3
	oldestVersion  = 2 // that is still read
	headSize       = 8
	pieceSize      = 512 << 10
	// partMarks is how many marks of one list go into one piece: about 300 KiB.
	partMarks = 1024
)

const (
	entryClocks = iota + 1
	entryAlive
	entryStorm
	entryKey
	entryDelete
	entryBundle
	entryServedV2 // read, no longer written
	entryRaised
	entryServed
	entryPack
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (w *writer) head() { w.buf = append(w.buf, magic0, magic1, stateVersion, 0, 0, 0, 0, 0) }

func (w *writer) seal(from int) {
	binary.LittleEndian.PutUint32(w.buf[from+4:], crc32.Checksum(w.buf[from+headSize:], castagnoli))
}

// AppendDelta appends what changed since the last Commit, and nothing if nothing did.
func (s *Stage) AppendDelta(dst []byte) []byte {
	if !s.moved && len(s.undo.keys)+len(s.undo.storms)+len(s.undo.bundles)+len(s.undo.raised) == 0 && !s.servedMoved() {
		return dst
	}
	w, from := &writer{buf: dst}, len(dst)
	w.head()
	w.clocks(s)
	if s.servedMoved() {
		w.served(s.serves)
	}
	for _, src := range slices.Sorted(maps.Keys(s.alive)) {
		if ms := s.alive[src]; len(ms) != len(s.undo.alive[src]) || ms[0] != s.undo.alive[src][0] {
			w.alive(src, ms)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.undo.storms)) {
		w.storm(s.rules[id])
	}
	for _, id := range slices.Sorted(maps.Keys(s.undo.keys)) {
		r := s.rules[id]
		for _, text := range slices.Sorted(maps.Keys(s.undo.keys[id])) {
			old, now := s.undo.keys[id][text], r.keys[text]
			switch {
			case now != nil:
				w.key(r, text, old, now, false)
			case old != nil:
				w.byte(entryDelete)
				w.rule(r)
				w.text(text)
			}
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(s.undo.raised)) {
		w.raised(rule, s.raised[rule])
	}
	for _, text := range slices.Sorted(maps.Keys(s.undo.bundles)) {
		w.bundle(text, s.bundles[text])
	}
	w.seal(from)
	return w.buf
}

// Snapshot emits the state as of the last Commit.
func (s *Stage) Snapshot(emit func(piece []byte) error) error {
	w := &writer{}
	w.head()
	c := *s
	if s.undo.saved {
		c.wm, c.newest, c.newestAt, c.alive = s.undo.wm, s.undo.newest, s.undo.at, s.undo.alive
	}
	w.clocks(&c)
	w.served(s.served)
	for _, src := range slices.Sorted(maps.Keys(c.alive)) {
		w.alive(src, c.alive[src])
	}
	flush := func(least int) error {
		if len(w.buf) <= least {
			return nil
		}
		w.seal(0)
		err := emit(w.buf)
		w.buf = w.buf[:0]
		w.head()
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(s.rules)) {
		r := *s.rules[id]
		if old, changed := s.undo.storms[id]; changed {
			r.storm = old
		}
		if r.storm != (storm{}) {
			w.storm(&r)
		}
		if err := w.keys(&r, s.committed(id), s.hash, flush); err != nil {
			return err
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(s.inhibits)) {
		if list := s.committedRaised(rule); len(list) > 0 {
			w.raised(rule, list)
		}
	}
	bundles := s.committedBundles()
	for _, text := range slices.Sorted(maps.Keys(bundles)) {
		w.bundle(text, bundles[text])
		if err := flush(pieceSize / 2); err != nil {
			return err
		}
	}
	return flush(headSize)
}

// keys writes the keys of a rule, and those that it has in packs, calling flush often.
func (w *writer) keys(r *rule, keys map[string]*key, hash func([]byte) uint64, flush func(least int) error) error {
	p := &packer{rule: r, total: len(keys) + len(r.packs.index)}
	full := func() error {
		if len(w.buf)+len(p.list.buf) <= pieceSize/2 {
			return nil
		}
		w.pack(p)
		return flush(pieceSize / 2)
	}
	for i := range r.packs.list {
		err := r.packs.each(i, hash, func(_ uint64, k packed) error {
			p.copy(k)
			return full()
		})
		if err != nil {
			return err
		}
	}
	for text, k := range keys {
		if k.large() {
			if err := w.parts(r, text, k, func() error { return flush(pieceSize / 2) }); err != nil {
				return err
			}
			continue
		}
		p.add(text, k)
		if err := full(); err != nil {
			return err
		}
	}
	w.pack(p)
	return flush(pieceSize / 2)
}

// committed returns the keys of a rule as of the last Commit.
func (s *Stage) committed(id string) map[string]*key {
	changed := s.undo.keys[id]
	if len(changed) == 0 {
		return s.rules[id].keys
	}
	keys := maps.Clone(s.rules[id].keys)
	for text, old := range changed {
		delete(keys, text)
		if old != nil {
			keys[text] = old
		}
	}
	return keys
}

// parts writes a key in entries of bounded size, calling flush after each.
func (w *writer) parts(r *rule, text string, k *key, flush func() error) error {
	var base *key
	for n := partMarks; ; n += partMarks {
		part, more := k.clone(), len(k.pending) > n
		part.pending = k.pending[:min(n, len(k.pending))]
		for i := range part.sessions {
			x := &part.sessions[i]
			more = more || len(x.marks) > n
			x.marks = x.marks[:min(n, len(x.marks))]
		}
		w.key(r, text, base, part, more)
		if err := flush(); err != nil || !more {
			return err
		}
		base = part
	}
}

func (w *writer) clocks(s *Stage) {
	w.byte(entryClocks)
	w.millis(s.wm)
	w.millis(s.newest)
	w.millis(s.newestAt)
}

func (w *writer) alive(src string, minutes []int64) {
	w.byte(entryAlive)
	w.text(src)
	w.uint(uint64(len(minutes)))
	last := int64(0)
	for _, m := range minutes {
		w.int(m - last)
		last = m
	}
}

func (w *writer) storm(r *rule) {
	w.byte(entryStorm)
	w.rule(r)
	w.int(r.storm.hour)
	w.uint(uint64(r.storm.n))
}

func (w *writer) rule(r *rule) {
	w.text(r.id)
	w.byte(b2i(r.c.Type == Single))
	w.uint(r.meaning)
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// meaning is a digest of what a state depends on. Edits of the threshold, the severity or
// the title keep it; edits of the window, the grouping, the rules or what they match do not.
func (c *Correlation) meaning() uint64 {
	h := fnv.New64a()
	_, err := fmt.Fprintf(h, "%s|%q|%q|%q|%q|%d", c.Type, c.Rules, c.GroupBy, c.Fields, c.Aliases, c.Span)
	for _, rule := range c.Rules {
		if p := c.predicates[rule]; p != "" && err == nil {
			_, err = fmt.Fprintf(h, "|%q=%s", rule, p)
		}
	}
	if err != nil {
		panic("BUG: correlate: a hash does not write: " + err.Error())
	}
	return h.Sum64()
}

func (w *writer) key(r *rule, text string, base, k *key, more bool) {
	if base == nil {
		base = &key{}
	}
	w.byte(entryKey)
	w.rule(r)
	w.text(text)
	body := writer{}
	body.keyBody(base, k, more)
	w.text(pipeline.View(body.buf)) // with its length, so that a reader can leave it out
}

func (w *writer) keyBody(base, k *key, more bool) {
	w.byte(b2i(more) | b2i(k.approx)<<1)
	w.uint(uint64(len(k.sessions)))
	for i := range k.sessions {
		w.session(base.session(i), &k.sessions[i])
	}
	w.marks(base.pending, k.pending)
}

// session returns the session with that number, an empty one if there is none.
func (k *key) session(i int) *session {
	if i < len(k.sessions) {
		return &k.sessions[i]
	}
	return &session{}
}

// Restore applies a piece of a snapshot or a delta. Keys of rules that are gone or that mean
// something else now are left out and counted.
func (s *Stage) Restore(piece []byte) error {
	if len(piece) < headSize || piece[0] != magic0 || piece[1] != magic1 {
		return fmt.Errorf("%w: %d bytes without our mark", errState, len(piece))
	}
	if piece[2] < oldestVersion || piece[2] > stateVersion {
		return fmt.Errorf("%w: version %d, this program knows %d to %d", errState, piece[2], oldestVersion, stateVersion)
	}
	if binary.LittleEndian.Uint32(piece[4:]) != crc32.Checksum(piece[headSize:], castagnoli) {
		return fmt.Errorf("%w: checksum differs", errState)
	}
	r := &reader{p: piece[headSize:]}
	for len(r.p) > 0 {
		if err := s.restoreEntry(r); err != nil {
			return err
		}
	}
	return r.err()
}

func (s *Stage) restoreEntry(r *reader) error {
	switch kind := r.byte(); kind {
	case entryClocks:
		s.wm, s.newest, s.newestAt = r.millis(), r.millis(), r.millis()
	case entryAlive:
		s.restoreAlive(r)
	case entryStorm:
		o := s.restoreRule(r)
		if st := (storm{hour: r.int(), n: int(r.uint())}); o != nil {
			o.storm = st
		}
	case entryRaised:
		s.restoreRaised(r)
	case entryServed:
		s.served = r.served()
	case entryServedV2:
		s.served = r.servedV2()
	case entryBundle:
		s.restoreBundle(r)
	case entryKey:
		return s.restoreKey(r)
	case entryPack:
		return s.restorePack(r)
	case entryDelete:
		s.restoreDelete(r)
	default:
		return fmt.Errorf("%w: entry of kind %d", errState, kind)
	}
	return r.err()
}

func (s *Stage) restoreAlive(r *reader) {
	src := r.text()
	ms := make([]int64, r.count(1))
	last := int64(0)
	for i := range ms {
		last += r.int()
		ms[i] = last
	}
	if len(ms) > 0 {
		s.alive[src] = ms
	}
}

func (s *Stage) restoreDelete(r *reader) {
	o, text := s.restoreRule(r), r.text()
	if o == nil {
		return
	}
	if k := s.find(o, []byte(text)); k != nil {
		s.weigh(o, k, 0)
		delete(o.keys, text)
	}
}

// restoreRule returns the rule that an entry belongs to, or nil if the entry's state is of
// no use to it.
func (s *Stage) restoreRule(r *reader) *rule {
	id, single, meaning := r.bytes(r.count(1)), r.byte() == 1, r.uint()
	if r.bad {
		return nil
	}
	o := s.rules[string(id)]
	if o == nil && single && s.cfg.Rules.byID[string(id)] == nil {
		o = s.single(string(id))
	}
	if o == nil || o.meaning != meaning {
		return nil
	}
	return o
}

func (s *Stage) restoreKey(r *reader) error {
	o, text := s.restoreRule(r), r.text()
	body := &reader{p: r.bytes(r.count(1))}
	switch {
	case r.bad:
		return errState
	case o == nil:
		s.stats.Dropped++
		return nil
	}
	base := s.find(o, []byte(text))
	if base == nil {
		base = newKey(text)
	}
	k, err := body.key(o.c, base)
	if err != nil {
		return fmt.Errorf("rule %s: %w", o.id, err)
	}
	k.text, k.tenant, k.group = base.text, base.tenant, base.group
	if base.bytes > 0 {
		s.weigh(o, base, 0)
	}
	s.putBack(o, k)
	return nil
}

// key reads what writer.key wrote behind the key's text.
func (r *reader) key(c *Correlation, base *key) (*key, error) {
	const least = 20 // bytes of the shortest session
	flags := r.byte()
	more := flags&1 != 0
	k := &key{approx: flags&2 != 0, sessions: make([]session, r.count(least))}
	for i := range k.sessions {
		k.sessions[i] = r.session(base.session(i))
		if r.bad {
			return nil, errState
		}
		if more {
			continue // the rest of its marks follows
		}
		if err := k.sessions[i].whole(c); err != nil {
			return nil, err
		}
	}
	k.pending = r.marks(base.pending)
	if r.bad || len(r.p) > 0 {
		return nil, errState
	}
	return k, wholeMarks(c, k.pending)
}
