package decide_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/decide"
)

// wants makes a policy of a function from the policy's input to steps.
func wants(f func(in inputView) string) decide.Policy {
	return fixed(func(input []byte) ([]byte, error) {
		var in inputView
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, err
		}
		extra := ""
		if in.WakeAt != "" {
			extra = `"wake_at":"` + in.WakeAt + `",`
		}
		return fmt.Appendf(nil, `{"v":1,%s"playbook":{"id":"test.book","version":"1.0.0"},"priority":"p2","reasons":[{"code":"TEST","text":"t"}],"steps":[%s]}`, extra, f(in)), nil
	})
}

type inputView struct {
	Now    string `json:"now"`
	WakeAt string `json:"-"`
	Rev    int    `json:"rev"`
	Steps  map[string]struct {
		Status string `json:"status"`
	} `json:"steps"`
	Alerts   []any `json:"alerts"`
	Incident struct {
		Rules []string `json:"rules"`
	} `json:"incident"`
}

var lax = fixed(func([]byte) ([]byte, error) { return []byte(`{"decision":"allow"}`), nil })

const blockStep = `{"id":"block","action":"ip.block","target":"e:1","ttl":"1h"%s}`

// policyWorld is a world with a policy of its own and a guard that allows everything.
func policyWorld(tb testing.TB, p decide.Policy, change ...func(*decide.Config)) *world {
	tb.Helper()
	return newWorld(tb, func(c *decide.Config, parts *decide.Parts) {
		parts.Decide, parts.Guard = p, lax
		for _, f := range change {
			f(c)
		}
	})
}

const badIP = "ip:198.51.100.9"

func open(w *world, at pipeline.Millis) {
	w.tb.Helper()
	w.tell(alertFact(at, badIP, "rule", 4, nil, ent(badIP), ent("host:pc-1")))
}

func TestSameFactTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	f := alertFact(t0, badIP, "known_bad_address", 4, nil, ent(badIP))
	w.tell(f)
	n := len(w.out)
	w.tell(f, f)
	if len(w.out) != n || w.last.Counts.Duplicate != 2 {
		t.Errorf("%d more messages, %d duplicates counted; want none and 2", len(w.out)-n, w.last.Counts.Duplicate)
	}
}

func TestLaterRevisionOfAnAlertFoldsIntoItsIncident(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	f := alertFact(t0, badIP, "known_bad_address", 4, nil, ent(badIP))
	w.tell(f)
	later, alert := f, *f.Alert
	alert.Revision, alert.Signals = 3, 9
	later.Alert, later.ID = &alert, pipeline.HashID("fact", "3")
	w.tell(later)
	if in := w.revision().Incident; in.AlertCount != 1 || in.Revision != 2 {
		t.Errorf("alerts %d revision %d, want 1 and 2", in.AlertCount, in.Revision)
	}
	earlier, old := f, *f.Alert
	old.Revision = 2
	earlier.Alert, earlier.ID = &old, pipeline.HashID("fact", "2")
	w.tell(earlier)
	if w.last.Counts.Duplicate != 1 {
		t.Errorf("an earlier revision was not counted as known: %+v", w.last.Counts)
	}
	equal(t, "intents", w.said(), []string{"ma_log ip:198.51.100.9 allow", "ma_block_1 ip:198.51.100.9 allow"})
}

func TestAlertsOpenIncidentsByGroupIdleTimeAndClose(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, wants(func(inputView) string { return "" }))
	incidents := func() int {
		seen := map[pipeline.ID]bool{}
		for _, r := range w.revisions() {
			seen[r.Incident.ID] = true
		}
		return len(seen)
	}
	f := func(what string, want int) {
		t.Helper()
		if got := incidents(); got != want {
			t.Errorf("%s: %d incidents, want %d", what, got, want)
		}
	}
	open(w, t0)
	open(w, t0+sec)
	f("same group, a second apart", 1)
	w.tell(alertFact(t0+sec, "ip:203.0.113.1", "rule", 4, nil, ent(badIP)))
	f("another group", 2)
	open(w, t0-3600*sec)
	f("late by an hour", 2)
	open(w, t0+sec+24*3600*sec)
	f("a day later to the millisecond", 2)
	open(w, t0+sec+48*3600*sec+1)
	f("more than a day after the last", 3)
	w.dispose(t0+49*3600*sec, badIP, "true_positive")
	open(w, t0+49*3600*sec+sec)
	f("after a close", 4)
}

func TestQuietAlertsChangeNothing(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, wants(func(inputView) string { return "" }))
	f := func(fate string, revisions int) {
		t.Helper()
		before := len(w.revisions())
		a := alertFact(t0+sec*pipeline.Millis(w.offset+1), badIP, "rule_"+fate, 4, nil, ent(badIP))
		a.Alert.Fate = fate
		w.tell(a)
		if got := len(w.revisions()) - before; got != revisions || len(w.last.Rejects) > 0 {
			t.Errorf("%s: %d revisions, %d rejects; want %d and 0", fate, got, len(w.last.Rejects), revisions)
		}
	}
	f("silenced", 0)
	f("inhibited", 0)
	f("budget", 0)
	f("folded", 0) // no incident is open
	f("withdrawn", 0)
	f("incident", 1)
	f("folded", 1)
	f("silenced", 0)
}

func TestWithdrawnAlertTakesItsStepsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	f := alertFact(t0, badIP, "known_bad_address", 4, []string{"T1071.001"}, ent(badIP))
	w.tell(f)
	gone, alert := f, *f.Alert
	alert.Revision, alert.Fate = 2, "withdrawn"
	gone.Alert, gone.ID = &alert, pipeline.HashID("fact", "withdrawn")
	w.tell(gone)
	equal(t, "intents", w.said()[2:], []string{"ma_block_1 ip:198.51.100.9 absent"})
	if got := w.revision(); len(got.Incident.Rules) > 0 || got.Decision.Priority != 4 {
		t.Errorf("rules %v priority %d, want none and 4", got.Incident.Rules, got.Decision.Priority)
	}
}

func TestPolicyErrorFallsBackToTheSeverityAndContainsNothing(t *testing.T) {
	t.Parallel()
	f := func(name string, answer string, err error) {
		t.Helper()
		w := policyWorld(t, fixed(func([]byte) ([]byte, error) { return []byte(answer), err }))
		open(w, t0)
		r := w.revision()
		if r.Decision.Engine != "fallback" || r.Decision.Priority != 2 || r.Decision.Error == "" || !r.Incident.WantsHuman {
			t.Errorf("%s: engine %s priority %d error %q human %v, want fallback, 2, an error, true", name, r.Decision.Engine, r.Decision.Priority, r.Decision.Error, r.Incident.WantsHuman)
		}
		equal(t, name, w.said(), nil)
	}
	f("error", "", errors.New("eval_conflict_error"))
	f("undefined", "", decide.ErrUndefined)
	f("not a document", `{"v":1}`, nil)
	f("not JSON", `{`, nil)
}

func TestPolicyErrorLeavesWhatIsInPlace(t *testing.T) {
	t.Parallel()
	broken := false
	w := policyWorld(t, fixed(func(in []byte) ([]byte, error) {
		if broken {
			return nil, errors.New("broken")
		}
		return wants(func(inputView) string { return fmt.Sprintf(blockStep, "") }).Eval(t.Context(), in)
	}))
	open(w, t0)
	broken = true
	w.tell(alertFact(t0+sec, badIP, "other", 4, nil, ent(badIP)))
	equal(t, "intents", w.said(), []string{"block ip:198.51.100.9 allow"})
	if got := w.revision().Decision; got.Engine != "fallback" || len(got.Steps) != 1 {
		t.Errorf("engine %s with %d steps, want fallback with 1", got.Engine, len(got.Steps))
	}
}

func TestGuardErrorLetsNothingContainingPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *decide.Config, p *decide.Parts) {
		p.Guard = fixed(func([]byte) ([]byte, error) { return nil, decide.ErrUndefined })
	})
	w.tell(alertFact(t0, badIP, "known_bad_address", 4, nil, ent(badIP)))
	equal(t, "intents", w.said(), []string{"ma_log ip:198.51.100.9 allow", "ma_block_1 ip:198.51.100.9 approve"})
	if r := w.intent("ma_block_1").Reasons; len(r) == 0 || r[0].Code != "GUARD_ERROR" {
		t.Errorf("reasons %v, want GUARD_ERROR", r)
	}
}

func TestStepsWaitForEachOther(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, wants(func(inputView) string {
		return fmt.Sprintf(blockStep, "") + `,{"id":"after","action":"notify.log","target":"e:1","after":["block"]},` +
			`{"id":"plan_b","action":"page.send","target":"e:1","after_any":["block:failed","block:expired"]}`
	}))
	open(w, t0)
	equal(t, "at first", w.said(), []string{"block ip:198.51.100.9 allow"})
	w.outcome(t0+sec, "block", pipeline.PhaseApply, pipeline.StateFailed)
	equal(t, "failed", w.said()[1:], []string{"plan_b ip:198.51.100.9 allow"})

	w = policyWorld(t, w.parts.Decide)
	open(w, t0)
	w.outcome(t0+sec, "block", pipeline.PhaseVerify, pipeline.StateInPlace)
	equal(t, "done", w.said()[1:], []string{"after ip:198.51.100.9 allow"})
}

func TestDeadlineTurnsSilenceIntoAStatus(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, wants(func(in inputView) string {
		s := fmt.Sprintf(blockStep, `,"deadline":"2m"`)
		if in.Steps["block"].Status == "expired" {
			s += `,{"id":"plan_b","action":"page.send","target":"e:1"}`
		}
		return s
	}))
	open(w, t0)
	w.tick(t0 + 119*sec)
	equal(t, "before the deadline", w.said(), []string{"block ip:198.51.100.9 allow"})
	w.tick(t0 + 500*sec)
	equal(t, "after it", w.said()[1:], []string{"plan_b ip:198.51.100.9 allow"})
	facts := decodeAll[pipeline.Fact](t, w.out, pipeline.TopicFacts)
	if len(facts) != 1 || facts[0].Time != t0+120*sec || facts[0].Kind != pipeline.FactTimer {
		t.Errorf("timer facts %+v, want one at the deadline", facts)
	}
}

func TestFailureDoesWhatTheStepSays(t *testing.T) {
	t.Parallel()
	f := func(onFailure string, want ...string) {
		t.Helper()
		w := policyWorld(t, wants(func(in inputView) string {
			s := `{"id":"first","action":"endpoint.isolate","target":"e:2","ttl":"1h"},` + fmt.Sprintf(blockStep, `,"on_failure":"`+onFailure+`"`)
			if in.Steps["block"].Status == "failed" {
				s += `,{"id":"more","action":"notify.log","target":"e:1"}`
			}
			return s
		}))
		open(w, t0)
		w.outcome(t0+sec, "first", pipeline.PhaseVerify, pipeline.StateInPlace)
		w.outcome(t0+2*sec, "block", pipeline.PhaseApply, pipeline.StateFailed)
		equal(t, onFailure, w.said()[2:], want)
		if onFailure == "page" && !slices.Contains(w.revision().Incident.Flags, "page") {
			t.Errorf("page: flags %v", w.revision().Incident.Flags)
		}
	}
	f("continue", "more ip:198.51.100.9 allow")
	f("page", "more ip:198.51.100.9 allow")
	f("stop")
	f("undo_chain", "block ip:198.51.100.9 absent", "first host:pc-1 absent")
}

func TestWakeUpAsksAgain(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, fixed(func(input []byte) ([]byte, error) {
		var in inputView
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, err
		}
		step := ""
		if in.Rev > 1 {
			step = `{"id":"late","action":"notify.log","target":"e:1"}`
		}
		return fmt.Appendf(nil, `{"v":1,"wake_at":"2026-11-02T12:05:00Z","playbook":{"id":"test.book","version":"1.0.0"},"priority":"p2","reasons":[{"code":"TEST","text":"t"}],"steps":[%s]}`, step), nil
	}))
	open(w, t0)
	w.tick(t0 + 299*sec)
	equal(t, "before", w.said(), nil)
	w.tick(t0 + 300*sec)
	equal(t, "at the time", w.said(), []string{"late ip:198.51.100.9 allow"})
	if r := w.revision(); r.Fact.Kind != pipeline.FactTimer || r.Decision.WakeAt != 0 {
		t.Errorf("fact %s wake_at %d, want timer and no further wake-up", r.Fact.Kind, r.Decision.WakeAt)
	}
	w.tick(t0 + 3600*sec)
	if n := len(decodeAll[pipeline.Fact](t, w.out, pipeline.TopicFacts)); n != 1 {
		t.Errorf("%d timer facts, want 1", n)
	}
}
