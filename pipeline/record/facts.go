package record

import (
	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// facts is the rows of the table of that name: every record of the topic.
type facts struct {
	columns.Table
	tenant, kind, actor  *columns.Dict
	group, summary, body *columns.Strings
	id, ref              *columns.Blob
	time, at             *columns.Fixed[int64]
	flags                *columns.List[*columns.Dict]
	origin               origin
}

func newFacts() *facts {
	f := &facts{Table: columns.Table{Name: "facts"}}
	t := &f.Table
	f.tenant = columns.Add(t, "tenant", new(columns.Dict))
	f.group = columns.Add(t, "incident_group", new(columns.Strings))
	f.id = columns.Add(t, "fact_id", columns.UUID())
	f.kind = columns.Add(t, "kind", new(columns.Dict))
	f.ref = columns.Add(t, "ref", columns.UUID())
	f.actor = columns.Add(t, "actor", new(columns.Dict))
	f.summary = columns.Add(t, "summary", new(columns.Strings))
	f.time = columns.Add(t, "time", columns.Millis())
	f.flags = columns.Add(t, "flags", columns.DictList())
	f.body = columns.Add(t, "body", new(columns.Strings))
	f.at = columns.Add(t, "at", columns.Millis())
	f.origin = newOrigin(t)
	return f
}

func (f *facts) add(blk *pipeline.Block, r *pipeline.Record, v *pipeline.Fact) {
	f.tenant.Append(v.Tenant)
	f.group.Append(v.Group)
	f.id.Append(v.ID)
	f.kind.Append(v.Kind)
	f.ref.Append(v.Ref)
	f.actor.Append(v.Actor)
	f.summary.Append(v.Summary)
	f.time.Append(int64(v.Time))
	addWords(f.flags, flagsOf(v))
	f.body.AppendBytes(r.Value)
	f.at.Append(int64(r.Time))
	f.origin.add(blk, r)
}

// flagsOf are the flags of what the fact tells.
func flagsOf(v *pipeline.Fact) []string {
	switch {
	case v.Alert != nil:
		return v.Alert.Flags
	case v.Outcome != nil:
		return v.Outcome.Flags
	}
	return nil
}

// alerts is the rows of alert_log: the facts of kind alert.
type alerts struct {
	columns.Table
	tenant, rule, kind, fate            *columns.Dict
	id, trigger, event                  *columns.Blob
	revision                            *columns.Fixed[uint64]
	severity                            *columns.Fixed[uint8]
	title, group, incidentGroup         *columns.Strings
	tactics, techniques, sources, flags *columns.List[*columns.Dict]
	entities                            *columns.Pairs
	signals                             *columns.Fixed[uint32]
	evidence                            *columns.List[*columns.Blob]
	risk                                *columns.Fixed[float32]
	occurred, triggered, ingested, at   *columns.Fixed[int64]
	normalised                          *columns.MaybeMillis
	origin                              origin
}

func newAlerts() *alerts {
	a := &alerts{Table: columns.Table{Name: "alert_log"}}
	t := &a.Table
	a.tenant = columns.Add(t, "tenant", new(columns.Dict))
	a.rule = columns.Add(t, "rule", new(columns.Dict))
	a.kind = columns.Add(t, "kind", new(columns.Dict))
	a.id = columns.Add(t, "alert_id", columns.UUID())
	a.revision = columns.Add(t, "revision", columns.UInt64())
	a.severity = columns.Add(t, "severity", columns.UInt8())
	a.title = columns.Add(t, "title", new(columns.Strings))
	a.tactics = columns.Add(t, "tactics", columns.DictList())
	a.techniques = columns.Add(t, "techniques", columns.DictList())
	a.sources = columns.Add(t, "sources", columns.DictList())
	a.group = columns.Add(t, "group_key", new(columns.Strings))
	a.incidentGroup = columns.Add(t, "incident_group", new(columns.Strings))
	a.entities = columns.Add(t, "entities", new(columns.Pairs))
	a.signals = columns.Add(t, "signals", columns.UInt32())
	a.evidence = columns.Add(t, "evidence", columns.UUIDList())
	a.trigger = columns.Add(t, "trigger", columns.UUID())
	a.event = columns.Add(t, "event_id", columns.UUID())
	a.risk = columns.Add(t, "risk", columns.Float32())
	a.fate = columns.Add(t, "fate", new(columns.Dict))
	a.flags = columns.Add(t, "flags", columns.DictList())
	a.occurred = columns.Add(t, "occurred", columns.Millis())
	a.triggered = columns.Add(t, "triggered", columns.Millis())
	a.ingested = columns.Add(t, "ingested", columns.Millis())
	a.normalised = columns.Add(t, "normalised", new(columns.MaybeMillis))
	a.at = columns.Add(t, "at", columns.Millis())
	a.origin = newOrigin(t)
	return a
}

// add appends the alert that the fact tells.
func (a *alerts) add(blk *pipeline.Block, r *pipeline.Record, f *pipeline.Fact, times pipeline.Times) {
	v := f.Alert
	a.tenant.Append(v.Tenant)
	a.rule.Append(v.Rule)
	a.kind.Append(v.Kind)
	a.id.Append(v.ID)
	a.revision.Append(v.Revision)
	a.severity.Append(v.Severity)
	a.title.Append(v.Title)
	addWords(a.tactics, v.Tactics)
	addWords(a.techniques, v.Techniques)
	addWords(a.sources, v.Sources)
	addGroup(a.group, v.Group)
	a.incidentGroup.Append(f.Group)
	addEntities(a.entities, v.Entities)
	a.signals.Append(v.Signals)
	addIDs(a.evidence, v.Evidence)
	a.trigger.Append(v.Trigger)
	a.event.Append(v.Event)
	a.risk.Append(float32(v.Risk))
	a.fate.Append(v.Fate)
	addWords(a.flags, v.Flags)
	a.occurred.Append(int64(v.Occurred))
	a.triggered.Append(int64(v.Triggered))
	a.ingested.Append(int64(v.Ingested))
	a.normalised.Append(int64(times.Normalised))
	a.at.Append(int64(r.Time))
	a.origin.add(blk, r)
}
