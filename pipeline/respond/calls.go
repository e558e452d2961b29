package respond

import (
	"slices"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
)

func duration(d config.Duration) time.Duration { return time.Duration(d) }

const (
	defaultTimeout = 30 * time.Second
	// lostAfter is how much longer than its timeout a call may take before it counts as lost.
	// The runtime queues calls behind others of the same target, hence the length.
	lostAfter = 2 * time.Minute
)

// wake looks, once after a restore, at the calls that were under way: their results went
// down with the process that made them.
func (p *pass) wake() {
	if p.awake {
		return
	}
	p.awake = true
	for key, l := range p.leases.All() {
		if l.Due != 0 && !l.Waiting {
			p.due.Add(int64(l.Due), key)
		}
	}
	for _, key := range p.underWay() {
		p.lost(p.leases.Edit(key))
	}
	p.restore()
}

func (p *pass) underWay() (keys []string) {
	for key, l := range p.leases.All() {
		if l.Waiting {
			keys = append(keys, key)
		}
	}
	return keys
}

// lost treats a call that will not come back as one whose effect may have happened.
func (p *pass) lost(l *lease) {
	l.Waiting, l.Due = false, 0
	p.result(l, result{fault: pipeline.FaultUnknown, reason: FaultLost, started: l.Started, done: p.now})
}

// plan puts the lease's next moment into the index.
func (p *pass) plan(l *lease) {
	if l.Due != 0 {
		p.due.Add(int64(l.Due), l.Intent.ID.View())
	}
}

// reached does what is due.
func (p *pass) reached(l *lease) {
	switch {
	case l.Waiting:
		p.lost(l)
	case l.State == statePlaced:
		p.expire(l)
	case l.State == stateEnded:
		p.leases.Delete(l.Intent.ID.View())
	case l.State == stateQueued:
	default:
		p.call(l)
	}
}

// enter brings the lease into a state that begins with a call.
func (p *pass) enter(l *lease, state string) {
	patience := duration(p.cfg.VerifyFor)
	if state == stateUndoing {
		patience = duration(p.cfg.UndoFor)
	}
	if state == stateRenewing {
		l.Cycle++ // longer is something else than before
	}
	l.State, l.Attempt, l.Until = state, 0, p.now.Add(patience)
	p.call(l)
}

// call asks for the operation of the lease's state. The batch's commit makes durable that
// it was started, before the runtime makes it.
func (p *pass) call(l *lease) {
	op := pipeline.OpCheck
	switch l.State {
	case stateApplying, stateRenewing:
		op = pipeline.OpApply
	case stateUndoing:
		op = pipeline.OpUndo
	}
	l.Attempt++
	if l.State == stateApplying {
		l.Tries++
		l.Tried, l.Attempt = true, l.Tries
		l.Expires = p.expiry(&l.Intent)
	}
	l.Call++
	l.Waiting, l.Started = true, p.now
	spec, _ := p.spec(&l.Intent)
	timeout := spec.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	l.Due = p.now.Add(timeout + lostAfter)
	p.plan(l)
	p.b.Calls = append(p.b.Calls, pipeline.Call{Connector: l.Intent.Connector, Op: op, Action: p.action(l), Seq: l.Call})
}

// action makes the connector's view of a lease.
func (p *pass) action(l *lease) pipeline.Action {
	in := &l.Intent
	a := pipeline.Action{
		Intent: in.ID, Attempt: l.Attempt, Cycle: l.Cycle, Tenant: in.Tenant, Incident: in.Incident, Name: in.Action, Target: in.Target,
		Params: in.Params, Text: in.Text, Priority: in.Priority, VendorRef: l.Ref, Demo: slices.Contains(in.Flags, "demo"),
	}
	if l.Expires != 0 {
		a.Expires = l.Expires.Add(duration(p.cfg.Grace))
	}
	return a
}

// again lets some time pass before the operation of the state is tried once more.
func (p *pass) again(l *lease, after time.Duration) {
	l.Due = p.now.Add(max(after, p.cfg.wait(l.Intent.ID, l.Attempt)))
	p.plan(l)
}

func (p *pass) poll(l *lease, after time.Duration) {
	l.Due = p.now.Add(max(after, duration(p.cfg.PollEvery)))
	p.plan(l)
}

// place notes that the effect is in place, as far as anybody can tell, and lets the next
// lease work on it.
func (p *pass) place(l *lease, t told) {
	l.State, l.Due = statePlaced, l.Expires
	p.plan(l)
	e := p.effects.Edit(effectKey(&l.Intent))
	if !slices.Contains(e.Holders, l.Intent.ID) {
		e.Holders = append(e.Holders, l.Intent.ID)
	}
	p.tell(l, t)
	if l.Release {
		p.takeBack(l)
		return
	}
	p.yield(l)
}

// expire ends a lease whose time is over.
func (p *pass) expire(l *lease) {
	t := told{phase: pipeline.PhaseExpire, state: pipeline.StateInPlace, already: l.Already}
	switch l.Intent.OnExpiry {
	case "keep":
		p.tell(l, t)
		e := p.effects.Edit(effectKey(&l.Intent))
		e.Holders = without(e.Holders, l.Intent.ID)
		p.over(l, endDone)
	case "ask":
		t.fault = FaultAsk
		l.Expires, l.Due = 0, 0
		p.tell(l, t)
	default:
		p.tell(l, t)
		p.giveBack(l)
	}
}

// over ends a lease and lets the next one work on the effect.
func (p *pass) over(l *lease, end string) {
	l.State, l.End, l.Waiting, l.Release = stateEnded, end, false, false
	l.Due = p.now.Add(duration(p.cfg.Keep))
	p.plan(l)
	p.yield(l)
	if next := l.Next; next != nil {
		p.begin(l, next, l.Decided)
	}
}
