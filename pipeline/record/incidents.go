package record

import (
	"cmp"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// incidents is the rows of incident_log: the incident of each revision.
type incidents struct {
	columns.Table
	tenant, status, owner, from, mode, disposition, factKind *columns.Dict
	id, mergedInto, fact, factRef                            *columns.Blob
	group, title                                             *columns.Strings
	revision                                                 *columns.Fixed[uint64]
	priority, wantsAction, wantsHuman                        *columns.Fixed[uint8]
	rules, tactics, techniques, sources, flags               *columns.List[*columns.Dict]
	entities                                                 *columns.Pairs
	alerts                                                   *columns.Fixed[uint32]
	alertIDs                                                 *columns.List[*columns.Blob]
	reopened                                                 *columns.Fixed[uint16]
	occurred, triggered, ingested, detected, at              *columns.Fixed[int64]
	maybe                                                    [maybeTimes]*columns.MaybeMillis
	origin                                                   origin
}

// maybeTimes is how many times of an incident may be absent.
const maybeTimes = 9

func newIncidents() *incidents {
	n := &incidents{Table: columns.Table{Name: "incident_log"}}
	t := &n.Table
	n.tenant = columns.Add(t, "tenant", new(columns.Dict))
	n.id = columns.Add(t, "incident_id", columns.UUID())
	n.group = columns.Add(t, "incident_group", new(columns.Strings))
	n.revision = columns.Add(t, "revision", columns.UInt64())
	n.status = columns.Add(t, "status", new(columns.Dict))
	n.priority = columns.Add(t, "priority", columns.UInt8())
	n.title = columns.Add(t, "title", new(columns.Strings))
	n.rules = columns.Add(t, "rules", columns.DictList())
	n.tactics = columns.Add(t, "tactics", columns.DictList())
	n.techniques = columns.Add(t, "techniques", columns.DictList())
	n.sources = columns.Add(t, "sources", columns.DictList())
	n.entities = columns.Add(t, "entities", new(columns.Pairs))
	n.alerts = columns.Add(t, "alerts", columns.UInt32())
	n.alertIDs = columns.Add(t, "alert_ids", columns.UUIDList())
	n.owner = columns.Add(t, "owner", new(columns.Dict))
	n.from = columns.Add(t, "origin", new(columns.Dict))
	n.mode = columns.Add(t, "mode", new(columns.Dict))
	n.disposition = columns.Add(t, "disposition", new(columns.Dict))
	n.wantsAction = columns.Add(t, "wants_action", columns.Bool())
	n.wantsHuman = columns.Add(t, "wants_human", columns.Bool())
	n.reopened = columns.Add(t, "reopened", columns.UInt16())
	n.mergedInto = columns.Add(t, "merged_into", columns.UUID())
	n.flags = columns.Add(t, "flags", columns.DictList())
	n.addTimes()
	n.origin = newOrigin(t)
	return n
}

// addTimes registers the times and the fact that made the revision.
func (n *incidents) addTimes() {
	t := &n.Table
	n.occurred = columns.Add(t, "occurred", columns.Millis())
	n.triggered = columns.Add(t, "triggered", columns.Millis())
	n.ingested = columns.Add(t, "ingested", columns.Millis())
	n.detected = columns.Add(t, "detected", columns.Millis())
	for i, name := range [maybeTimes]string{
		"normalised", "decided", "acknowledged", "approved", "action_started", "action_done", "verified", "closed", "first_closed",
	} {
		n.maybe[i] = columns.Add(t, name, new(columns.MaybeMillis))
	}
	n.fact = columns.Add(t, "fact_id", columns.UUID())
	n.factKind = columns.Add(t, "fact_kind", new(columns.Dict))
	n.factRef = columns.Add(t, "fact_ref", columns.UUID())
	n.at = columns.Add(t, "at", columns.Millis())
}

func (n *incidents) add(blk *pipeline.Block, r *pipeline.Record, rev *pipeline.Revision, times pipeline.Times) {
	v := &rev.Incident
	n.tenant.Append(v.Tenant)
	n.id.Append(v.ID)
	n.group.Append(v.Group)
	n.revision.Append(v.Revision)
	n.status.Append(v.Status)
	n.priority.Append(v.Priority)
	n.title.Append(v.Title)
	addWords(n.rules, v.Rules)
	addWords(n.tactics, v.Tactics)
	addWords(n.techniques, v.Techniques)
	addWords(n.sources, v.Sources)
	addEntities(n.entities, v.Entities)
	n.alerts.Append(v.AlertCount)
	addIDs(n.alertIDs, v.Alerts)
	n.owner.Append(v.Owner)
	n.from.Append(modeOf(&rev.Decision))
	n.mode.Append(v.Mode)
	n.disposition.Append(v.Disposition)
	n.wantsAction.Append(truth(v.WantsAction))
	n.wantsHuman.Append(truth(v.WantsHuman))
	n.reopened.Append(v.Reopened)
	n.mergedInto.Append(v.MergedInto)
	addWords(n.flags, v.Flags)
	n.appendTimes(r, v, times)
	n.fact.Append(rev.Fact.ID)
	n.factKind.Append(rev.Fact.Kind)
	n.factRef.Append(rev.Fact.Ref)
	n.at.Append(int64(r.Time))
	n.origin.add(blk, r)
}

// appendTimes appends the times of the value, of the header and of the record. The first
// decision is in the record that carries revision 1, so that record's time is its time; a
// later revision knows it only if a fact has told it.
func (n *incidents) appendTimes(r *pipeline.Record, v *pipeline.Incident, t pipeline.Times) {
	n.occurred.Append(int64(v.Occurred))
	n.triggered.Append(int64(v.Triggered))
	n.ingested.Append(int64(v.Ingested))
	n.detected.Append(int64(cmp.Or(t.Detected, r.Time)))
	decided := t.Decided
	if v.Revision == 1 {
		decided = r.Time
	}
	for i, at := range [maybeTimes]pipeline.Millis{
		t.Normalised, decided, t.Acknowledged, t.Approved, v.ActionStarted, v.ActionDone, t.Verified, t.Closed, t.FirstClosed,
	} {
		n.maybe[i].Append(int64(at))
	}
}

// modeOf is the decision's mode: live unless it says otherwise.
func modeOf(d *pipeline.Decision) string { return cmp.Or(d.Mode, "live") }
