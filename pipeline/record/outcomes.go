package record

import (
	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// outcomes is the rows of the table of that name.
type outcomes struct {
	columns.Table
	tenant, connector, action, effect, step, targetKind *columns.Dict
	phase, state, fault, actor                          *columns.Dict
	id, incident                                        *columns.Blob
	seq                                                 *columns.Fixed[uint32]
	group, target, vendorRef, detail, result            *columns.Strings
	attempt                                             *columns.Fixed[uint16]
	started, done, expires                              *columns.MaybeMillis
	already                                             *columns.Fixed[uint8]
	flags                                               *columns.List[*columns.Dict]
	at                                                  *columns.Fixed[int64]
	origin                                              origin
}

func newOutcomes() *outcomes {
	o := &outcomes{Table: columns.Table{Name: "outcomes"}}
	t := &o.Table
	o.tenant = columns.Add(t, "tenant", new(columns.Dict))
	o.id = columns.Add(t, "intent_id", columns.UUID())
	o.seq = columns.Add(t, "seq", columns.UInt32())
	o.incident = columns.Add(t, "incident_id", columns.UUID())
	o.group = columns.Add(t, "incident_group", new(columns.Strings))
	o.connector = columns.Add(t, "connector", new(columns.Dict))
	o.action = columns.Add(t, "action", new(columns.Dict))
	o.effect = columns.Add(t, "effect", new(columns.Dict))
	o.step = columns.Add(t, "step", new(columns.Dict))
	o.targetKind = columns.Add(t, "target_kind", new(columns.Dict))
	o.target = columns.Add(t, "target", new(columns.Strings))
	o.phase = columns.Add(t, "phase", new(columns.Dict))
	o.state = columns.Add(t, "state", new(columns.Dict))
	o.attempt = columns.Add(t, "attempt", columns.UInt16())
	o.started = columns.Add(t, "started", new(columns.MaybeMillis))
	o.done = columns.Add(t, "done", new(columns.MaybeMillis))
	o.expires = columns.Add(t, "expires", new(columns.MaybeMillis))
	o.vendorRef = columns.Add(t, "vendor_ref", new(columns.Strings))
	o.already = columns.Add(t, "already", columns.Bool())
	o.fault = columns.Add(t, "fault", new(columns.Dict))
	o.detail = columns.Add(t, "detail", new(columns.Strings))
	o.result = columns.Add(t, "result", new(columns.Strings))
	o.flags = columns.Add(t, "flags", columns.DictList())
	o.actor = columns.Add(t, "actor", new(columns.Dict))
	o.at = columns.Add(t, "at", columns.Millis())
	o.origin = newOrigin(t)
	return o
}

func (o *outcomes) add(blk *pipeline.Block, r *pipeline.Record, v *pipeline.Outcome) {
	o.tenant.Append(v.Tenant)
	o.id.Append(v.Intent)
	o.seq.Append(v.Seq)
	o.incident.Append(v.Incident)
	o.group.Append(v.Group)
	o.connector.Append(v.Connector)
	o.action.Append(v.Action)
	o.effect.Append(string(v.Effect))
	o.step.Append(v.Step)
	o.targetKind.Append(v.Target.Kind)
	o.target.Append(v.Target.Value)
	o.phase.Append(v.Phase)
	o.state.Append(v.State)
	o.attempt.Append(v.Attempt)
	o.started.Append(int64(v.Started))
	o.done.Append(int64(v.Done))
	o.expires.Append(int64(v.Expires))
	o.vendorRef.Append(v.VendorRef)
	o.already.Append(truth(v.Already))
	o.fault.Append(v.Fault)
	o.detail.Append(v.Detail)
	o.result.AppendBytes(v.Result)
	addWords(o.flags, v.Flags)
	o.actor.Append(v.Actor)
	o.at.Append(int64(r.Time))
	o.origin.add(blk, r)
}
