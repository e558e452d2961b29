package pipeline

import (
	"context"
	"maps"
	"strings"
)

// Pulse is a link of ingest that tells the stages behind TopicSignals that its source is
// alive: for each tenant a Control once a minute of event time. Nothing of it is in the
// state: after a restart a minute may be told twice. The zero value is ready to use; one
// instance serves one partition.
type Pulse struct {
	told  map[string]int64 // by tenant: the newest minute told
	fresh map[string]int64 // not committed yet
}

var _ Stage = (*Pulse)(nil)

// maxPulses bounds how many tenants are remembered; the others are told again.
const maxPulses = 10_000

// Process emits a Control for each tenant whose newest live event is of a new minute.
func (p *Pulse) Process(_ context.Context, b *Batch) error {
	if p.told == nil || len(p.told) > maxPulses {
		p.told, p.fresh = map[string]int64{}, map[string]int64{}
	}
	for i := range b.Events {
		e := &b.Events[i]
		m := int64(e.At) / 60_000
		if e.Fate != FateLive || m <= max(p.told[e.Tenant], p.fresh[e.Tenant]) {
			continue
		}
		p.fresh[strings.Clone(e.Tenant)] = m
		b.Control(&Control{Kind: ControlAlive, Tenant: e.Tenant, Source: e.Source, At: e.At})
	}
	return nil
}

// Commit tells that what was emitted is committed.
func (p *Pulse) Commit() {
	maps.Copy(p.told, p.fresh)
	clear(p.fresh)
}

// Rollback tells that what was emitted since the last Commit was not.
func (p *Pulse) Rollback() { clear(p.fresh) }
