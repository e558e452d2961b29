package record

import (
	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// signals is the rows of the table of that name.
type signals struct {
	columns.Table
	tenant, rule, step, source, title *columns.Dict
	id, event                         *columns.Blob
	class                             *columns.Fixed[uint32]
	severity                          *columns.Fixed[uint8]
	tactics, techniques, flags        *columns.List[*columns.Dict]
	group                             *columns.Strings
	entities                          *columns.Pairs
	at, ingested, normalised          *columns.Fixed[int64]
	origin                            origin
	signal                            pipeline.Signal // reused
}

func newSignals() *signals {
	s := &signals{Table: columns.Table{Name: "signals"}}
	t := &s.Table
	s.tenant = columns.Add(t, "tenant", new(columns.Dict))
	s.rule = columns.Add(t, "rule", new(columns.Dict))
	s.step = columns.Add(t, "step", new(columns.Dict))
	s.id = columns.Add(t, "signal_id", columns.UUID())
	s.event = columns.Add(t, "event_id", columns.UUID())
	s.source = columns.Add(t, "source", new(columns.Dict))
	s.class = columns.Add(t, "class", columns.UInt32())
	s.severity = columns.Add(t, "severity", columns.UInt8())
	s.title = columns.Add(t, "title", new(columns.Dict))
	s.tactics = columns.Add(t, "tactics", columns.DictList())
	s.techniques = columns.Add(t, "techniques", columns.DictList())
	s.group = columns.Add(t, "group_key", new(columns.Strings))
	s.entities = columns.Add(t, "entities", new(columns.Pairs))
	s.flags = columns.Add(t, "flags", columns.DictList())
	s.at = columns.Add(t, "at", columns.Millis())
	s.ingested = columns.Add(t, "ingested", columns.Millis())
	s.normalised = columns.Add(t, "normalised", columns.Millis())
	s.origin = newOrigin(t)
	return s
}

func (s *signals) add(blk *pipeline.Block, r *pipeline.Record, v *pipeline.Signal) {
	s.tenant.Append(v.Tenant)
	s.rule.Append(v.Rule)
	s.step.Append(v.Step)
	s.id.Append(v.ID)
	s.event.Append(v.Event)
	s.source.Append(v.Source)
	s.class.Append(uint32(v.Class))
	s.severity.Append(v.Severity)
	s.title.Append(v.Title)
	addWords(s.tactics, v.Tactics)
	addWords(s.techniques, v.Techniques)
	addGroup(s.group, v.Group)
	addEntities(s.entities, v.Entities)
	addWords(s.flags, v.Flags)
	s.at.Append(int64(v.At))
	s.ingested.Append(int64(v.Ingested))
	s.normalised.Append(int64(r.Time))
	s.origin.add(blk, r)
}
