package respond

import (
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// pass is what one batch does to the leases.
type pass struct {
	*Stage
	b   *pipeline.Batch
	now pipeline.Millis // responder's clock
}

// accept takes an intent in and reports whether it was news.
func (p *pass) accept(in *pipeline.Intent, appended pipeline.Millis) bool {
	if in.Want == pipeline.WantPresent && in.Verdict != pipeline.VerdictAllow {
		return true // held back by guard or caps: told already, nothing to carry out
	}
	key := in.ID.View()
	old := p.leases.Get(key)
	switch {
	case in.Want == pipeline.WantAbsent && old == nil:
		return true
	case in.Want == pipeline.WantAbsent && old.Intent.Revision > in.Revision:
		return false
	case in.Want == pipeline.WantAbsent:
		p.release(p.leases.Edit(key), in)
		return true
	case old != nil && in.Revision <= old.Intent.Revision:
		return false
	}
	p.present(p.leases.Edit(key), in, appended)
	return true
}

// present takes in that an effect is wanted: for the first time, longer, or once more.
func (p *pass) present(l *lease, in *pipeline.Intent, appended pipeline.Millis) {
	switch {
	case l.State == "":
		p.begin(l, in, appended)
	case l.State == stateEnded && (l.End == endDone || l.End == endUnknown):
		p.repeat(l, in)
	case l.State == stateEnded:
		p.begin(l, in, appended)
	case l.Release:
		l.Next, l.Decided = in, appended
	case l.State == statePlaced:
		p.renew(l, in)
	default:
		l.Intent = *in // under way: it counts from now on
	}
}

// begin starts a lease, or starts one again that ended without its effect.
func (p *pass) begin(l *lease, in *pipeline.Intent, appended pipeline.Millis) {
	cycle := l.Cycle
	if l.State != "" {
		cycle++
	}
	*l = lease{Intent: *in, Seq: l.Seq, Call: l.Call, Cycle: cycle, State: stateQueued, Decided: appended}
	spec, known := p.spec(in)
	connector := p.actions[in.Connector]
	switch {
	case connector == nil:
		p.refuse(l, FaultNoConnector)
	case !known:
		p.refuse(l, FaultNoAction)
	case !slices.Contains(spec.Targets, pipeline.EntityKindOf(in.Target.Kind)):
		p.refuse(l, FaultBadTarget)
	case p.now.Sub(appended) > duration(p.cfg.MaxAge):
		p.refuse(l, FaultStale)
	case in.Mode == "dry_run":
		p.refuse(l, FaultDryRun)
	case in.Mode == "shadow" && !checkable(spec):
		p.refuse(l, FaultShadow)
	case in.Mode == "shadow":
		p.enter(l, stateChecking)
	default:
		p.turn(l)
	}
}

// checkable reports whether the action's state can be read before it is brought about.
func checkable(spec pipeline.ActionSpec) bool {
	return spec.Idempotency != pipeline.IdemNone && spec.Idempotency != pipeline.IdemExternalID
}

func (p *pass) refuse(l *lease, fault string) {
	p.tell(l, told{phase: pipeline.PhaseRefuse, state: pipeline.StateRefused, fault: fault})
	p.over(l, endRefused)
}

// turn lets the lease work on its effect, or queues it behind the one that does. What only
// notifies is shared by nobody.
func (p *pass) turn(l *lease) {
	if !l.Intent.Effect.Containing() {
		p.start(l)
		return
	}
	e := p.effects.Edit(effectKey(&l.Intent))
	if !e.Busy.IsZero() && e.Busy != l.Intent.ID {
		if !slices.Contains(e.Queue, l.Intent.ID) {
			e.Queue = append(e.Queue, l.Intent.ID)
		}
		return
	}
	e.Busy = l.Intent.ID
	p.start(l)
}

// yield lets the next lease work on the effect.
func (p *pass) yield(l *lease) {
	if !l.Intent.Effect.Containing() {
		return
	}
	key := effectKey(&l.Intent)
	e := p.effects.Edit(key)
	if e.Busy == l.Intent.ID {
		e.Busy = pipeline.ID{}
	}
	e.Queue = without(e.Queue, l.Intent.ID)
	if e.Busy.IsZero() && len(e.Queue) > 0 {
		next := e.Queue[0]
		e.Queue = slices.Delete(e.Queue, 0, 1)
		e.Busy = next
		p.resume(p.leases.Edit(next.View()))
		return
	}
	if e.Busy.IsZero() && len(e.Holders) == 0 {
		p.effects.Delete(key)
	}
}

// resume goes on with a lease whose turn has come.
func (p *pass) resume(l *lease) {
	if l.Release {
		p.takeBack(l)
		return
	}
	p.start(l)
}

// start begins with the effect: look first, where that is possible; share it, where another
// lease has it in place.
func (p *pass) start(l *lease) {
	spec, _ := p.spec(&l.Intent)
	l.Expires = p.expiry(&l.Intent)
	if l.Intent.Effect.Containing() {
		if e := p.effects.Get(effectKey(&l.Intent)); e != nil && len(e.Holders) > 0 {
			p.join(l, e)
			return
		}
	}
	if checkable(spec) {
		p.enter(l, stateChecking)
		return
	}
	p.enter(l, stateApplying)
}

func (p *pass) expiry(in *pipeline.Intent) pipeline.Millis {
	if in.TTL == 0 {
		return 0
	}
	return p.now + pipeline.Millis(in.TTL*1000)
}

// join makes the lease a holder of an effect that is in place for another one. The vendor is
// called only if the effect has to last longer than it does.
func (p *pass) join(l *lease, e *effect) {
	longest, foreign := pipeline.Millis(0), false
	for _, id := range e.Holders {
		if h := p.leases.Get(id.View()); h != nil {
			foreign = foreign || h.Already
			l.Ref = h.Ref
			if longest = max(longest, h.Expires); h.Expires == 0 {
				longest = 1 << 62
			}
		}
	}
	l.Already, l.Tried = foreign, !foreign
	if !foreign && (l.Expires == 0 && longest < 1<<62 || l.Expires > longest) {
		p.enter(l, stateRenewing)
		return
	}
	p.place(l, told{phase: pipeline.PhaseVerify, state: pipeline.StateInPlace, already: foreign, detail: "held by another intent too"})
}

// renew takes a later word on an effect that is in place.
func (p *pass) renew(l *lease, in *pipeline.Intent) {
	longer := in.TTL != l.Intent.TTL
	l.Intent = *in
	if !longer {
		return
	}
	l.Expires = p.expiry(in)
	if l.Already {
		p.place(l, told{phase: pipeline.PhaseRenew, state: pipeline.StateInPlace, already: true})
		return
	}
	e := p.effects.Edit(effectKey(in))
	if !e.Busy.IsZero() { // another lease may be taking it away: look again when it is our turn
		e.Holders = without(e.Holders, in.ID)
		l.State, l.Due = stateQueued, 0
		p.turn(l)
		return
	}
	e.Busy = in.ID
	p.enter(l, stateRenewing)
}

// repeat answers an intent whose effect cannot be had twice with what became of it.
func (p *pass) repeat(l *lease, in *pipeline.Intent) {
	l.Intent = *in
	state := pipeline.StateInPlace
	if l.End == endUnknown {
		state = pipeline.StateUnknown
	}
	p.tell(l, told{phase: pipeline.PhaseApply, state: state, already: state == pipeline.StateInPlace, detail: "done before; not repeated"})
}

// release takes the effect back, now or as soon as the call under way is over.
func (p *pass) release(l *lease, in *pipeline.Intent) {
	l.Intent.Revision, l.Intent.Want, l.Next = in.Revision, pipeline.WantAbsent, nil
	switch l.State {
	case stateEnded:
		if spec, ok := p.spec(&l.Intent); ok && spec.Undo && l.End == endDone && !l.Intent.Effect.Containing() {
			p.enter(l, stateUndoing) // such as resolving a ticket
		}
	case stateUndoing, stateChecking2:
	case statePlaced:
		p.giveBack(l)
	case stateQueued:
		if !l.Release {
			p.tell(l, told{phase: pipeline.PhaseUndo, state: pipeline.StateAbsent})
			p.over(l, endUndone)
		}
	default:
		l.Release = true
	}
}

// giveBack begins to take back an effect that is in place.
func (p *pass) giveBack(l *lease) {
	l.Release = true
	e := p.effects.Edit(effectKey(&l.Intent))
	if l.Intent.Effect.Containing() && !e.Busy.IsZero() && e.Busy != l.Intent.ID {
		e.Queue = append(e.Queue, l.Intent.ID)
		l.State, l.Due = stateQueued, 0
		return
	}
	e.Busy = l.Intent.ID
	p.takeBack(l)
}

// takeBack undoes the effect, unless others hold it still or it was there before us.
func (p *pass) takeBack(l *lease) {
	e := p.effects.Edit(effectKey(&l.Intent))
	e.Holders = without(e.Holders, l.Intent.ID)
	switch {
	case l.Already:
		p.tell(l, told{phase: pipeline.PhaseUndo, state: pipeline.StateInPlace, already: true, detail: "in place before us: left as it was"})
	case len(e.Holders) > 0:
		p.tell(l, told{phase: pipeline.PhaseUndo, state: pipeline.StateInPlace, detail: "another intent holds it"})
	default:
		p.enter(l, stateUndoing)
		return
	}
	p.over(l, endUndone)
}
