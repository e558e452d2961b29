package respond

import (
	"encoding/json"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// result is what a call came to.
type result struct {
	state         pipeline.State
	fault         pipeline.Fault
	reason        string
	detail        string
	after         time.Duration // the server's wish
	started, done pipeline.Millis
}

// returned takes the result of a call, unless the lease does not wait for it any more.
func (p *pass) returned(r *pipeline.Return) {
	if r.Call.Op == pipeline.OpRestore || r.Call.Op == pipeline.OpRestored {
		p.restored(r)
		return
	}
	key := r.Call.Action.Intent.View()
	if l := p.leases.Get(key); l == nil || !l.Waiting || l.Call != r.Call.Seq {
		return
	}
	l := p.leases.Edit(key)
	l.Waiting, l.Due = false, 0
	res := result{state: r.State, started: r.Started, done: r.Done}
	if r.Err != nil {
		res.fault, res.reason = pipeline.FaultOf(r.Err)
		res.detail, res.after = clip(r.Err.Error(), 512), pipeline.RetryAfter(r.Err)
		if res.fault == pipeline.FaultNone { // interrupted on our side: it may have happened
			res.fault = pipeline.FaultUnknown
		}
	}
	p.result(l, res)
}

func (p *pass) result(l *lease, r result) {
	switch l.State {
	case stateChecking:
		p.checked(l, r)
	case stateApplying:
		p.applied(l, r)
	case stateVerifying:
		p.verified(l, r)
	case stateRenewing:
		p.renewed(l, r)
	case stateUndoing:
		p.undone(l, r)
	case stateChecking2:
		p.gone(l, r)
	}
}

// says makes an outcome of a result.
func (r *result) says(phase, state string) told {
	return told{
		phase: phase, state: state, fault: r.reason, detail: r.detail,
		started: r.started, done: r.done, result: r.state.Result,
	}
}

// impatient reports whether the state has lasted long enough.
func (p *pass) impatient(l *lease) bool { return p.now >= l.Until }

// checked decides what to do when the connector said what is in place.
func (p *pass) checked(l *lease, r result) {
	if r.fault != pipeline.FaultNone {
		p.uncheckable(l, r)
		return
	}
	if r.state.VendorRef != "" {
		l.Ref = r.state.VendorRef
	}
	if l.Intent.Mode == "shadow" {
		p.tell(l, r.says(pipeline.PhaseCheck, r.state.State))
		p.refuse(l, FaultShadow)
		return
	}
	switch r.state.State {
	case pipeline.StateInPlace:
		p.found(l, r)
	case pipeline.StatePending:
		if p.impatient(l) {
			p.unknown(l, r, pipeline.PhaseCheck, FaultPatience)
			return
		}
		p.poll(l, r.after)
	case pipeline.StateAbsent:
		p.tell(l, r.says(pipeline.PhaseCheck, pipeline.StateAbsent))
		if l.Tried {
			l.Cycle++ // it did not come about, or is gone: not a repetition
		}
		p.attempt(l, r)
	default: // it cannot tell
		if l.Tried && !p.repeatable(l) {
			p.unknown(l, r, pipeline.PhaseCheck, "")
			return
		}
		p.attempt(l, r)
	}
}

// found notes that the effect is in place: ours if we tried before, else somebody else's.
func (p *pass) found(l *lease, r result) {
	l.Already = !l.Tried
	t := r.says(pipeline.PhaseVerify, pipeline.StateInPlace)
	if l.Already {
		t.phase, t.already = pipeline.PhaseCheck, true
	}
	if l.Intent.Effect.Containing() {
		p.place(l, t)
		return
	}
	p.tell(l, t)
	p.sent(l)
}

// uncheckable waits until the check works. A check changes nothing, so it may be repeated
// whatever became of it.
func (p *pass) uncheckable(l *lease, r result) {
	switch {
	case r.fault != pipeline.FaultReject && !p.impatient(l):
		p.again(l, r.after)
	case l.Tried:
		p.unknown(l, r, pipeline.PhaseCheck, "")
	default:
		p.tell(l, r.says(pipeline.PhaseCheck, pipeline.StateFailed))
		p.over(l, endFailed)
	}
}

// attempt brings the effect about, unless nobody wants it any more or it was tried enough.
func (p *pass) attempt(l *lease, r result) {
	switch {
	case l.Release:
		p.tell(l, told{phase: pipeline.PhaseUndo, state: pipeline.StateAbsent})
		p.over(l, endUndone)
	case int(l.Tries) >= p.cfg.MaxAttempts:
		t := r.says(pipeline.PhaseApply, pipeline.StateFailed)
		t.fault = FaultAttempts
		p.tell(l, t)
		p.over(l, endFailed)
	default:
		p.enter(l, stateApplying)
	}
}

// repeatable reports whether doing it again under the same id does nothing twice.
func (p *pass) repeatable(l *lease) bool {
	spec, _ := p.spec(&l.Intent)
	return spec.Idempotency == pipeline.IdemExternalID
}

// unknown ends a lease of which nobody knows whether it has its effect.
func (p *pass) unknown(l *lease, r result, phase, fault string) {
	t := r.says(phase, pipeline.StateUnknown)
	if fault != "" {
		t.fault = fault
	}
	p.tell(l, t)
	p.over(l, endUnknown)
}

// applied decides what to do after a try to bring the effect about.
func (p *pass) applied(l *lease, r result) {
	switch r.fault {
	case pipeline.FaultNone:
	case pipeline.FaultReject:
		p.tell(l, r.says(pipeline.PhaseApply, pipeline.StateFailed))
		p.over(l, endFailed)
		return
	case pipeline.FaultRetry:
		if int(l.Tries) >= p.cfg.MaxAttempts {
			p.attempt(l, r)
			return
		}
		p.again(l, r.after)
		return
	default:
		p.doubt(l, r)
		return
	}
	if r.state.VendorRef != "" {
		l.Ref = r.state.VendorRef
	}
	switch r.state.State {
	case pipeline.StateInPlace:
		p.tell(l, r.says(pipeline.PhaseApply, pipeline.StateInPlace))
		if !l.Intent.Effect.Containing() {
			p.sent(l)
			return
		}
		p.enter(l, stateVerifying)
	case pipeline.StatePending:
		p.tell(l, r.says(pipeline.PhaseApply, pipeline.StatePending))
		l.State, l.Attempt, l.Until = stateVerifying, 0, p.now.Add(duration(p.cfg.VerifyFor))
		p.poll(l, r.after)
	case pipeline.StateAbsent:
		if int(l.Tries) >= p.cfg.MaxAttempts {
			p.attempt(l, r)
			return
		}
		p.again(l, r.after)
	default:
		p.doubt(l, r)
	}
}

// sent ends the lease of a notification.
func (p *pass) sent(l *lease) {
	released := l.Release
	p.over(l, endDone)
	if spec, _ := p.spec(&l.Intent); released && spec.Undo && l.State == stateEnded {
		p.enter(l, stateUndoing)
	}
}

// doubt decides what to do about a call that may have had its effect (I4).
func (p *pass) doubt(l *lease, r result) {
	spec, _ := p.spec(&l.Intent)
	switch {
	case spec.Idempotency == pipeline.IdemNone || spec.Idempotency == "" || int(l.Tries) >= p.cfg.MaxAttempts && p.repeatable(l):
		p.unknown(l, r, pipeline.PhaseApply, "")
	case p.repeatable(l):
		p.again(l, r.after)
	default:
		l.State, l.Until = stateChecking, p.now.Add(duration(p.cfg.VerifyFor))
		p.again(l, r.after)
	}
}

// verified decides what to do when the connector said whether the effect came about.
func (p *pass) verified(l *lease, r result) {
	if r.fault != pipeline.FaultNone {
		if r.fault != pipeline.FaultReject && !p.impatient(l) {
			p.poll(l, r.after)
			return
		}
		p.place(l, r.says(pipeline.PhaseVerify, pipeline.StateUnknown))
		return
	}
	switch r.state.State {
	case pipeline.StateInPlace:
		p.place(l, r.says(pipeline.PhaseVerify, pipeline.StateInPlace))
	case pipeline.StatePending:
		if !p.impatient(l) {
			p.poll(l, r.after)
			return
		}
		t := r.says(pipeline.PhaseVerify, pipeline.StateUnknown)
		t.fault = FaultPatience
		p.place(l, t)
	case pipeline.StateAbsent:
		if int(l.Tries) < p.cfg.MaxAttempts && !l.Release {
			l.State = stateApplying
			l.Cycle++
			p.again(l, r.after)
			return
		}
		p.attempt(l, r)
	default:
		p.place(l, r.says(pipeline.PhaseVerify, pipeline.StateUnknown))
	}
}

// renewed decides what to do after a try to make the effect last longer. If that does not
// work the effect ends when it was to end before.
func (p *pass) renewed(l *lease, r result) {
	if r.fault == pipeline.FaultNone {
		p.place(l, r.says(pipeline.PhaseRenew, pipeline.StateInPlace))
		return
	}
	if r.fault != pipeline.FaultReject && int(l.Attempt) < p.cfg.MaxAttempts {
		p.again(l, r.after)
		return
	}
	p.place(l, r.says(pipeline.PhaseRenew, pipeline.StateFailed))
}

// undone decides what to do after a try to take the effect back.
func (p *pass) undone(l *lease, r result) {
	spec, _ := p.spec(&l.Intent)
	switch {
	case r.fault == pipeline.FaultNone:
		p.tell(l, r.says(pipeline.PhaseUndo, pipeline.StateAbsent))
		if l.Intent.Effect.Containing() && checkable(spec) {
			l.State = stateChecking2
			p.call(l)
			return
		}
		p.over(l, endUndone)
	case r.fault == pipeline.FaultReject:
		p.tell(l, r.says(pipeline.PhaseUndo, pipeline.StateFailed))
		p.over(l, endFailed)
	case r.fault != pipeline.FaultRetry && spec.Idempotency == pipeline.IdemNone || p.impatient(l):
		p.unknown(l, r, pipeline.PhaseUndo, "")
	default:
		p.again(l, r.after)
	}
}

// gone decides what to do when the connector said whether the effect is gone.
func (p *pass) gone(l *lease, r result) {
	switch {
	case r.fault == pipeline.FaultNone && r.state.State == pipeline.StateAbsent:
		p.tell(l, r.says(pipeline.PhaseVerifyUndo, pipeline.StateAbsent))
		p.over(l, endUndone)
	case p.impatient(l) && r.fault == pipeline.FaultNone && r.state.State == pipeline.StateInPlace:
		p.tell(l, r.says(pipeline.PhaseVerifyUndo, pipeline.StateFailed))
		p.over(l, endFailed)
	case p.impatient(l) || r.fault == pipeline.FaultReject || r.fault == pipeline.FaultNone && r.state.State == pipeline.StateUnknown:
		p.unknown(l, r, pipeline.PhaseVerifyUndo, "")
	case r.fault == pipeline.FaultNone && r.state.State == pipeline.StateInPlace:
		l.State = stateUndoing
		p.again(l, r.after)
	default:
		p.poll(l, r.after)
	}
}

// told is what an outcome says beside its lease.
type told struct {
	phase, state  string
	fault, detail string
	already       bool
	started, done pipeline.Millis
	result        json.RawMessage
}

// clip cuts s to at most n bytes, at a character's edge.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
