package decide_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/decide"
)

func TestApprovalThatNobodyGivesIsDeniedOrEscalated(t *testing.T) {
	t.Parallel()
	f := func(onTimeout string, said []string, flag string) {
		t.Helper()
		w := policyWorld(t, wants(func(inputView) string {
			return fmt.Sprintf(blockStep, `,"approval":{"need":1,"ttl":"15m","on_timeout":"`+onTimeout+`"}`)
		}))
		open(w, t0)
		w.tick(t0 + 900*sec)
		equal(t, onTimeout, w.said(), append([]string{"block ip:198.51.100.9 approve"}, said...))
		if flag != "" && !slices.Contains(w.revision().Incident.Flags, flag) {
			t.Errorf("%s: flags %v, want %s", onTimeout, w.revision().Incident.Flags, flag)
		}
	}
	f("deny", []string{"block ip:198.51.100.9 deny"}, "")
	f("escalate", nil, "escalated")
}

func TestApprovalBindsToTheDigest(t *testing.T) {
	t.Parallel()
	ttl := "1h"
	w := policyWorld(t, wants(func(inputView) string {
		return `{"id":"block","action":"ip.block","target":"e:1","ttl":"` + ttl + `","approval":{"need":2}}`
	}))
	open(w, t0)
	w.approve(t0+sec, "block", "ann", "soc", true)
	seen := w.intent("block")
	ttl = "4h"
	w.tell(alertFact(t0+2*sec, badIP, "other", 4, nil, ent(badIP)))
	changed := w.intent("block")
	if changed.Digest == seen.Digest || len(changed.Got) != 0 || changed.ID != seen.ID {
		t.Fatalf("after a change: same digest %v, approvals %v, same intent %v; want false, none, true", changed.Digest == seen.Digest, changed.Got, changed.ID == seen.ID)
	}
	w.tell(pipeline.Fact{
		ID: pipeline.HashID("late"), Tenant: "t", Group: badIP, Kind: pipeline.FactApproval, Ref: seen.ID, Time: t0 + 3*sec, Actor: "user:bob",
		Approval: &pipeline.Approval{Intent: seen.ID, Digest: seen.Digest, Subject: "bob", Granted: true},
	})
	w.approve(t0+4*sec, "block", "ann", "soc", true)
	w.approve(t0+5*sec, "block", "ann", "soc", true)
	equal(t, "one person twice, and one who saw something else", w.said()[2:], nil)
	w.approve(t0+6*sec, "block", "carl", "soc", true)
	equal(t, "two people", w.said()[2:], []string{"block ip:198.51.100.9 allow"})
	if got := w.intent("block"); !slices.Equal(got.Got, []string{"ann", "carl"}) || got.TTL != 4*3600 {
		t.Errorf("approved by %v for %d s, want ann and carl for 14400", got.Got, got.TTL)
	}
}

func TestPolicyThatCannotMakeUpItsMindIsFrozen(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, wants(func(in inputView) string {
		if in.Rev%2 == 1 {
			return fmt.Sprintf(blockStep, "")
		}
		return ""
	}), func(c *decide.Config) { c.MaxPerMinute = 100 })
	for n := range 20 {
		w.tell(alertFact(t0+sec*pipeline.Millis(n), badIP, fmt.Sprint("rule", n), 4, nil, ent(badIP)))
	}
	if n := len(w.said()); n > 6 {
		t.Errorf("%d intents, want the back and forth to end: %v", n, w.said())
	}
	if in := w.revision().Incident; !slices.Contains(in.Flags, "oscillation") || !in.WantsHuman {
		t.Errorf("flags %v human %v, want oscillation and true", in.Flags, in.WantsHuman)
	}
}

func TestEvaluationsAreBounded(t *testing.T) {
	t.Parallel()
	asked := 0
	w := policyWorld(t, fixed(func(in []byte) ([]byte, error) {
		asked++
		return wants(func(inputView) string { return "" }).Eval(t.Context(), in)
	}), func(c *decide.Config) { c.MaxEvaluations = 10; c.MaxPerMinute = 4 })
	for n := range 6 {
		w.tell(alertFact(t0+sec*pipeline.Millis(n), badIP, fmt.Sprint("rule", n), 4, nil, ent(badIP)))
	}
	if asked != 4 {
		t.Errorf("asked %d times in the first minute, want 4", asked)
	}
	w.tick(t0 + 61*sec)
	if asked != 5 {
		t.Errorf("asked %d times after the minute, want 5: what was held back is made up for", asked)
	}
	for n := range 30 {
		w.tell(alertFact(t0+120*sec*pipeline.Millis(n+2), badIP, fmt.Sprint("more", n), 4, nil, ent(badIP)))
	}
	if asked != 10 {
		t.Errorf("asked %d times, want 10", asked)
	}
	w.dispose(t0+9000*sec, badIP, "benign")
	if asked != 11 {
		t.Errorf("asked %d times after a person's word, want 11", asked)
	}
}

func TestHourlyCapAsksForAPerson(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, wants(func(inputView) string { return fmt.Sprintf(blockStep, "") }),
		func(c *decide.Config) { c.HourlyCap = map[string]int{"ip.block": 4}; c.Partitions = 2 })
	f := func(at pipeline.Millis, n int) {
		ip := fmt.Sprintf("ip:198.51.100.%d", n)
		w.tell(alertFact(at, ip, "rule", 4, nil, ent(ip)))
	}
	for n := range 3 {
		f(t0, n+1)
	}
	f(t0+3600*sec, 4)
	equal(t, "intents", w.said(), []string{
		"block ip:198.51.100.1 allow", "block ip:198.51.100.2 allow", "block ip:198.51.100.3 approve", "block ip:198.51.100.4 allow",
	})
}

func TestOverrideReleasesAndExtends(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, wants(func(inputView) string { return fmt.Sprintf(blockStep, "") }))
	override := func(at pipeline.Millis, verb, d string) {
		w.seq++
		id := w.intent("block").ID
		w.tell(pipeline.Fact{
			ID: pipeline.HashID("override", fmt.Sprint(w.seq)), Tenant: "t", Group: badIP, Kind: pipeline.FactOverride, Ref: id, Time: at,
			Actor: "user:ann", Override: &pipeline.Override{Intent: id, Verb: verb, For: d},
		})
	}
	open(w, t0)
	override(t0+sec, "extend", "8h")
	if in := w.intent("block"); in.TTL != 8*3600 || in.Revision != 2 {
		t.Errorf("extended: ttl %d revision %d, want 28800 and 2", in.TTL, in.Revision)
	}
	override(t0+2*sec, "release", "")
	w.tell(alertFact(t0+3*sec, badIP, "other", 4, nil, ent(badIP)))
	equal(t, "intents", w.said(), []string{"block ip:198.51.100.9 allow", "block ip:198.51.100.9 allow", "block ip:198.51.100.9 absent"})
}

func TestStaleIntentIsEmittedAgain(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, wants(func(inputView) string { return fmt.Sprintf(blockStep, "") }))
	open(w, t0)
	for n := range 5 {
		w.outcome(t0+sec*pipeline.Millis(n+1), "block", pipeline.PhaseRefuse, pipeline.StateRefused, func(o *pipeline.Outcome) { o.Fault = decide.FaultStale })
	}
	if n := len(w.said()); n != 4 {
		t.Errorf("%d intents, want 4: the first and three more", n)
	}
}

func TestModesAreOnlyEverStricter(t *testing.T) {
	t.Parallel()
	f := func(mode string, dry bool, step, verdict, intentMode string) {
		t.Helper()
		w := policyWorld(t, wants(func(inputView) string { return fmt.Sprintf(blockStep, step) }), func(c *decide.Config) { c.Mode, c.DryRun = mode, dry })
		open(w, t0)
		if in := w.intent("block"); in.Verdict != verdict || in.Mode != intentMode {
			t.Errorf("%s %v %s: got %s %s, want %s %s", mode, dry, step, in.Verdict, in.Mode, verdict, intentMode)
		}
	}
	f("enforce", false, "", "allow", "live")
	f("enforce", true, "", "allow", "dry_run")
	f("enforce", false, `,"mode":"shadow"`, "allow", "shadow")
	f("enforce", false, `,"mode":"approve_all"`, "approve", "live")
	f("shadow", false, `,"mode":"enforce"`, "allow", "shadow")
	f("approve_all", false, `,"mode":"enforce"`, "approve", "live")
	f("off", false, "", "deny", "live")
}

func TestStepThatCannotBeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, wants(func(inputView) string {
		return strings.Join([]string{
			`{"id":"a","action":"no.connector","target":"e:1"}`, `{"id":"b","action":"ip.block","target":"e:9"}`, `{"id":"c","action":"ip.block","target":"e:2"}`,
			`{"id":"d","action":"ip.block","target":"e:1","params":{"scope":"wrong"}}`, `{"id":"e","action":"ip.block","target":"e:1","params":{"other":1}}`,
			`{"id":"f","action":"ip.block","connector":"log","target":"e:1"}`, `{"id":"g","action":"ip.block","target":"e:1","params":{"scope":"full"}}`,
			`{"id":"h","action":"endpoint.isolate","target":"asset:pc-1"}`,
		}, ",")
	}))
	open(w, t0)
	equal(t, "intents", w.said(), []string{"g ip:198.51.100.9 allow", "h host:pc-1 allow"})
	d := w.revision().Decision
	var codes []string
	for _, r := range d.Reasons[1:] {
		codes = append(codes, r.Code)
	}
	equal(t, "reasons", codes, []string{"NO_CONNECTOR", "NO_TARGET", "BAD_TARGET", "BAD_PARAM", "BAD_PARAM", "NO_CONNECTOR"})
	if d.Denied != 6 || d.Added != 2 {
		t.Errorf("denied %d added %d, want 6 and 2", d.Denied, d.Added)
	}
}

func TestBrokenAndOrphanedFactsAreRejected(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	f := func(reason, value string) {
		t.Helper()
		w.feed(pipeline.Record{Value: []byte(value)})
		if r := w.last.Rejects; len(r) != 1 || r[0].Reason != reason || w.last.Counts.In != 1 || w.last.Counts.Rejected != 1 {
			t.Errorf("%s: rejects %+v counts %+v, want one %s", value, r, w.last.Counts, reason)
		}
	}
	id := `"fact_id":"00000000-0000-0000-0000-000000000001","ref":"00000000-0000-0000-0000-000000000000","tenant":"t","group":"ip:1.2.3.4",`
	f(decide.RejectMalformed, `{`)
	f(decide.RejectMalformed, `{}`)
	f(decide.RejectMalformed, `{`+id+`"kind":"alert"}`)
	f(decide.RejectMalformed, `{`+id+`"kind":"gossip"}`)
	f(decide.RejectUnknown, `{`+id+`"kind":"ack"}`)
	f(decide.RejectUnknown, `{`+id+`"kind":"disposition","disposition":"benign"}`)
	f(decide.RejectUnknown, `{`+id+`"kind":"outcome","outcome":{"intent_id":"00000000-0000-0000-0000-000000000001","incident_id":"00000000-0000-0000-0000-000000000001"}}`)
}

func TestTimesTravelInTheHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	times := func() (v pipeline.Times) {
		for _, m := range w.out {
			if m.Topic != pipeline.TopicDecisions {
				continue
			}
			for _, h := range m.Headers {
				if h.Key == pipeline.HeaderTimes {
					v = pipeline.Times{}
					if err := json.Unmarshal(h.Value, &v); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		return v
	}
	w.tell(alertFact(t0, badIP, "known_bad_address", 4, nil, ent(badIP)))
	if got, want := times(), (pipeline.Times{Normalised: t0 + 100, Detected: t0 + 200}); got != want {
		t.Errorf("first: got %+v, want %+v", got, want)
	}
	w.outcome(t0+5*sec, "ma_block_1", pipeline.PhaseVerify, pipeline.StateInPlace)
	w.dispose(t0+9*sec, badIP, "true_positive")
	want := pipeline.Times{
		Normalised: t0 + 100, Detected: t0 + 200, Acknowledged: t0 + 9*sec + 200, Verified: t0 + 5*sec + 200,
		Closed: t0 + 9*sec + 200, FirstClosed: t0 + 9*sec + 200,
	}
	if got := times(); got != want {
		t.Errorf("last: got %+v, want %+v", got, want)
	}
}

func TestIncidentThatIsOverIsForgotten(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, wants(func(inputView) string { return fmt.Sprintf(blockStep, "") }), func(c *decide.Config) {
		c.Forget = config.Duration(48 * time.Hour)
		c.HourlyCap = map[string]int{}
	})
	empty := w.stage.StateBytes()
	open(w, t0)
	w.outcome(t0+sec, "block", pipeline.PhaseVerify, pipeline.StateInPlace)
	broken := func(at pipeline.Millis) { w.feed(pipeline.Record{Time: at, Value: []byte("{}")}) } // lets the log's time pass
	broken(t0 + 400*3600*sec)
	if w.stage.StateBytes() <= empty {
		t.Error("forgotten although its lease is in place")
	}
	w.outcome(t0+401*3600*sec, "block", pipeline.PhaseUndo, pipeline.StateAbsent)
	full := w.stage.StateBytes()
	w.tick(t0 + 1000*3600*sec)
	if w.stage.StateBytes() != full {
		t.Error("forgotten by the clock of a worker, without a record of that time")
	}
	broken(t0 + 450*3600*sec)
	// What stays is the budget of the tenant's action: one small row.
	if got := w.stage.StateBytes(); got > empty+400 {
		t.Errorf("%d bytes, want close to %d", got, empty)
	}
}
