package decide_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/decide"
	"github.com/riposte-sec/riposte/pipeline/respond"
	playbooks "github.com/riposte-sec/riposte/policies/decide"
	"github.com/riposte-sec/riposte/policies/engine"
	guardrules "github.com/riposte-sec/riposte/policies/guard"
	"github.com/riposte-sec/riposte/sinks/edl"
	"github.com/riposte-sec/riposte/sinks/log"
	"github.com/riposte-sec/riposte/sinks/sinktest"
	"github.com/riposte-sec/riposte/sinks/webhook"
)

// loop is the second half of the pipeline in one place: facts, decide, intents, respond,
// real connectors, outcomes, and back. Topics are slices and time is a variable.
type loop struct {
	tb        testing.TB
	clock     *sinktest.Clock
	vendor    *sinktest.Vendor
	edl       *edl.Sink
	lines     *bytes.Buffer
	sinks     map[string]pipeline.Responder
	decide    *decide.Stage
	respond   *respond.Stage
	ledger    [][]byte
	facts     []pipeline.Record
	intents   []pipeline.Record
	calls     []pipeline.Call
	returns   []pipeline.Return
	revisions map[string]pipeline.Revision // by group, the last one
	open      map[string]pipeline.Intent   // by step, those that wait for people
	offset    int64
}

func enginePolicy(tb testing.TB, files fs.FS, document string) decide.Policy {
	tb.Helper()
	modules, data, err := decide.Bundle(files)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := decide.NewEngine(tb.Context(), "test", document, modules, data, engine.LiveConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func newLoop(tb testing.TB, script ...sinktest.Word) *loop {
	tb.Helper()
	l := &loop{
		tb: tb, clock: sinktest.NewClock(t0.Time()), lines: &bytes.Buffer{},
		revisions: map[string]pipeline.Revision{}, open: map[string]pipeline.Intent{},
	}
	secret := "0123456789abcdef"
	l.vendor = sinktest.NewVendor(tb, func(h http.Header, body []byte) error {
		return webhook.Verify(h, body, "k", []byte(secret), l.clock.Now())
	}, script...)
	hook := webhook.Default()
	hook.URL, hook.Internal, hook.Timeout = l.vendor.URL(), true, config.Duration(200*time.Millisecond)
	hook.Keys = []webhook.Key{{ID: "k", Secret: config.SecretOf(secret)}}
	w, err := webhook.New(hook, l.clock.Now)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.Close)
	if l.edl, err = edl.New(edl.Default(), l.clock.Now); err != nil {
		tb.Fatal(err)
	}
	lg, err := log.New(log.Default(), slog.NewTextHandler(l.lines, nil), l.clock.Now)
	if err != nil {
		tb.Fatal(err)
	}
	l.sinks = map[string]pipeline.Responder{"webhook": w, "edl": l.edl, "log": lg}
	l.start()
	return l
}

func (l *loop) actions() map[string][]pipeline.ActionSpec {
	out := map[string][]pipeline.ActionSpec{}
	for name, r := range l.sinks {
		out[name] = r.Actions()
	}
	return out
}

// start makes the stages; that of the responses from its ledger.
func (l *loop) start() {
	l.tb.Helper()
	var err error
	if l.decide == nil {
		parts := decide.Parts{
			Decide: enginePolicy(l.tb, playbooks.FS, decide.DocumentDecide), Guard: enginePolicy(l.tb, guardrules.FS, decide.DocumentGuard),
			Connectors: l.actions(),
		}
		if l.decide, err = decide.New(decide.Default(), parts); err != nil {
			l.tb.Fatal(err)
		}
	}
	if l.respond, err = respond.New(respond.Default(), l.actions()); err != nil {
		l.tb.Fatal(err)
	}
	for _, p := range l.ledger {
		if err := l.respond.Restore(p); err != nil {
			l.tb.Fatal(err)
		}
	}
	l.calls, l.returns = nil, nil
}

func (l *loop) now() pipeline.Millis { return pipeline.MillisOf(l.clock.Now()) }

// turn lets both stages and the connectors work until nothing moves.
func (l *loop) turn() {
	l.tb.Helper()
	for range 500 {
		moved := l.decideTurn()
		moved = l.respondTurn() || moved
		for _, c := range l.calls {
			l.returns = append(l.returns, l.call(l.tb.Context(), c))
		}
		moved = moved || len(l.calls) > 0
		l.calls = nil
		if !moved {
			return
		}
	}
	l.tb.Fatal("no rest after 500 rounds")
}

func (l *loop) decideTurn() bool {
	b := &pipeline.Batch{Topic: pipeline.TopicFacts, Tenant: "t", In: l.facts, Now: l.now()}
	l.facts = nil
	if err := l.decide.Process(l.tb.Context(), b); err != nil {
		l.tb.Fatal(err)
	}
	if err := l.decide.Tick(l.tb.Context(), l.now(), b); err != nil {
		l.tb.Fatal(err)
	}
	l.decide.Commit()
	l.route(b)
	return len(b.In) > 0
}

func (l *loop) respondTurn() bool {
	b := &pipeline.Batch{Topic: pipeline.TopicIntents, Tenant: "t", In: l.intents, Returns: l.returns, Now: l.now()}
	moved := len(l.intents)+len(l.returns) > 0
	l.intents, l.returns = nil, nil
	if err := l.respond.Process(l.tb.Context(), b); err != nil {
		l.tb.Fatal(err)
	}
	if err := l.respond.Tick(l.tb.Context(), l.now(), b); err != nil {
		l.tb.Fatal(err)
	}
	if d := l.respond.AppendDelta(nil); len(d) > 0 {
		l.ledger = append(l.ledger, d)
	}
	l.respond.Commit()
	l.route(b)
	l.calls = append(l.calls, b.Calls...)
	return moved
}

// route appends what a batch emitted to the topics.
func (l *loop) route(b *pipeline.Batch) {
	for _, x := range b.Rejects {
		l.tb.Errorf("reject: %s %s", x.Reason, x.Detail)
	}
	for _, m := range b.Out {
		l.offset++
		r := pipeline.Record{Offset: l.offset, Time: l.now(), Key: m.Key, Value: bytes.Clone(m.Value), Headers: m.Headers}
		switch m.Topic {
		case pipeline.TopicFacts:
			l.facts = append(l.facts, r)
		case pipeline.TopicIntents:
			l.intents = append(l.intents, r)
			var in pipeline.Intent
			l.decode(m.Value, &in)
			delete(l.open, in.Step)
			if in.Verdict == pipeline.VerdictApprove && in.Want == pipeline.WantPresent {
				l.open[in.Step] = in
			}
		case pipeline.TopicDecisions:
			var rev pipeline.Revision
			l.decode(m.Value, &rev)
			l.revisions[rev.Incident.Group] = rev
		}
	}
}

func (l *loop) decode(value []byte, into any) {
	l.tb.Helper()
	if err := json.Unmarshal(value, into); err != nil {
		l.tb.Fatal(err)
	}
}

func (l *loop) call(ctx context.Context, c pipeline.Call) pipeline.Return {
	ret := pipeline.Return{Call: c, Started: l.now()}
	switch r := l.sinks[c.Connector]; c.Op {
	case pipeline.OpCheck:
		ret.State, ret.Err = r.Check(ctx, c.Action)
	case pipeline.OpApply, pipeline.OpRestore:
		ret.State, ret.Err = r.Apply(ctx, c.Action)
	case pipeline.OpUndo:
		ret.State, ret.Err = r.Undo(ctx, c.Action)
	case pipeline.OpRestored:
		ret.Err = l.edl.Restored(ctx, c.Action)
	}
	ret.Done = l.now()
	return ret
}

// pass lets time go by in steps.
func (l *loop) pass(n int, step time.Duration) {
	l.tb.Helper()
	for range n {
		l.clock.Pass(step)
		l.turn()
	}
}

func (l *loop) fact(f pipeline.Fact) {
	l.tb.Helper()
	value, err := json.Marshal(&f)
	if err != nil {
		l.tb.Fatal(err)
	}
	l.offset++
	l.facts = append(l.facts, pipeline.Record{Offset: l.offset, Time: l.now(), Value: value})
	l.turn()
}

func (l *loop) alert(group, rule string, severity uint8, techniques []string, entities ...string) {
	l.tb.Helper()
	var list []pipeline.EntityValue
	for _, e := range entities {
		kind, value, _ := strings.Cut(e, ":")
		list = append(list, pipeline.EntityValue{Kind: kind, Value: value})
	}
	id := pipeline.AlertID("t", rule, group, pipeline.HashID("signal", fmt.Sprint(l.offset)))
	l.fact(pipeline.Fact{
		ID: id, Tenant: "t", Group: group, Kind: pipeline.FactAlert, Ref: id, Time: l.now(), Actor: "engine",
		Alert: &pipeline.Alert{
			ID: id, Tenant: "t", Rule: rule, Kind: pipeline.AlertSingle, Revision: 1, Severity: severity, Title: rule, Techniques: techniques,
			Sources: []string{"zeek"}, Entities: list, Signals: 1, Fate: "incident", Occurred: l.now(), Triggered: l.now(), Ingested: l.now(),
		},
	})
}

func (l *loop) approve(step, who, role string) {
	l.tb.Helper()
	in, ok := l.open[step]
	if !ok {
		l.tb.Fatalf("step %s does not wait for anybody: %v", step, l.open)
	}
	l.fact(pipeline.Fact{
		ID: pipeline.HashID("approval", who, step), Tenant: "t", Group: in.Group, Kind: pipeline.FactApproval, Ref: in.ID, Time: l.now(), Actor: "user:" + who,
		Approval: &pipeline.Approval{Intent: in.ID, Digest: in.Digest, Subject: who, Role: role, Granted: true},
	})
}

func (l *loop) list(name string) string {
	l.tb.Helper()
	w := httptest.NewRecorder()
	l.edl.ServeHTTP(w, httptest.NewRequestWithContext(l.tb.Context(), http.MethodGet, "/"+name, nil))
	if w.Code != http.StatusOK {
		return fmt.Sprint(w.Code)
	}
	return w.Body.String()
}

func (l *loop) incident(group, status, mode string, priority uint8) {
	l.tb.Helper()
	in := l.revisions[group].Incident
	if in.Status != status || in.Mode != mode || in.Priority != priority {
		l.tb.Errorf("%s: %s, contained %q, priority %d; want %s, %q, %d", group, in.Status, in.Mode, in.Priority, status, mode, priority)
	}
}

func (l *loop) effect(action, target string, want int) {
	l.tb.Helper()
	if got := l.vendor.Effects(action, target); got != want {
		l.tb.Errorf("%s on %s: %d effects, want %d; requests %v", action, target, got, want, l.vendor.Requests())
	}
}

func TestFiveStoriesLeadToTheirResponses(t *testing.T) {
	t.Parallel()
	l := newLoop(t)

	l.alert("ip:203.0.113.7", "password_spray", 3, []string{"T1110.003"}, "ip:203.0.113.7", "user:alice")
	l.alert("ip:203.0.113.7", "password_spray_success", 4, []string{"T1110.003", "T1078"}, "ip:203.0.113.7", "user:alice")
	l.incident("ip:203.0.113.7", "open", "", 2)
	l.approve("bf_suspend_2", "ann", "soc_l1")
	l.incident("ip:203.0.113.7", "contained", "approved", 2)
	l.effect("user.suspend", "alice", 1)

	l.alert("ip:198.51.100.9", "known_bad_address", 4, []string{"T1071.001"}, "host:pc-7", "ip:10.0.0.7", "ip:198.51.100.9")
	l.incident("ip:198.51.100.9", "contained", "auto", 2)

	l.alert("key:AKIAX", "cloud_key_abroad", 4, []string{"T1078.004"}, "key:AKIAX", "user:deploy", "ip:203.0.113.50")
	l.effect("page.send", "AKIAX", 1)
	l.effect("ticket.open", "AKIAX", 1)
	l.effect("key.disable", "AKIAX", 0)
	l.approve("lk_disable_1", "carl", "cloud_admin")
	l.effect("key.disable", "AKIAX", 1)

	l.alert("host:srv-1", "tracks_covered", 5, []string{"T1070.001"}, "host:srv-1")
	l.effect("page.send", "srv-1", 1)
	l.approve("lm_isolate_1", "ann", "soc_l2")
	l.incident("host:srv-1", "contained", "approved", 1)

	l.alert("ip:10.0.0.3", "dns_exfiltration", 4, []string{"T1048.003"}, "ip:10.0.0.3", "domain:x.example.net")
	l.incident("ip:10.0.0.3", "contained", "auto", 2)

	if got, want := l.list("ip"), "198.51.100.9\n203.0.113.7\n"; got != want {
		t.Errorf("addresses: %q, want %q", got, want)
	}
	if got, want := l.list("domain"), "x.example.net\n"; got != want {
		t.Errorf("domains: %q, want %q", got, want)
	}
	if got := strings.Count(l.lines.String(), "msg=response"); got != 5 {
		t.Errorf("%d log lines, want 5:\n%s", got, l.lines)
	}

	l.pass(25, time.Hour)
	if got := l.list("ip") + l.list("domain"); got != "" {
		t.Errorf("after their leases the lists hold %q", got)
	}
	if l.vendor.InPlace("endpoint.isolate", "srv-1") || l.vendor.InPlace("user.suspend", "alice") {
		t.Error("the device or the account was not released")
	}
	if !l.vendor.InPlace("key.disable", "AKIAX") || !l.revisions["key:AKIAX"].Incident.WantsHuman {
		t.Error("a key whose lease ends by asking was released, or nobody was asked")
	}
}

func TestUnreliableVendorGetsEveryEffectOnce(t *testing.T) {
	t.Parallel()
	l := newLoop(t, sinktest.Timeout, sinktest.Busy, sinktest.Mute, sinktest.Reset, sinktest.Broken, sinktest.Garbage, sinktest.Busy, sinktest.Hang)
	l.alert("key:AKIAX", "cloud_key_abroad", 4, []string{"T1078.004"}, "key:AKIAX")
	l.pass(30, 5*time.Second)
	l.effect("page.send", "AKIAX", 1)
	l.effect("ticket.open", "AKIAX", 1)
	l.vendor.Script(sinktest.OK, sinktest.Timeout, sinktest.Reset, sinktest.Busy)
	l.approve("lk_disable_1", "carl", "soc_l2")
	l.pass(30, 5*time.Second)
	l.effect("key.disable", "AKIAX", 1)
	l.incident("key:AKIAX", "contained", "approved", 1)
}

func TestRestartServesTheListOnlyWhenItIsWhole(t *testing.T) {
	t.Parallel()
	l := newLoop(t)
	if got := l.list("ip"); got != "503" {
		t.Errorf("before anything: %q, want 503", got)
	}
	l.alert("ip:198.51.100.9", "known_bad_address", 4, nil, "ip:198.51.100.9")
	fresh, err := edl.New(edl.Default(), l.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	l.edl, l.sinks["edl"] = fresh, fresh
	l.start()
	if got := l.list("ip"); got != "503" {
		t.Errorf("after the restart: %q, want 503", got)
	}
	l.turn()
	if got := l.list("ip"); got != "198.51.100.9\n" {
		t.Errorf("when restored: %q", got)
	}
}
