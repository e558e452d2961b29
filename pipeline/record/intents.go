package record

import (
	"math"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// intents is the rows of the table of that name.
type intents struct {
	columns.Table
	tenant, want, playbook, step, action, effect, connector *columns.Dict
	targetKind, mode, verdict, onExpiry                     *columns.Dict
	id, incident, decision                                  *columns.Blob
	revision                                                *columns.Fixed[uint64]
	group, target, digest, body                             *columns.Strings
	why                                                     *columns.List[*columns.Strings]
	codes, approvedBy, flags                                *columns.List[*columns.Dict]
	approvals, priority                                     *columns.Fixed[uint8]
	ttl                                                     *columns.Fixed[uint32]
	time, at                                                *columns.Fixed[int64]
	origin                                                  origin
}

func newIntents() *intents {
	n := &intents{Table: columns.Table{Name: "intents"}}
	t := &n.Table
	n.tenant = columns.Add(t, "tenant", new(columns.Dict))
	n.id = columns.Add(t, "intent_id", columns.UUID())
	n.revision = columns.Add(t, "revision", columns.UInt64())
	n.want = columns.Add(t, "want", new(columns.Dict))
	n.incident = columns.Add(t, "incident_id", columns.UUID())
	n.group = columns.Add(t, "incident_group", new(columns.Strings))
	n.decision = columns.Add(t, "decision_id", columns.UUID())
	n.playbook = columns.Add(t, "playbook", new(columns.Dict))
	n.step = columns.Add(t, "step", new(columns.Dict))
	n.action = columns.Add(t, "action", new(columns.Dict))
	n.effect = columns.Add(t, "effect", new(columns.Dict))
	n.connector = columns.Add(t, "connector", new(columns.Dict))
	n.targetKind = columns.Add(t, "target_kind", new(columns.Dict))
	n.target = columns.Add(t, "target", new(columns.Strings))
	n.mode = columns.Add(t, "mode", new(columns.Dict))
	n.verdict = columns.Add(t, "verdict", new(columns.Dict))
	n.why = columns.Add(t, "why", columns.StringList())
	n.codes = columns.Add(t, "why_codes", columns.DictList())
	n.approvals = columns.Add(t, "approvals", columns.UInt8())
	n.approvedBy = columns.Add(t, "approved_by", columns.DictList())
	n.ttl = columns.Add(t, "ttl", columns.UInt32())
	n.onExpiry = columns.Add(t, "on_expiry", new(columns.Dict))
	n.priority = columns.Add(t, "priority", columns.UInt8())
	n.digest = columns.Add(t, "digest", new(columns.Strings))
	n.flags = columns.Add(t, "flags", columns.DictList())
	n.body = columns.Add(t, "body", new(columns.Strings))
	n.time = columns.Add(t, "time", columns.Millis())
	n.at = columns.Add(t, "at", columns.Millis())
	n.origin = newOrigin(t)
	return n
}

func (n *intents) add(blk *pipeline.Block, r *pipeline.Record, v *pipeline.Intent) {
	n.tenant.Append(v.Tenant)
	n.id.Append(v.ID)
	n.revision.Append(v.Revision)
	n.want.Append(v.Want)
	n.incident.Append(v.Incident)
	n.group.Append(v.Group)
	n.decision.Append(v.Decision)
	n.playbook.Append(v.Playbook)
	n.step.Append(v.Step)
	n.action.Append(v.Action)
	n.effect.Append(string(v.Effect))
	n.connector.Append(v.Connector)
	n.targetKind.Append(v.Target.Kind)
	n.target.Append(v.Target.Value)
	n.mode.Append(v.Mode)
	n.verdict.Append(v.Verdict)
	for i := range v.Reasons {
		n.codes.Elems.Append(v.Reasons[i].Code)
		n.why.Elems.Append(v.Reasons[i].Text)
	}
	n.codes.End()
	n.why.End()
	n.approvals.Append(uint8(min(max(v.Need, 0), math.MaxUint8)))
	addWords(n.approvedBy, v.Got)
	n.ttl.Append(uint32(min(max(v.TTL, 0), math.MaxUint32)))
	n.onExpiry.Append(v.OnExpiry)
	n.priority.Append(v.Priority)
	n.digest.Append(v.Digest)
	addWords(n.flags, v.Flags)
	n.body.AppendBytes(r.Value)
	n.time.Append(int64(v.Created))
	n.at.Append(int64(r.Time))
	n.origin.add(blk, r)
}
