package dedupe

import (
	"encoding/binary"
	"math/bits"

	"github.com/riposte-sec/riposte/pipeline"
)

// slot is one remembered event. It has no pointers: the garbage collector never looks into
// the table.
type slot struct {
	key   pipeline.ID // id or content hash, both cryptographic
	first pipeline.ID // id of the first event
	print [12]byte    // of the first event's content; zero where key is the content
	gen   uint32
}

const (
	slotSize  = 48 + 1 // with its tag
	shardBits = 6
	shards    = 1 << shardBits
	minSlots  = 16
	// A shard grows to 5/4 when it is 4/5 full: between 61 and 77 bytes a key. Growing by
	// shards keeps the copy small: 1/64 of the table at a time.
	growNum, growDen = 5, 4
	fullNum, fullDen = 4, 5
	// bytesPerKey is what the budget counts for a key: a shard just grown, rounded up.
	bytesPerKey = 80
)

// table is an open-addressing hash table with linear probing, cut into shards that grow by
// themselves. A byte of each key lies apart, so that a probe reads one cache line.
type table struct {
	shards [shards]shard
	keys   int
}

type shard struct {
	tags  []uint8 // 0 = empty
	slots []slot
	used  int
}

func shardOf(key *pipeline.ID) int { return int(key[0] >> (8 - shardBits)) }

func tagOf(key *pipeline.ID) uint8 { return max(key[1], 1) }

// home is where the search for key begins: the high half of a product maps a hash to any
// number of slots without a division.
func (s *shard) home(key *pipeline.ID) int {
	hi, _ := bits.Mul64(binary.LittleEndian.Uint64(key[8:]), uint64(len(s.slots)))
	return int(hi)
}

// find returns the slot of key, nil if it is not there.
func (t *table) find(key *pipeline.ID) *slot {
	s := &t.shards[shardOf(key)]
	if i := s.index(key); i >= 0 {
		return &s.slots[i]
	}
	return nil
}

func (s *shard) index(key *pipeline.ID) int {
	if s.used == 0 {
		return -1
	}
	tag := tagOf(key)
	for i := s.home(key); ; {
		switch got := s.tags[i]; {
		case got == 0:
			return -1
		case got == tag && s.slots[i].key == *key:
			return i
		}
		if i++; i == len(s.tags) {
			i = 0
		}
	}
}

// insert adds v, whose key must not be there. Slots of generations before floor are left
// out when the shard has to grow.
func (t *table) insert(v *slot, floor uint32) {
	s := &t.shards[shardOf(&v.key)]
	if (s.used+1)*fullDen > len(s.slots)*fullNum {
		t.keys -= s.rebuild(floor, max(minSlots, len(s.slots)*growNum/growDen+1))
	}
	s.put(v)
	t.keys++
}

// reserve makes room in an empty table for about so many keys. A shard with more than its
// part of them grows.
func (t *table) reserve(keys int) {
	n := keys / shards * fullDen / fullNum
	n += n/16 + minSlots
	for i := range t.shards {
		t.shards[i] = shard{tags: make([]uint8, n), slots: make([]slot, n)}
	}
}

func (s *shard) put(v *slot) {
	i := s.home(&v.key)
	for s.tags[i] != 0 {
		if i++; i == len(s.tags) {
			i = 0
		}
	}
	s.tags[i], s.slots[i] = tagOf(&v.key), *v
	s.used++
}

// remove takes key out and moves what probed past it back, so that no search breaks off.
func (t *table) remove(key *pipeline.ID) {
	s := &t.shards[shardOf(key)]
	hole := s.index(key)
	if hole < 0 {
		return
	}
	n := len(s.slots)
	for i := hole; ; {
		if i++; i == n {
			i = 0
		}
		if s.tags[i] == 0 {
			break
		}
		// The slot at i may move to the hole unless its home lies behind the hole.
		home := s.home(&s.slots[i].key)
		if (i-home+n)%n >= (i-hole+n)%n {
			s.tags[hole], s.slots[hole] = s.tags[i], s.slots[i]
			hole = i
		}
	}
	s.tags[hole], s.slots[hole] = 0, slot{}
	s.used--
	t.keys--
}

// sweep rebuilds a shard without the slots of generations before floor.
func (t *table) sweep(shard int, floor uint32) {
	s := &t.shards[shard]
	live := 0
	for i := range s.slots {
		if s.tags[i] != 0 && s.slots[i].gen >= floor {
			live++
		}
	}
	if live == s.used {
		return
	}
	t.keys -= s.rebuild(floor, max(minSlots, live*fullDen/fullNum*growNum/growDen+1))
}

// rebuild moves the live slots to a new array of n and returns how many were left out.
func (s *shard) rebuild(floor uint32, n int) int {
	old := *s
	*s = shard{tags: make([]uint8, n), slots: make([]slot, n)}
	for i := range old.slots {
		if old.tags[i] != 0 && old.slots[i].gen >= floor {
			s.put(&old.slots[i])
		}
	}
	return old.used - s.used
}

func (t *table) bytes() int {
	n := 0
	for i := range t.shards {
		n += len(t.shards[i].slots) * slotSize
	}
	return n
}

// each calls f for every slot, in an order of no meaning.
func (t *table) each(f func(*slot) error) error {
	for i := range t.shards {
		s := &t.shards[i]
		for k := range s.slots {
			if s.tags[k] != 0 {
				if err := f(&s.slots[k]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
