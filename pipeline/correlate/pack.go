package correlate

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// A snapshot holds most keys of a rule in packs. A restored key stays as it lies in its pack
// until it is asked for, or until time may change a key of the pack: so a worker that comes
// back begins at once and unpacks little by little, and the garbage collector has nothing to
// look at in between. What a pack says is checked when it is read, so that unpacking cannot
// fail. What it takes is booked as if it were unpacked, which is more: that a worker was
// restarted makes no difference to what is evicted.

// packs are the packed keys of a rule.
type packs struct {
	list []*pack
	// index finds them by the hash of their text. It holds no pointers.
	index map[uint64]place
}

// pack is the keys of one entry of a snapshot.
type pack struct {
	data []byte
	keys int             // in data
	left int             // of them in the index
	due  pipeline.Millis // when time changes the first of them, as the watermark of the partition; 0: never
}

// place is where a packed key lies.
type place struct {
	pack uint32 // in packs.list
	at   uint32 // in its data
}

// packed is a key in a pack.
type packed struct {
	text     []byte
	deadline pipeline.Millis // see key.deadline
	bytes    int             // that are booked for it
	body     []byte
}

func (s *scanner) packed() packed {
	return packed{text: s.text(), deadline: s.millis(), bytes: int(s.uint()), body: s.text()}
}

func (w *writer) packed(p packed) {
	w.text(pipeline.View(p.text))
	w.millis(p.deadline)
	w.uint(uint64(p.bytes))
	w.text(pipeline.View(p.body))
}

// each calls f with the keys of pack i that are still packed.
func (ps *packs) each(i int, hash func([]byte) uint64, f func(hash uint64, k packed) error) error {
	p := ps.list[i]
	for r := (scanner{p: p.data}); r.more(); {
		at := place{uint32(i), uint32(r.i)}
		k := r.packed()
		h := hash(k.text)
		if found, ok := ps.index[h]; ok && found == at {
			if err := f(h, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// find returns a key of a rule, nil if there is none.
func (s *Stage) find(r *rule, text []byte) *key {
	if k := r.keys[string(text)]; k != nil || len(r.packs.index) == 0 {
		return k
	}
	hash := s.hash(text)
	at, ok := r.packs.index[hash]
	if !ok {
		return nil
	}
	p := r.packs.list[at.pack]
	found := (&scanner{p: p.data, i: int(at.at)}).packed()
	if !bytes.Equal(found.text, text) {
		return nil
	}
	k := s.unpack(r, hash, found)
	if p.left--; p.left <= p.keys/2 {
		r.packs.shrink(int(at.pack), s.hash)
	}
	return k
}

// unpack makes a packed key one of the others.
func (s *Stage) unpack(r *rule, hash uint64, p packed) *key {
	k, err := (&reader{p: p.body}).key(r.c, &key{})
	if err != nil {
		panic("BUG: correlate: a packed key does not unpack: " + err.Error())
	}
	named := newKey(string(p.text))
	k.text, k.tenant, k.group = named.text, named.tenant, named.group
	delete(r.packs.index, hash)
	s.unbook(r, p)
	s.putBack(r, k)
	return k
}

// unbook takes back what a packed key was booked with.
func (s *Stage) unbook(r *rule, p packed) {
	r.bytes -= p.bytes
	s.book(tenantOf(p.text), -p.bytes)
}

func tenantOf(text []byte) string {
	tenant, _, _ := bytes.Cut(text, []byte{0x1f})
	return string(tenant)
}

// shrink gives the keys that are left in pack i memory of their own: the rest of it shall
// not be kept for them.
func (ps *packs) shrink(i int, hash func([]byte) uint64) {
	p := ps.list[i]
	var w writer
	var hashes []uint64
	var places []place
	_ = ps.each(i, hash, func(hash uint64, k packed) error { // f gives no error
		hashes, places = append(hashes, hash), append(places, place{uint32(i), uint32(len(w.buf))})
		w.packed(k)
		return nil
	})
	for j, hash := range hashes {
		ps.index[hash] = places[j]
	}
	p.data, p.keys = slices.Clip(w.buf), p.left
}

// unpackAll makes all packed keys of a rule like the others, unpackDue those of the packs in
// which time may change one at a time. They all get timers of their own: that of the pack
// has an empty name, which comes before the names of keys.
func (s *Stage) unpackAll(r *rule) {
	for i := range r.packs.list {
		s.empty(r, i)
	}
	r.packs = packs{}
}

func (s *Stage) unpackDue(r *rule, at pipeline.Millis) {
	for i, p := range r.packs.list {
		if p.due == at {
			s.empty(r, i)
		}
	}
	if len(r.packs.index) == 0 {
		r.packs = packs{}
	}
}

func (s *Stage) empty(r *rule, i int) {
	_ = r.packs.each(i, s.hash, func(hash uint64, k packed) error { // f gives no error
		s.unpack(r, hash, k)
		return nil
	})
	*r.packs.list[i] = pack{}
}

// packer writes keys of a rule into packs.
type packer struct {
	rule  *rule
	total int // keys of the rule
	n     int // in list
	list  writer
	body  writer
}

func (p *packer) add(text string, k *key) {
	p.body.buf = p.body.buf[:0]
	p.body.keyBody(&key{}, k, false)
	p.copy(packed{text: []byte(text), deadline: k.deadline(p.rule), bytes: k.bytes, body: p.body.buf})
}

func (p *packer) copy(k packed) {
	p.n++
	p.list.packed(k)
}

// pack writes what p holds as one entry.
func (w *writer) pack(p *packer) {
	if p.n == 0 {
		return
	}
	w.byte(entryPack)
	w.rule(p.rule)
	w.uint(uint64(p.total))
	w.uint(uint64(p.n))
	w.text(pipeline.View(p.list.buf))
	p.n, p.list.buf = 0, p.list.buf[:0]
}

// large reports whether a key needs several pieces, see writer.parts.
func (k *key) large() bool {
	n := len(k.pending)
	for i := range k.sessions {
		n = max(n, len(k.sessions[i].marks))
	}
	return n > partMarks
}

// restorePack reads what writer.pack wrote.
func (s *Stage) restorePack(r *reader) error {
	o := s.restoreRule(r)
	total, n, data := r.uint(), r.uint(), r.bytes(r.count(1))
	const least = 8 // bytes of a packed key
	switch {
	case r.bad || n > uint64(len(data)/least):
		return errState
	case o == nil:
		s.stats.Dropped += n
		return nil
	}
	p := &pack{data: bytes.Clone(data), keys: int(n), left: int(n)}
	ps := &o.packs
	if ps.index == nil {
		const key = 240 // bytes that one is booked with, or more
		ps.index = make(map[uint64]place, min(total, uint64(s.cfg.Budget/key)))
	}
	ps.list = append(ps.list, p)
	if err := s.adopt(o, p, uint32(len(ps.list)-1)); err != nil {
		return fmt.Errorf("rule %s: %w", o.id, err)
	}
	if p.due != 0 {
		s.addTimer(timer{at: p.due, rule: o.id})
	}
	return nil
}

// adopt checks and books the keys of the new pack p, which is number i.
func (s *Stage) adopt(o *rule, p *pack, i uint32) error {
	var tenant []byte
	booked := 0 // for tenant
	before, n := len(o.packs.index), 0
	for r := (scanner{p: p.data}); r.more(); {
		at := place{i, uint32(r.i)}
		k := r.packed()
		if body := (scanner{p: k.body}); r.bad() || !body.keyFits(o.c) {
			return errState
		}
		if l := len(tenant); booked == 0 || len(k.text) <= l || k.text[l] != 0x1f || !bytes.Equal(k.text[:l], tenant) {
			s.book(string(tenant), booked)
			tenant, _, _ = bytes.Cut(k.text, []byte{0x1f})
			booked = 0
		}
		booked += k.bytes
		o.bytes += k.bytes
		if k.deadline != 0 && (p.due == 0 || k.deadline+o.slack < p.due) {
			p.due = k.deadline + o.slack
		}
		o.packs.index[s.hash(k.text)] = at
		n++
	}
	s.book(string(tenant), booked)
	switch {
	case n != p.keys:
		return fmt.Errorf("%w: %d keys in a pack of %d", errState, n, p.keys)
	case len(o.packs.index)-before != n:
		return s.collided(o)
	}
	return nil
}

// collided unpacks a rule in which two keys have the same hash, so that the index has lost
// one of them.
func (s *Stage) collided(o *rule) error {
	list := o.packs.list
	o.packs = packs{}
	for _, p := range list {
		for r := (scanner{p: p.data}); r.more(); {
			k := r.packed()
			if o.keys[string(k.text)] != nil {
				return fmt.Errorf("%w: a key of rule %s comes twice", errState, o.id)
			}
			s.unpack(o, s.hash(k.text), k)
		}
	}
	return nil
}
