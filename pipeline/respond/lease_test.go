package respond_test

import (
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

const target = "203.0.113.7"

func TestEffectIsCheckedAppliedVerifiedAndUndoneAtItsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.give(intent("a", target))
	r.want("placed", r.told("a"), "check:absent", "apply:in_place", "verify:in_place")
	r.pass(3599)
	r.want("one second before the end", r.told("a")[3:])
	r.pass(2)
	r.want("after the end", r.told("a")[3:], "expire:in_place", "undo:absent", "verify_undo:absent")
	r.want("calls", r.product.calls, "check ok", "apply ok", "check ok", "undo ok", "check ok")
	r.effects(target, 1)
}

func TestRetractionUndoes(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.give(intent("a", target))
	r.give(intent("a", target, absent))
	r.want("outcomes", r.told("a")[3:], "undo:absent", "verify_undo:absent")
	r.give(intent("a", target, absent))
	r.want("the same retraction again", r.told("a")[5:])
}

func TestWhatWasThereBeforeIsNotOursToUndo(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.product.inPlace[target] = "somebody"
	r.give(intent("a", target))
	r.want("found", r.told("a"), "check:in_place:already")
	r.give(intent("a", target, absent))
	r.want("released", r.told("a")[1:], "undo:in_place:already")
	if r.product.inPlace[target] != "somebody" {
		t.Errorf("in place: %q, want somebody's", r.product.inPlace[target])
	}
	r.effects(target, 0)
}

func TestEffectThatTwoIncidentsWantEndsWithTheLast(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.give(intent("a", target), intent("b", target, func(in *pipeline.Intent) { in.TTL = 600 }))
	r.want("second", r.told("b"), "verify:in_place")
	r.give(intent("a", target, absent))
	r.want("first released", r.told("a")[3:], "undo:in_place")
	if r.product.inPlace[target] == "" {
		t.Fatalf("released although another incident holds it")
	}
	r.pass(601)
	r.want("second over", r.told("b")[1:], "expire:in_place", "undo:absent", "verify_undo:absent")
	r.effects(target, 1)
}

func TestLongerLeaseOfASecondIncidentRenewsTheEffect(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.give(intent("a", target), intent("b", target, func(in *pipeline.Intent) { in.TTL = 7200 }))
	r.want("second", r.told("b"), "renew:in_place")
	r.want("calls", r.product.calls, "check ok", "apply ok", "check ok", "apply ok")
	r.pass(3601)
	r.want("first over", r.told("a")[3:], "expire:in_place", "undo:in_place")
	r.effects(target, 1)
}

func TestExtensionRenews(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.give(intent("a", target))
	r.give(intent("a", target, func(in *pipeline.Intent) { in.TTL, in.Revision = 7200, 2 }))
	r.want("renewed", r.told("a")[3:], "renew:in_place")
	r.pass(3700)
	r.want("after the first end", r.told("a")[4:])
}

func TestBusyServerIsObeyed(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState, "ok", "busy", "busy", "ok")
	r.give(intent("a", target))
	r.pass(6)
	r.want("before the server's time", r.product.calls, "check ok", "apply busy")
	r.pass(20)
	r.want("outcomes", r.told("a"), "check:absent", "apply:in_place", "verify:in_place")
	if o := r.outcomes()[1]; o.Attempt != 3 {
		t.Errorf("attempt %d, want 3", o.Attempt)
	}
}

func TestRefusedEffectFailsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState, "ok", "refuse")
	r.give(intent("a", target))
	r.pass(60)
	r.want("outcomes", r.told("a"), "check:absent", "apply:failed:bad_request")
	r.want("calls", r.product.calls, "check ok", "apply refuse")
}

func TestPersistentlyBusyServerEndsInFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState, "ok")
	for range 100 {
		r.product.script = append(r.product.script, "busy")
	}
	r.give(intent("a", target))
	r.pass(1200)
	r.want("outcomes", r.told("a"), "check:absent", "apply:failed:attempts")
	if n := len(r.product.calls); n != 9 {
		t.Errorf("%d calls, want 9: %v", n, r.product.calls)
	}
}

func TestTimeoutAfterTheEffectIsSeenByLooking(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState, "ok", "mute")
	r.give(intent("a", target))
	r.pass(5)
	r.want("outcomes", r.told("a"), "check:absent", "verify:in_place")
	r.want("calls", r.product.calls, "check ok", "apply mute", "check ok")
	r.effects(target, 1)
	r.give(intent("a", target, absent))
	r.want("ours to undo", r.told("a")[2:], "undo:absent", "verify_undo:absent")
}

func TestResetBeforeTheEffectIsSeenByLookingAndTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState, "ok", "break")
	r.give(intent("a", target))
	r.pass(5)
	r.want("outcomes", r.told("a"), "check:absent", "check:absent", "apply:in_place", "verify:in_place")
	r.effects(target, 1)
}

func TestDoubtAboutWhatCannotBeCheckedGoesToAPerson(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemNone, "mute")
	r.give(intent("a", target, notify))
	r.pass(3600)
	r.want("outcomes", r.told("a"), "apply:unknown:timeout")
	r.effects(target, 1)
	r.give(intent("a", target, notify, func(in *pipeline.Intent) { in.Revision = 5 }))
	r.want("wanted again", r.told("a")[1:], "apply:unknown")
	r.effects(target, 1)
}

func TestVendorThatKnowsOurIdIsAskedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemExternalID, "mute", "break", "ok")
	r.give(intent("a", target, notify))
	r.pass(10)
	r.want("outcomes", r.told("a"), "apply:in_place")
	r.want("calls", r.product.calls, "apply mute", "apply break", "apply ok")
	r.effects(target, 1)
}

func TestAcceptedEffectIsPolledUntilItShows(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemAsync, "ok", "pending", "pending", "ok")
	r.give(intent("a", target))
	r.pass(15)
	r.want("outcomes", r.told("a"), "check:absent", "apply:pending", "verify:in_place")
}

func TestIntentThatLayTooLongIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	in := intent("a", target)
	r.now += 600 * sec
	rec := r.record(in, t0)
	r.batch([]pipeline.Record{rec})
	r.settle()
	r.want("outcomes", r.told("a"), "refuse:refused:stale")
	r.give(intent("a", target, func(in *pipeline.Intent) { in.Revision = 2 }))
	r.want("decided again", r.told("a")[1:], "check:absent", "apply:in_place", "verify:in_place")
}

func TestWhatIsNotOfferedIsRefused(t *testing.T) {
	t.Parallel()
	f := func(change func(*pipeline.Intent), want string) {
		t.Helper()
		r := newRig(t, pipeline.IdemState)
		r.give(intent("a", target, change))
		r.want(want, r.told("a"), "refuse:refused:"+want)
		if len(r.product.calls) > 0 {
			t.Errorf("%s: calls %v, want none", want, r.product.calls)
		}
	}
	f(func(in *pipeline.Intent) { in.Connector = "none" }, "no_connector")
	f(func(in *pipeline.Intent) { in.Action = "ip.explode" }, "no_action")
	f(func(in *pipeline.Intent) { in.Target.Kind = "user" }, "bad_target")
	f(func(in *pipeline.Intent) { in.Mode = "dry_run" }, "dry_run")
}

func TestShadowOnlyLooks(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.give(intent("a", target, func(in *pipeline.Intent) { in.Mode = "shadow" }))
	r.want("outcomes", r.told("a"), "check:absent", "refuse:refused:shadow")
	r.want("calls", r.product.calls, "check ok")
}

func TestHeldBackIntentIsNotCarriedOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.give(intent("a", target, func(in *pipeline.Intent) { in.Verdict = pipeline.VerdictApprove }))
	r.give(intent("a", target, func(in *pipeline.Intent) { in.Verdict = pipeline.VerdictDeny }))
	r.give(intent("a", target, absent))
	if len(r.product.calls)+len(r.out) != 0 {
		t.Errorf("calls %v and %d messages, want none", r.product.calls, len(r.out))
	}
}

func TestRestartAppliesLeasesOfAVolatileConnectorAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	r.product.volatile = true
	r.start()
	r.give(intent("a", target), intent("b", "203.0.113.8"))
	r.give(intent("b", "203.0.113.8", absent))
	clear(r.product.inPlace)
	r.product.calls = nil
	r.start()
	r.pass(1)
	r.want("calls", r.product.calls, "restore "+target, "restored")
	if !r.product.restored || r.product.inPlace[target] == "" {
		t.Errorf("restored %v, in place %v", r.product.restored, r.product.inPlace)
	}
}

func TestLeaseThatEndedIsForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	empty := r.stage.StateBytes()
	r.give(intent("a", target))
	r.give(intent("a", target, absent))
	r.now += 25 * 3600 * sec
	r.pass(1)
	if got := r.stage.StateBytes(); got != empty {
		t.Errorf("state of %d bytes, want %d", got, empty)
	}
}

func TestEffectThatIsWantedOnceMoreIsANewOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState)
	f := func(what string, cycle uint16) {
		t.Helper()
		if got := r.product.cycle; got != cycle {
			t.Errorf("%s: cycle %d, want %d", what, got, cycle)
		}
	}
	r.give(intent("a", target))
	f("first", 0)
	r.give(intent("a", target, absent))
	r.give(intent("a", target, func(in *pipeline.Intent) { in.Revision = 3 }))
	f("wanted again", 1)
	r.effects(target, 2)
	r.give(intent("a", target, func(in *pipeline.Intent) { in.Revision, in.TTL = 4, 7200 }))
	f("extended", 2)
	r.product.script = []string{"ok", "mute"}
	r.give(intent("b", "203.0.113.9"))
	r.pass(5)
	f("in doubt, then found", 0)
}

func TestUnsettledIsWhatIsNeitherInPlaceNorEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipeline.IdemState, "ok", "busy", "ok")
	f := func(what string, want int) {
		t.Helper()
		if got := r.stage.Unsettled(); got != want {
			t.Errorf("%s: %d unsettled, want %d", what, got, want)
		}
	}
	f("nothing", 0)
	r.give(intent("a", target))
	f("to be tried again", 1)
	r.start()
	f("after a restart", 1)
	r.pass(60)
	r.want("outcomes", r.told("a"), "check:absent", "apply:in_place", "verify:in_place")
	f("in place", 0)
	r.give(intent("a", target, absent))
	f("ended", 0)
}
