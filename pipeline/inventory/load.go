package inventory

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// Load says what is loaded, of which source and how.
type Load struct {
	Tenant string
	// Source names where the entries come from: letters, digits, '.', '_' and '-'. A load
	// changes entries of its own source alone.
	Source string
	Format string
	AsOf   pipeline.Millis // when things were as the source says; required
	TTL    int64           // seconds, of indicators that say no end themselves; 0 is none
	// Merge keeps entries of the source that the load does not name. Without it they are
	// taken back: the load is everything that the source knows.
	Merge bool
}

// Plan is the records of one transaction that brings the topics to what a load says.
type Plan struct {
	Messages []pipeline.Message
	Loads    []LoadedSource // what ends it on each topic
	Added    []Item         // entries that are new or changed, in the order of their keys
}

// Validate reports what is wrong with the load.
func (l *Load) Validate() error {
	switch {
	case l.Tenant == "" || strings.ContainsRune(l.Tenant, 0x1f):
		return fmt.Errorf("tenant %q: want a name", l.Tenant)
	case l.Source == "" || len(l.Source) > 128 || strings.ContainsFunc(l.Source, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}):
		return fmt.Errorf("source %q: want letters, digits, '.', '_' and '-'", l.Source)
	case l.AsOf <= 0:
		return fmt.Errorf("source %s: it must be known as of when it holds", l.Source)
	case l.TTL < 0:
		return fmt.Errorf("source %s: a TTL of %d s", l.Source, l.TTL)
	}
	return nil
}

// Plan works out what changes on the topics, as the builder knows them, when the source says
// items. Of items with equal keys the last one counts. Topics on which the load has no items
// are left alone.
func (b *Builder) Plan(l Load, items []Item) (*Plan, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	var want [4]map[string]Item
	for i := range items {
		it := items[i]
		it.Own(l.Tenant, l.Source)
		name, _ := it.Topic()
		n := slices.Index(pipeline.ContextTopics(), name)
		if want[n] == nil {
			want[n] = map[string]Item{}
		}
		want[n][string(it.AppendKey(nil))] = it
	}
	p := &Plan{}
	for n, name := range pipeline.ContextTopics() {
		if len(want[n]) == 0 {
			continue
		}
		if err := p.change(name, &b.topics[n], l, want[n]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Forget works out how to take back everything that a source said.
func (b *Builder) Forget(tenant, source string) *Plan {
	p := &Plan{}
	own := string(pipeline.AppendKey(nil, tenant, source))
	for n, name := range pipeline.ContextTopics() {
		t := &b.topics[n]
		removed := p.remove(name, t, own, nil)
		if l, ok := t.loads[own]; ok {
			l.Entries, l.Added, l.Changed, l.Removed = 0, 0, 0, removed
			p.Loads = append(p.Loads, LoadedSource{Topic: name, ContextLoad: l.ContextLoad})
			p.Messages = append(p.Messages, message(name, pipeline.SchemaLoad, tenant, own, nil))
		}
	}
	return p
}

func (p *Plan) change(name string, t *topic, l Load, want map[string]Item) error {
	own := string(pipeline.AppendKey(nil, l.Tenant, l.Source))
	end := pipeline.ContextLoad{Tenant: l.Tenant, Source: l.Source, Format: l.Format, AsOf: l.AsOf, TTL: l.TTL}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		it := want[key]
		value, err := json.Marshal(&it)
		if err != nil {
			return fmt.Errorf("source %s: %w", l.Source, err)
		}
		old, known := t.entries[key]
		switch {
		case !known:
			end.Added++
		case old.sum != digestOf(name, []byte(key), value):
			end.Changed++
		default:
			continue
		}
		_, schema := it.Topic()
		p.Added = append(p.Added, it)
		p.Messages = append(p.Messages, message(name, schema, l.Tenant, key, value))
	}
	end.Entries = len(want)
	if l.Merge {
		end.Entries = t.count(own) + end.Added
	} else {
		end.Removed = p.remove(name, t, own, want)
	}
	value, err := json.Marshal(&end)
	if err != nil {
		return fmt.Errorf("source %s: %w", l.Source, err)
	}
	p.Loads = append(p.Loads, LoadedSource{Topic: name, ContextLoad: end})
	p.Messages = append(p.Messages, message(name, pipeline.SchemaLoad, l.Tenant, own, value))
	return nil
}

// remove takes back the entries of a source that are not wanted.
func (p *Plan) remove(name string, t *topic, own string, want map[string]Item) int {
	n := 0
	for _, key := range slices.Sorted(maps.Keys(t.entries)) {
		if source, _ := sourceOf(key); source != own {
			continue
		}
		if _, stays := want[key]; stays {
			continue
		}
		n++
		tenant, _, _ := strings.Cut(own, "\x1f")
		it := t.entries[key].item
		_, schema := it.Topic()
		p.Messages = append(p.Messages, message(name, schema, tenant, key, nil))
	}
	return n
}

func (t *topic) count(own string) int {
	n := 0
	for key := range t.entries {
		if source, _ := sourceOf(key); source == own {
			n++
		}
	}
	return n
}

func message(topic, schema, tenant, key string, value []byte) pipeline.Message {
	return pipeline.Message{Topic: topic, Key: []byte(key), Value: value, Headers: []pipeline.Header{
		{Key: pipeline.HeaderSchema, Value: []byte(schema)}, {Key: pipeline.HeaderTenant, Value: []byte(tenant)},
	}}
}

// Entry is one entry with the key that it lies under, for people to look at.
type Entry struct {
	Topic string `json:"topic"`
	Item  *Item  `json:"entry"`
}

// Entries calls visit for the entries of a tenant in the order of topics and keys, until it
// returns false.
func (b *Builder) Entries(tenant string, visit func(Entry) bool) {
	for n, name := range pipeline.ContextTopics() {
		t := &b.topics[n]
		for _, key := range slices.Sorted(maps.Keys(t.entries)) {
			owner, _, _ := strings.Cut(key, "\x1f")
			if owner != tenant {
				continue
			}
			e := t.entries[key]
			if !visit(Entry{Topic: name, Item: &e.item}) {
				return
			}
		}
	}
}

// Records returns the plan as the records that the topics would hold, for tables that are
// not read from Kafka: tests, and checks of files.
func (p *Plan) Records(visit func(topic string, r *pipeline.Record) error) error {
	for i := range p.Messages {
		m := &p.Messages[i]
		if err := visit(m.Topic, &pipeline.Record{Offset: int64(i), Key: m.Key, Value: m.Value, Headers: m.Headers}); err != nil {
			return err
		}
	}
	return nil
}

// Indicators returns the indicators of all tenants, or those of one source, in the order of
// their keys.
func (b *Builder) Indicators(source string) []*pipeline.Indicator {
	var all []*pipeline.Indicator
	b.topics[3].items(func(it *Item) {
		if source == "" || it.Indicator.Source == source {
			all = append(all, it.Indicator)
		}
	})
	return all
}
