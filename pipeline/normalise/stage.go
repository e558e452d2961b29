package normalise

import (
	"context"
	"crypto/sha256"
	"hash"
	"strconv"
	"unicode/utf8"

	"github.com/riposte-sec/riposte/pipeline"
)

// stageName is the name under which rejects are counted.
const stageName = "normalise"

// Stage makes events of the records of one partition of a raw topic. It has no state that
// outlives a batch.
type Stage struct {
	plan   *plan
	scan   scanner
	texts  []string // of slots that were unescaped
	canon  canon
	unpack unpacker
	sum    hash.Hash
	buf    []byte // decoded records; digests

	attrs    [pipeline.FieldCount]pipeline.Attr
	entities [maxEntities]pipeline.Entity
}

// maxEntities is how many entities an event has at most; what comes behind is not among
// them. A mail to 30 recipients is above the 99.9th percentile of the sample data.
const maxEntities = 32

var _ pipeline.Stage = (*Stage)(nil)

// Stage returns a new stage for a partition of raw.<source>. Where no mapping has that name
// it rejects every record as ReasonUnknownSource.
func (c *Compiled) Stage(source string) pipeline.Stage {
	p := c.plans[source]
	if p == nil {
		return unknown{}
	}
	s := &Stage{plan: p, texts: make([]string, p.slots), canon: newCanon(&c.cache), sum: sha256.New()}
	s.scan.slots = make([]span, p.slots)
	s.scan.keys, s.scan.orders = newKeyTable(p.seed), make([]order, p.nodes)
	return s
}

// unknown is the stage of a topic that no mapping is for.
type unknown struct{}

func (unknown) Process(_ context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		count(b, &b.In[i])
		reject(b, i, ReasonUnknownSource, b.Topic)
	}
	return nil
}

// Process appends an event to b.Events, or a reject to b.Rejects, for each record.
func (s *Stage) Process(_ context.Context, b *pipeline.Batch) error {
	s.scan.arena, s.canon.arena = &b.Arena, &b.Arena
	for i := range b.In {
		count(b, &b.In[i])
		s.record(b, i)
	}
	return nil
}

func count(b *pipeline.Batch, r *pipeline.Record) {
	b.Counts.In++
	b.Counts.Bytes += len(r.Value)
}

func reject(b *pipeline.Batch, i int, reason, detail string) {
	b.Reject(i, stageName, reason, detail)
	b.Counts.Rejected++
}

func (s *Stage) record(b *pipeline.Batch, i int) {
	tenant, ok := tenantOf(b, &b.In[i])
	if !ok {
		reject(b, i, ReasonTenant, "")
		return
	}
	clock, ok := clockOf(&b.In[i])
	if !ok {
		reject(b, i, ReasonReplay, "")
		return
	}
	p, reason, detail := s.open(&b.Arena, b.In[i].Value)
	if reason != "" {
		reject(b, i, reason, detail)
		return
	}
	object, flags := s.read(&b.Arena, p)
	if object == nil {
		reject(b, i, s.scan.reason, "at byte "+strconv.Itoa(s.scan.at))
		return
	}
	for _, slot := range s.plan.requires {
		if k := s.scan.slots[slot].kind; k == spanNone || k == spanNull {
			s.refuse(b, i)
			return
		}
	}
	s.event(b, i, tenant, clock, object, flags)
}

// refuse rejects a record that lacks what every event of the source has.
func (s *Stage) refuse(b *pipeline.Batch, i int) {
	if s.plan.batch >= 0 && s.scan.slots[s.plan.batch].kind == spanList {
		reject(b, i, ReasonBatch, "a list of events in one record")
		return
	}
	reject(b, i, ReasonNotThisSource, "")
}

// open returns the JSON text of a record's value, unpacked and decoded.
func (s *Stage) open(arena *pipeline.Arena, p []byte) (text []byte, reason, detail string) {
	if len(p) == 0 {
		return nil, ReasonEmpty, ""
	}
	if len(p) > MaxRecord {
		return nil, ReasonTooLarge, strconv.Itoa(len(p)) + " bytes"
	}
	if isPacked(p) {
		if p, reason = s.unpack.unpack(p); reason != "" {
			return nil, reason, ""
		}
		if len(p) > MaxRecord {
			return nil, ReasonTooLarge, strconv.Itoa(len(p)) + " bytes unpacked"
		}
		p = arena.Copy(p)
	}
	if s.plan.decode == nil {
		return p, "", ""
	}
	out, err := s.plan.decode(s.buf[:0], p)
	s.buf = out
	if err != nil {
		return nil, ReasonDecode, err.Error()
	}
	return arena.Copy(out), "", ""
}

// read scans a record and returns its object, nil if it is refused, with what had to be
// mended.
func (s *Stage) read(arena *pipeline.Arena, p []byte) ([]byte, pipeline.Flags) {
	var flags pipeline.Flags
	if !utf8.Valid(p) {
		flags |= pipeline.FlagInvalidUTF8
		p = toUTF8(arena, p)
	}
	object := s.scan.scan(p, s.plan.root, arena)
	if object != nil && (s.scan.lone || s.scan.long) {
		if s.scan.lone {
			flags |= pipeline.FlagInvalidUTF8
		}
		if s.scan.long {
			flags |= pipeline.FlagTruncated
		}
		p = repair(arena, p)
		object = s.scan.scan(p, s.plan.root, arena)
	}
	if len(object) > MaxRecord {
		s.scan.fail(ReasonTooLarge, MaxRecord)
		return nil, 0
	}
	if s.scan.twice {
		flags |= pipeline.FlagDuplicateKeys
	}
	return object, flags
}

// tenantOf returns who owns a record, and false if it names an impossible one.
func tenantOf(b *pipeline.Batch, r *pipeline.Record) (string, bool) {
	name := r.Header(pipeline.HeaderTenant)
	if name == nil {
		return b.Tenant, true
	}
	if len(name) == 0 || len(name) > 64 {
		return "", false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return "", false
		}
	}
	return pipeline.View(name), true
}

// clockOf returns the append time of a record and how far its event time is to be moved:
// what the broker says, or the record's replay. It reports false if that is no clock.
func clockOf(r *pipeline.Record) (pipeline.ReplayClock, bool) {
	if text := r.Header(pipeline.HeaderReplay); text != nil {
		return pipeline.ParseReplayClock(text)
	}
	return pipeline.ReplayClock{Start: r.Time}, true
}
