package decide

import (
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// FaultStale is the fault of an outcome that refused an intent for its age; the step is
// decided again and emitted under a later revision.
const FaultStale = "stale"

// maxStale bounds how often a step is emitted again after it was refused as stale.
const maxStale = 3

// learnOutcome reports whether the step's status, as policies see it, changed.
func (inc *incident) learnOutcome(o *pipeline.Outcome) bool {
	st := inc.find(o.Intent)
	if st == nil {
		return false
	}
	before := st.Status
	st.Seq, st.Attempts, st.Fault = o.Seq, max(st.Attempts, o.Attempt), o.Fault
	st.Already = st.Already || o.Already
	if o.Expires != 0 {
		st.Expires = o.Expires
	}
	if o.Result != nil {
		st.Result = slices.Clone(o.Result)
	}
	st.Status = reduce(st, o)
	inc.learnTimes(st, o)
	if o.State == pipeline.StateRefused && o.Fault == FaultStale && st.Stale < maxStale {
		st.Stale++
		st.Emitted, st.Status = "", statusPending
		return true
	}
	if st.Status == statusFailed && before != statusFailed {
		inc.failed(st)
	}
	if st.Status == statusUnknown || o.Fault == "ask" {
		inc.Incident.WantsHuman = true
	}
	return st.Status != before || o.Result != nil
}

// learnTimes notes when the responder began and finished the first containing effect.
func (inc *incident) learnTimes(st *step, o *pipeline.Outcome) {
	in := &inc.Incident
	if !st.Intent.Effect.Containing() || o.Phase != pipeline.PhaseApply || o.Started == 0 {
		return
	}
	if in.ActionStarted == 0 || o.Started < in.ActionStarted {
		in.ActionStarted = o.Started
	}
	if in.ActionDone == 0 && (o.State == pipeline.StateInPlace || o.State == pipeline.StatePending) {
		in.ActionDone = o.Done
	}
}

// reduce turns the state of a phase into the status that policies see.
func reduce(st *step, o *pipeline.Outcome) string {
	switch o.State {
	case pipeline.StateRefused, pipeline.StateFailed:
		return statusFailed
	case pipeline.StateUnknown:
		return statusUnknown
	case pipeline.StatePending:
		return statusRunning
	}
	present := o.State == pipeline.StateInPlace
	switch o.Phase {
	case pipeline.PhaseUndo, pipeline.PhaseVerifyUndo:
		return statusUndone // of a shared effect too: this incident holds it no more
	case pipeline.PhaseCheck:
		if present && o.Already {
			return statusDone
		}
		return statusRunning
	case pipeline.PhaseApply, pipeline.PhasePoll:
		if present && !st.Intent.Effect.Containing() {
			return statusDone
		}
		return statusRunning
	case pipeline.PhaseVerify, pipeline.PhaseRenew, pipeline.PhaseExpire:
		if present {
			return statusDone
		}
		return statusUndone // somebody else took it away
	}
	return st.Status
}

// failed does what the step wants done when it fails.
func (inc *incident) failed(st *step) {
	switch st.Doc.OnFailure {
	case "stop":
		inc.Stopped = "step " + st.Doc.ID + " failed"
	case "undo_chain":
		inc.Stopped = "step " + st.Doc.ID + " failed, undoing"
	case "page":
		inc.flag("page")
		inc.Incident.WantsHuman = true
	}
}

// undoing reports whether what is in place shall be taken back because a step failed.
func (inc *incident) undoing() bool { return strings.HasSuffix(inc.Stopped, ", undoing") }

// learnApproval counts a person's word if it binds to the intent as it is now. What does not
// count is told by the flag of the revision's decision.
func (inc *incident) learnApproval(a *pipeline.Approval, at pipeline.Millis) bool {
	st := inc.find(a.Intent)
	if st == nil || st.Emitted != pipeline.VerdictApprove || a.Digest != st.Intent.Digest || !entitled(st, a) {
		return false
	}
	if !a.Granted {
		st.Refused = a.Subject
		return true
	}
	if slices.Contains(st.Intent.Got, a.Subject) {
		return false
	}
	st.Intent.Got = append(st.Intent.Got, strings.Clone(a.Subject))
	inc.Times.Approved = at
	return true
}

// entitled reports whether the person may speak about the step: of a role that it names, if
// it names any, and not the one that it is about.
func entitled(st *step, a *pipeline.Approval) bool {
	if a.Subject == "" || st.Intent.Target.Kind == pipeline.EntityUser.String() && st.Intent.Target.Value == a.Subject {
		return false
	}
	roles := st.Doc.Approval
	return roles == nil || len(roles.Roles) == 0 || slices.Contains(roles.Roles, a.Role)
}

// The verbs of an override.
const (
	verbRelease = "release"
	verbExtend  = "extend"
	verbNever   = "never"
)

func (inc *incident) learnOverride(o *pipeline.Override) bool {
	st := inc.find(o.Intent)
	if st == nil {
		return false
	}
	switch o.Verb {
	case verbRelease, verbNever:
		st.Never = true
		inc.Incident.Mode = "manual"
	case verbExtend:
		if !reDuration.MatchString(o.For) {
			return false
		}
		st.Extended, st.Renew = o.For, st.inPlace()
	default:
		return false
	}
	return true
}
