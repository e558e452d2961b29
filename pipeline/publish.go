package pipeline

import "context"

// Publish is the last link of ingest: it turns the live events of a batch and its signals
// into messages. The zero value is ready to use; one instance serves one partition.
//
// An event goes to TopicEvents under the key (tenant, "<kind>:<value>" of its first
// entity), or (tenant, event id) where it has none, so that such events spread over the
// partitions. A signal goes to TopicSignals under (tenant, group values...), or (tenant,
// step or rule) where it groups by nothing: what different rules say of the same group
// meets in one partition.
// Values and headers lie in the batch's arena; nothing is allocated per event.
type Publish struct {
	tenant []byte // header value of the tenant before, of this batch
}

var _ Stage = (*Publish)(nil)

// names of the header values that are the same in every message.
var (
	schemaEvent  = []byte(SchemaEvent)
	schemaSignal = []byte(SchemaSignal)
)

// Process appends a message for each live event and for each signal, in their order.
func (p *Publish) Process(_ context.Context, b *Batch) error {
	p.tenant = nil
	for i := range b.Events {
		if e := &b.Events[i]; e.Fate == FateLive {
			p.event(b, e)
		}
	}
	for i := range b.Signals {
		p.signal(b, &b.Signals[i])
	}
	return nil
}

func (p *Publish) event(b *Batch, e *Event) {
	a := &b.Arena
	room := a.room(e.jsonSize())
	value := a.took(room, e.AppendJSON(room), len(room))

	room = a.room(256)
	key := append(append(room, e.Tenant...), 0x1f)
	if len(e.Entities) > 0 {
		key = append(append(key, e.Entities[0].Kind.String()...), ':')
		key = append(key, e.Entities[0].Value...)
	} else {
		key, _ = e.ID.AppendText(key)
	}
	key = a.took(room, key, len(room))
	b.Emit(Message{Topic: TopicEvents, Key: key, Value: value, Headers: p.headers(b, schemaEvent, e.Tenant, e.ID)})
}

func (p *Publish) signal(b *Batch, s *Signal) {
	a := &b.Arena
	room := a.room(1024)
	value := a.took(room, s.AppendJSON(room), len(room))

	room = a.room(256)
	key := s.AppendKey(room)
	key = a.took(room, key, len(room))
	b.Emit(Message{Topic: TopicSignals, Key: key, Value: value, Headers: p.headers(b, schemaSignal, s.Tenant, s.ID)})
}

// headers returns the headers of a message in the arena. Consecutive messages of a tenant
// share the header's bytes.
func (p *Publish) headers(b *Batch, schema []byte, tenant string, id ID) []Header {
	if View(p.tenant) != tenant {
		room := b.Arena.room(len(tenant))
		p.tenant = b.Arena.took(room, append(room, tenant...), len(room))
	}
	room := b.Arena.room(36)
	text, _ := id.AppendText(room)
	h := b.Arena.Headers(3)
	h[0] = Header{HeaderSchema, schema}
	h[1] = Header{HeaderTenant, p.tenant}
	h[2] = Header{HeaderID, b.Arena.took(room, text, len(room))}
	return h
}
