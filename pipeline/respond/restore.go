package respond

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// restoring is the work of telling connectors that hold their effects in memory what is in
// place, after a start. It is not part of the state: every start does it anew.
type restoring struct {
	now, was map[string]map[pipeline.ID]bool // connector -> leases not yet applied to it
	seq      uint64
}

func (r *restoring) commit() {
	if r.now != nil || r.was != nil {
		r.was = cloneRestoring(r.now)
	}
}

func (r *restoring) rollback() { r.now = cloneRestoring(r.was) }

func cloneRestoring(m map[string]map[pipeline.ID]bool) map[string]map[pipeline.ID]bool {
	if m == nil {
		return nil
	}
	out := make(map[string]map[pipeline.ID]bool, len(m))
	for k, v := range m {
		out[k] = maps.Clone(v)
	}
	return out
}

// restore applies every lease in place of a volatile connector to it again.
func (p *pass) restore() {
	r := &p.restoring
	r.now = map[string]map[pipeline.ID]bool{}
	for name, actions := range p.actions {
		for _, a := range actions {
			if a.Volatile {
				r.now[name] = map[pipeline.ID]bool{}
			}
		}
	}
	if len(r.now) == 0 {
		return
	}
	for _, l := range p.leases.All() {
		held := l.State == statePlaced || l.State == stateRenewing || l.State == stateQueued && l.Release
		if left := r.now[l.Intent.Connector]; left != nil && held && !l.Already {
			left[l.Intent.ID] = true
			p.ask(l.Intent.Connector, pipeline.OpRestore, p.action(l), 0)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.now)) {
		if len(r.now[name]) == 0 {
			p.whole(name, 0)
		}
	}
}

func (p *pass) ask(connector string, op pipeline.Op, a pipeline.Action, at pipeline.Millis) {
	p.restoring.seq++
	p.b.Calls = append(p.b.Calls, pipeline.Call{Connector: connector, Op: op, Action: a, NotBefore: at, Seq: p.restoring.seq})
}

// restoreRetry is the wait before a lease that could not be restored is tried again.
const restoreRetry = 5 * time.Second

// restored takes the result of a restoring call. A lease that is over meanwhile, or that the
// connector does not want, is not waited for.
func (p *pass) restored(ret *pipeline.Return) {
	c := &ret.Call
	left := p.restoring.now[c.Connector]
	if left == nil {
		return
	}
	fault, _ := pipeline.FaultOf(ret.Err)
	failed := ret.Err != nil && fault != pipeline.FaultReject
	if c.Op == pipeline.OpRestored {
		if failed {
			p.whole(c.Connector, p.now.Add(restoreRetry))
			return
		}
		delete(p.restoring.now, c.Connector)
		return
	}
	l := p.leases.Get(c.Action.Intent.View())
	if failed && l != nil && l.State == statePlaced {
		p.ask(c.Connector, pipeline.OpRestore, c.Action, p.now.Add(restoreRetry))
		return
	}
	if !failed && (l == nil || l.State == stateEnded) { // taken back while this was under way
		p.b.Calls = append(p.b.Calls, pipeline.Call{Connector: c.Connector, Op: pipeline.OpUndo, Action: c.Action})
	}
	delete(left, c.Action.Intent)
	if len(left) == 0 {
		p.whole(c.Connector, 0)
	}
}

// whole tells a connector that it has every lease of this partition, whose number stands in
// Action.VendorRef.
func (p *pass) whole(connector string, at pipeline.Millis) {
	p.ask(connector, pipeline.OpRestored, pipeline.Action{VendorRef: strconv.Itoa(int(p.b.Partition))}, at)
}
