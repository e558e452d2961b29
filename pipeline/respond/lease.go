package respond

import (
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// The stages of a lease's life.
const (
	stateQueued    = "queued"    // another lease works on the same effect
	stateChecking  = "checking"  // is it in place?
	stateApplying  = "applying"  // bring it about
	stateVerifying = "verifying" // did it come about?
	statePlaced    = "placed"    // it is in place, until Expires
	stateRenewing  = "renewing"  // make it last longer
	stateUndoing   = "undoing"   // take it back
	stateChecking2 = "unverify"  // is it gone?
	stateEnded     = "ended"     // see lease.End
)

// How a lease ended.
const (
	endDone    = "done"    // a notification was sent, or an effect was left in place for good
	endUndone  = "undone"  // taken back
	endFailed  = "failed"  // it did not come about
	endUnknown = "unknown" // nobody knows; a person has to look
	endRefused = "refused" // nothing was tried
)

// lease is an intent and how far it has come.
type lease struct {
	Intent  pipeline.Intent  `json:"intent"`
	Next    *pipeline.Intent `json:"next,omitempty"` // wanted once the lease has ended
	State   string           `json:"state"`
	End     string           `json:"end"`
	Seq     uint32           `json:"seq"`     // of the last outcome
	Call    uint64           `json:"call"`    // number of the last call
	Waiting bool             `json:"waiting"` // that call was started and did not come back
	Attempt uint16           `json:"attempt"` // tries in this state, the one under way included
	Cycle   uint16           `json:"cycle"`   // grows with each effect that is not a repetition, see pipeline.Action
	Tries   uint16           `json:"tries"`   // calls to bring it about, ever
	Tried   bool             `json:"tried"`   // a call that may have brought the effect about was started
	Already bool             `json:"already"` // it was in place before us
	Release bool             `json:"release"` // to be taken back as soon as the call is over
	Ref     string           `json:"ref"`     // the vendor's
	Due     pipeline.Millis  `json:"due"`     // next moment at which something has to be done, 0 = none
	Until   pipeline.Millis  `json:"until"`   // end of patience in this state
	Expires pipeline.Millis  `json:"expires"` // end of the lease, 0 = open
	Started pipeline.Millis  `json:"started"` // of the call under way
	Decided pipeline.Millis  `json:"decided"` // append time of the intent
}

func cloneLease(l lease) lease {
	if l.Next != nil {
		next := *l.Next
		l.Next = &next
	}
	return l
}

// effect is what several leases may share: one action of one connector on one target.
type effect struct {
	Busy    pipeline.ID   `json:"busy"`    // the lease that works on it, zero = none
	Queue   []pipeline.ID `json:"queue"`   // leases that wait for their turn
	Holders []pipeline.ID `json:"holders"` // leases that have it in place
}

func cloneEffect(e effect) effect {
	e.Queue, e.Holders = slices.Clone(e.Queue), slices.Clone(e.Holders)
	return e
}

// effectKey names what the leases of equal intents share.
func effectKey(in *pipeline.Intent) string {
	return string(pipeline.AppendKey(nil, in.Tenant, in.Connector, in.Action, in.Target.Kind, in.Target.Value))
}

func without(ids []pipeline.ID, id pipeline.ID) []pipeline.ID {
	return slices.DeleteFunc(ids, func(i pipeline.ID) bool { return i == id })
}
