package record

import (
	"encoding/json"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// decisions is the rows of the table of that name: the decision of each revision.
type decisions struct {
	columns.Table
	tenant, mode, bundle, guard, engine, playbook, version, closes *columns.Dict
	incident, id                                                   *columns.Blob
	revision                                                       *columns.Fixed[uint64]
	priority                                                       *columns.Fixed[uint8]
	score                                                          *columns.Fixed[float64]
	codes, flags                                                   *columns.List[*columns.Dict]
	reasons                                                        *columns.List[*columns.Strings]
	steps, added, removed, denied                                  *columns.Fixed[uint16]
	fault, digest, body                                            *columns.Strings
	wakeAt                                                         *columns.MaybeMillis
	at                                                             *columns.Fixed[int64]
	origin                                                         origin
}

func newDecisions() *decisions {
	d := &decisions{Table: columns.Table{Name: "decisions"}}
	t := &d.Table
	d.tenant = columns.Add(t, "tenant", new(columns.Dict))
	d.incident = columns.Add(t, "incident_id", columns.UUID())
	d.revision = columns.Add(t, "revision", columns.UInt64())
	d.id = columns.Add(t, "decision_id", columns.UUID())
	d.mode = columns.Add(t, "mode", new(columns.Dict))
	d.bundle = columns.Add(t, "bundle", new(columns.Dict))
	d.guard = columns.Add(t, "guard", new(columns.Dict))
	d.engine = columns.Add(t, "engine", new(columns.Dict))
	d.priority = columns.Add(t, "priority", columns.UInt8())
	d.score = columns.Add(t, "score", columns.Float64())
	d.playbook = columns.Add(t, "playbook", new(columns.Dict))
	d.version = columns.Add(t, "playbook_version", new(columns.Dict))
	d.codes = columns.Add(t, "reason_codes", columns.DictList())
	d.reasons = columns.Add(t, "reasons", columns.StringList())
	d.steps = columns.Add(t, "steps", columns.UInt16())
	d.added = columns.Add(t, "added", columns.UInt16())
	d.removed = columns.Add(t, "removed", columns.UInt16())
	d.denied = columns.Add(t, "denied", columns.UInt16())
	d.fault = columns.Add(t, "error", new(columns.Strings))
	d.wakeAt = columns.Add(t, "wake_at", new(columns.MaybeMillis))
	d.closes = columns.Add(t, "close", new(columns.Dict))
	d.digest = columns.Add(t, "input_digest", new(columns.Strings))
	d.flags = columns.Add(t, "flags", columns.DictList())
	d.body = columns.Add(t, "body", new(columns.Strings))
	d.at = columns.Add(t, "at", columns.Millis())
	d.origin = newOrigin(t)
	return d
}

func (d *decisions) add(blk *pipeline.Block, r *pipeline.Record, rev *pipeline.Revision, body json.RawMessage) {
	v := &rev.Decision
	d.tenant.Append(rev.Incident.Tenant)
	d.incident.Append(rev.Incident.ID)
	d.revision.Append(rev.Incident.Revision)
	d.id.Append(v.ID)
	d.mode.Append(modeOf(v))
	d.bundle.Append(v.Bundle)
	d.guard.Append(v.Guard)
	d.engine.Append(v.Engine)
	d.priority.Append(v.Priority)
	d.score.Append(v.Score)
	d.playbook.Append(v.Playbook.ID)
	d.version.Append(v.Playbook.Version)
	for i := range v.Reasons {
		d.codes.Elems.Append(v.Reasons[i].Code)
		d.reasons.Elems.Append(v.Reasons[i].Text)
	}
	d.codes.End()
	d.reasons.End()
	d.steps.Append(uint16(len(v.Steps)))
	d.added.Append(v.Added)
	d.removed.Append(v.Removed)
	d.denied.Append(v.Denied)
	d.fault.Append(v.Error)
	d.wakeAt.Append(int64(v.WakeAt))
	d.closes.Append(v.Close)
	d.digest.Append(v.InputDigest)
	addWords(d.flags, rev.Incident.Flags)
	d.body.AppendBytes(body)
	d.at.Append(int64(r.Time))
	d.origin.add(blk, r)
}
