package decide_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/decide"
)

// waits is a policy that wants a step that nobody approved within 15 minutes to be denied.
func waits(t *testing.T) *world {
	t.Helper()
	return policyWorld(t, wants(func(inputView) string {
		return fmt.Sprintf(blockStep, `,"approval":{"need":1,"ttl":"15m","on_timeout":"deny"}`)
	}))
}

// approval is the record of an approval of the step block, appended at a time.
func approval(w *world, at pipeline.Millis) pipeline.Record {
	in := w.intent("block")
	r := w.record(pipeline.Fact{
		ID: pipeline.HashID("approval", fmt.Sprint(at)), Tenant: "t", Group: badIP, Kind: pipeline.FactApproval, Ref: in.ID, Time: at, Actor: "user:ann",
		Approval: &pipeline.Approval{Intent: in.ID, Digest: in.Digest, Subject: "ann", Role: "soc", Granted: true},
	})
	r.Time = at
	return r
}

// However late the stage reads them: a record appended before the deadline finds the step
// waiting, one appended after it does not.
func TestTimerTakesEffectBeforeTheFirstRecordOfItsTime(t *testing.T) {
	t.Parallel()
	f := func(name string, at pipeline.Millis, want string) {
		t.Helper()
		w := waits(t)
		open(w, t0)
		w.feed(approval(w, at), w.record(alertFact(t0+3600*sec, "ip:192.0.2.1", "other", 2, nil, ent("ip:192.0.2.1"))))
		if got := w.said()[1]; got != "block ip:198.51.100.9 "+want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	f("one millisecond before", t0+900*sec-1, "allow")
	f("at the deadline", t0+900*sec, "deny")
	f("long after", t0+3000*sec, "deny")
}

// The clock of a worker that runs ahead of the broker's must not decide anything: what the
// broker still appends before the deadline comes before it.
func TestWorkersClockAloneFiresNothing(t *testing.T) {
	t.Parallel()
	w := waits(t)
	open(w, t0)
	b := &pipeline.Batch{Topic: pipeline.TopicFacts, Tenant: "t"}
	for range 3 {
		if err := w.stage.Tick(t.Context(), t0+7200*sec, b); err != nil {
			t.Fatal(err)
		}
	}
	w.stage.Commit()
	if len(b.Out) != 1 || b.Out[0].Topic != pipeline.TopicFacts {
		t.Fatalf("three ticks emit %d messages, want one timer fact", len(b.Out))
	}
	w.feed(approval(w, t0+800*sec))
	equal(t, "approved in time", w.said()[1:], []string{"block ip:198.51.100.9 allow"})
	n := len(w.revisions())
	w.feed(pipeline.Record{Time: t0 + 900*sec, Value: b.Out[0].Value})
	if len(w.revisions()) != n || w.last.Counts.Duplicate != 1 || len(w.last.Rejects) != 0 {
		t.Errorf("the fact of a timer that does not wait any more: %d revisions, counts %+v, want none and a known fact", len(w.revisions())-n, w.last.Counts)
	}
}

// A broker whose clock is behind appends the timer fact before the timer's time: the fact
// itself is the reason then.
func TestTimerFactFiresItsTimerUnderAClockThatIsBehind(t *testing.T) {
	t.Parallel()
	w := waits(t)
	open(w, t0)
	b := &pipeline.Batch{Topic: pipeline.TopicFacts, Tenant: "t"}
	if err := w.stage.Tick(t.Context(), t0+900*sec, b); err != nil {
		t.Fatal(err)
	}
	w.stage.Commit()
	w.feed(pipeline.Record{Time: t0 + 600*sec, Value: b.Out[0].Value})
	equal(t, "denied", w.said()[1:], []string{"block ip:198.51.100.9 deny"})
	n := len(w.out)
	w.tick(t0 + 1800*sec)
	if len(w.out) != n {
		t.Errorf("%d messages more when the broker's clock is there, want none", len(w.out)-n)
	}
}

// A timer that fires is on the facts topic once, whether it was announced or fired before
// another record, and also if the transaction that told it was rolled back.
func TestTimerIsToldOnce(t *testing.T) {
	t.Parallel()
	f := func(name string, pass func(w *world)) {
		t.Helper()
		w := waits(t)
		open(w, t0)
		pass(w)
		facts := decodeAll[pipeline.Fact](t, w.out, pipeline.TopicFacts)
		if len(facts) != 1 || facts[0].Kind != pipeline.FactTimer || facts[0].Time != t0+900*sec {
			t.Errorf("%s: timer facts %+v, want one of the deadline", name, facts)
		}
		last := w.revisions()[len(w.revisions())-1]
		if len(facts) > 0 && last.Fact.ID != facts[0].ID {
			t.Errorf("%s: the last revision answers %v, want the timer fact", name, last.Fact)
		}
	}
	other := pipeline.Record{Time: t0 + 3600*sec, Value: []byte("{}")}
	f("ticks", func(w *world) {
		for n := range pipeline.Millis(5) {
			w.tick(t0 + (900+n)*sec)
		}
	})
	f("another record", func(w *world) { w.feed(other); w.feed(w.told(t0 + 3600*sec)...) })
	f("rolled back", func(w *world) {
		b := &pipeline.Batch{Topic: pipeline.TopicFacts, Tenant: "t", In: []pipeline.Record{other}}
		if err := w.stage.Process(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		w.stage.Rollback()
		if err := w.stage.Tick(t.Context(), t0+900*sec, b); err != nil {
			t.Fatal(err)
		}
		w.stage.Rollback()
		w.tick(t0 + 900*sec)
	})
}

// After a long stop many timers are due before one record. They spread over the records, so
// that no transaction has to hold them all, and all fire in the end.
func TestManyDueTimersSpread(t *testing.T) {
	t.Parallel()
	w := policyWorld(t, fixed(func(input []byte) ([]byte, error) {
		var in inputView
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, err
		}
		wake := ""
		if in.Rev == 1 {
			wake = `"wake_at":"2026-11-02T12:05:00Z",`
		}
		return fmt.Appendf(nil, `{"v":1,%s"playbook":{"id":"test.book","version":"1.0.0"},"priority":"p2","reasons":[{"code":"TEST","text":"t"}],"steps":[]}`, wake), nil
	}))
	const incidents = 200
	for n := range incidents {
		ip := fmt.Sprintf("ip:198.51.100.%d", n)
		w.tell(alertFact(t0, ip, "rule", 4, nil, ent(ip)))
	}
	late := t0 + 86_400*sec
	w.feed(pipeline.Record{Time: late, Value: []byte("{}")})
	if got := len(w.revisions()) - incidents; got != decide.MaxFired {
		t.Errorf("%d timers fire before one record, want %d", got, decide.MaxFired)
	}
	batches := 0
	for back := w.told(late); len(back) > 0; back = w.told(late) {
		w.feed(back...)
		batches++
	}
	w.tick(late)
	woken := map[string]int{}
	for _, r := range w.revisions() {
		if r.Fact.Kind == pipeline.FactTimer {
			woken[r.Incident.Group]++
		}
	}
	if len(woken) != incidents || slices.ContainsFunc(w.revisions(), func(r pipeline.Revision) bool { return r.Incident.Revision > 2 }) {
		t.Errorf("%d incidents woke in %d batches, want each of %d once", len(woken), batches, incidents)
	}
}
