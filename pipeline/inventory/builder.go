package inventory

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/riposte-sec/riposte/pipeline"
)

// Builder makes revisions of the context of the records of the context topics. One
// goroutine calls its methods, but for Current, which is safe for concurrent use.
type Builder struct {
	topics  [4]topic
	live    bool // everything that was there at the start has been applied
	current atomic.Pointer[Tables]
	skipped int
}

// topic is what one of the context topics holds.
type topic struct {
	entries map[string]entry
	loads   map[string]load // by tenant and source
	sum     digest
	dirty   bool // changed since the last revision
}

type entry struct {
	item Item
	sum  digest
}

type load struct {
	pipeline.ContextLoad
	sum digest
}

// digest is a 128-bit hash that adds up: the sum over a set of records does not depend on
// their order, and a record can be taken out again.
type digest struct{ hi, lo uint64 }

func digestOf(topic string, key, value []byte) digest {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%d\x00", topic, len(key))
	h.Write(key)
	h.Write(value)
	s := h.Sum(nil)
	return digest{binary.BigEndian.Uint64(s), binary.BigEndian.Uint64(s[8:])}
}

func (d *digest) add(o digest) { d.hi, d.lo = d.hi+o.hi, d.lo+o.lo }
func (d *digest) sub(o digest) { d.hi, d.lo = d.hi-o.hi, d.lo-o.lo }

// NewBuilder returns a builder that knows nothing.
func NewBuilder() *Builder {
	b := &Builder{}
	for i := range b.topics {
		b.topics[i] = topic{entries: map[string]entry{}, loads: map[string]load{}}
	}
	b.current.Store(&Tables{})
	return b
}

// Current returns the newest revision, never nil.
func (b *Builder) Current() *Tables { return b.current.Load() }

// Context is Current as stages see it: nil while nothing was ever loaded.
func (b *Builder) Context() pipeline.Context {
	if t := b.current.Load(); t.ref.Revision != "" {
		return t
	}
	return nil
}

// Skipped returns how many records could not be read.
func (b *Builder) Skipped() int { return b.skipped }

// Apply takes the next committed record of a context topic. A record that is none of ours
// is an error and changes nothing; the caller may go on. When it ends a load, and the
// builder has caught up, the next revision is made.
func (b *Builder) Apply(name string, r *pipeline.Record) error {
	i := slices.Index(pipeline.ContextTopics(), name)
	if i < 0 {
		return fmt.Errorf("inventory: %s is no context topic", name)
	}
	ends, err := b.topics[i].apply(name, r)
	if err != nil {
		b.skipped++
		return fmt.Errorf("inventory: %s at offset %d: %w", name, r.Offset, err)
	}
	if ends && b.live {
		b.publish()
	}
	return nil
}

// CaughtUp tells that everything that was committed at the start has been applied.
func (b *Builder) CaughtUp() {
	b.live = true
	b.publish()
}

func (t *topic) apply(name string, r *pipeline.Record) (ends bool, err error) {
	key := string(r.Key)
	if _, isEntry := sourceOf(key); !isEntry {
		var l pipeline.ContextLoad
		if len(r.Value) > 0 {
			if err := json.Unmarshal(r.Value, &l); err != nil {
				return false, err
			}
		}
		t.dirty = true
		t.sum.sub(t.loads[key].sum)
		delete(t.loads, key)
		if len(r.Value) > 0 {
			// What counts of a load is what look-ups depend on, not what it changed.
			told := load{l, digestOf(name, r.Key, fmt.Appendf(nil, "%d %d", l.AsOf, l.TTL))}
			t.loads[key] = told
			t.sum.add(told.sum)
		}
		return true, nil
	}
	var it Item
	if len(r.Value) > 0 {
		if it, err = decode(r); err != nil {
			return false, err
		}
		if of, _ := it.Topic(); of != name {
			return false, errors.New("the value belongs on " + of)
		}
	}
	t.dirty = true
	t.sum.sub(t.entries[key].sum)
	delete(t.entries, key)
	if len(r.Value) > 0 {
		e := entry{it, digestOf(name, r.Key, r.Value)}
		t.entries[key] = e
		t.sum.add(e.sum)
	}
	return false, nil
}

// publish makes the next revision.
func (b *Builder) publish() {
	old := b.current.Load()
	next := &Tables{ref: b.ref(), assets: old.assets, identities: old.identities, exposures: old.exposures, indicators: old.indicators, loads: b.loads()}
	assets, identities, vulnerabilities, indicators := &b.topics[0], &b.topics[1], &b.topics[2], &b.topics[3]
	if assets.dirty {
		next.assets = buildAssets(assets)
	}
	if identities.dirty {
		next.identities = buildIdentities(identities)
	}
	if vulnerabilities.dirty || assets.dirty {
		next.exposures = buildExposures(vulnerabilities, next.assets)
	}
	if indicators.dirty {
		next.indicators = buildIndicators(indicators)
	}
	for i := range b.topics {
		b.topics[i].dirty = false
	}
	b.current.Store(next)
}

func (b *Builder) ref() pipeline.ContextRef {
	var ref pipeline.ContextRef
	h := sha256.New()
	some := false
	for i, name := range pipeline.ContextTopics() {
		t := &b.topics[i]
		ref.Topics[i] = pipeline.ContextTopicRef{Topic: name, Entries: len(t.entries)}
		for _, l := range t.loads {
			ref.Topics[i].AsOf = oldest(ref.Topics[i].AsOf, l.AsOf)
			ref.AsOf = oldest(ref.AsOf, l.AsOf)
		}
		some = some || len(t.entries)+len(t.loads) > 0
		_ = binary.Write(h, binary.BigEndian, t.sum) // a hash takes everything
	}
	if some {
		ref.Revision = hex.EncodeToString(h.Sum(nil))[:12]
	}
	return ref
}

func oldest(a, b pipeline.Millis) pipeline.Millis {
	if a == 0 {
		return b
	}
	return min(a, b)
}

func (b *Builder) loads() []LoadedSource {
	var all []LoadedSource
	for i, name := range pipeline.ContextTopics() {
		for _, l := range b.topics[i].loads {
			all = append(all, LoadedSource{Topic: name, ContextLoad: l.ContextLoad})
		}
	}
	slices.SortFunc(all, func(a, b LoadedSource) int { return compareSources(&a, &b) })
	return all
}
