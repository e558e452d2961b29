package decide_test

import (
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/decide"
)

const sec = pipeline.Millis(1000)

func TestGuessingThenSuccessBlocksAtOnceAndSuspendsWhenSomebodyAgrees(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tell(alertFact(t0, "user:alice", "password_spray", 3, []string{"T1110.003"}, ent("user:?alice"), ent("ip:203.0.113.7")))
	equal(t, "attempts alone", w.said(), []string{"bf_log user:alice allow"})
	if got := w.revision(); got.Decision.Priority != 3 || got.Incident.WantsAction {
		t.Errorf("attempts alone: priority %d, wants action %v; want 3, false", got.Decision.Priority, got.Incident.WantsAction)
	}

	w.tell(alertFact(t0+60*sec, "user:alice", "password_spray_success", 4, []string{"T1110.003", "T1078"}, ent("user:?alice"), ent("ip:203.0.113.7")))
	equal(t, "after the success", w.said()[1:], []string{
		"bf_ticket user:alice allow", "bf_block_2 ip:203.0.113.7 allow", "bf_suspend_1 user:alice approve",
	})
	block := w.intent("bf_block_2")
	if block.TTL != 3600 || block.OnExpiry != "undo" || block.Connector != "edl" {
		t.Errorf("block: ttl %d on_expiry %s connector %s, want 3600 undo edl", block.TTL, block.OnExpiry, block.Connector)
	}

	w.approve(t0+90*sec, "bf_suspend_1", "alice", "soc_l1", true)
	w.approve(t0+91*sec, "bf_suspend_1", "bob", "intern", true)
	equal(t, "approval by the subject and by the wrong role", w.said()[4:], nil)
	w.approve(t0+92*sec, "bf_suspend_1", "bob", "soc_l1", true)
	equal(t, "approval that counts", w.said()[4:], []string{"bf_suspend_1 user:alice allow"})

	w.outcome(t0+93*sec, "bf_block_2", pipeline.PhaseApply, pipeline.StateInPlace)
	w.outcome(t0+94*sec, "bf_block_2", pipeline.PhaseVerify, pipeline.StateInPlace)
	if got := w.revision().Incident.Status; got != pipeline.IncidentOpen {
		t.Errorf("one of two contained: status %s, want open", got)
	}
	w.outcome(t0+95*sec, "bf_suspend_1", pipeline.PhaseApply, pipeline.StateInPlace)
	w.outcome(t0+96*sec, "bf_suspend_1", pipeline.PhaseVerify, pipeline.StateInPlace)
	in := w.revision().Incident
	if in.Status != pipeline.IncidentContained || in.Mode != "approved" || in.ActionStarted != t0+93*sec-20 || in.ActionDone != t0+93*sec-10 {
		t.Errorf("contained: got %+v", in)
	}
}

func TestMaliciousAddressIsBlockedThenTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tell(alertFact(t0, "ip:198.51.100.9", "known_bad_address", 4, []string{"T1071.001"}, ent("host:pc-7"), ent("ip:10.0.0.7"), ent("ip:198.51.100.9")))
	equal(t, "intents", w.said(), []string{"ma_log host:pc-7 allow", "ma_block_3 ip:198.51.100.9 allow"})
	if in := w.intent("ma_block_3"); in.TTL != 86400 || in.Priority != 2 {
		t.Errorf("block: ttl %d priority %d, want 86400 and 2", in.TTL, in.Priority)
	}
	w.outcome(t0+sec, "ma_block_3", pipeline.PhaseCheck, pipeline.StateAbsent)
	w.outcome(t0+2*sec, "ma_block_3", pipeline.PhaseApply, pipeline.StateInPlace)
	equal(t, "applied, not verified", w.said()[2:], nil)
	w.outcome(t0+3*sec, "ma_block_3", pipeline.PhaseVerify, pipeline.StateInPlace)
	equal(t, "verified", w.said()[2:], []string{"ma_ticket host:pc-7 allow"})
	if in := w.revision().Incident; in.Status != pipeline.IncidentContained || in.Mode != "auto" {
		t.Errorf("got status %s mode %s, want contained auto", in.Status, in.Mode)
	}

	w.dispose(t0+10*sec, "ip:198.51.100.9", "false_positive")
	equal(t, "false positive", w.said()[3:], []string{"ma_block_3 ip:198.51.100.9 absent"})
	if in := w.revision().Incident; in.Status != pipeline.IncidentClosed || in.Disposition != "false_positive" || in.Priority != 5 {
		t.Errorf("got %s %s priority %d, want closed false_positive 5", in.Status, in.Disposition, in.Priority)
	}
}

func TestRepeatedOffenderIsBlockedLonger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	f := func(at pipeline.Millis) int64 {
		w.tell(alertFact(at, "ip:198.51.100.9", "known_bad_address", 4, nil, ent("ip:198.51.100.9")))
		return w.intent("ma_block_1").TTL
	}
	if first, second := f(t0), f(t0+48*3600*sec); first != 86400 || second != 604800 {
		t.Errorf("leases of %d and %d seconds, want 86400 and 604800", first, second)
	}
	if n := len(w.revisions()); w.revisions()[0].Incident.ID == w.revisions()[n-1].Incident.ID {
		t.Errorf("an alert two days later folded into the idle incident")
	}
}

func TestLeakedKeyPagesAndOpensATicket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tell(alertFact(t0, "key:AKIAX", "cloud_key_abroad", 4, []string{"T1078.004"}, ent("key:AKIAX"), ent("ip:203.0.113.50"), ent("user:deploy")))
	equal(t, "intents", w.said(), []string{
		"lk_log key:AKIAX allow", "lk_page key:AKIAX allow", "lk_ticket key:AKIAX allow", "lk_disable_1 key:AKIAX approve",
	})
	if r := w.revision(); r.Decision.Priority != 1 || !r.Incident.WantsHuman || !r.Incident.WantsAction {
		t.Errorf("priority %d wants human %v action %v, want 1 true true", r.Decision.Priority, r.Incident.WantsHuman, r.Incident.WantsAction)
	}
	w.approve(t0+sec, "lk_disable_1", "carl", "cloud_admin", false)
	equal(t, "refused", w.said()[4:], []string{"lk_disable_1 key:AKIAX deny"})
}

func TestLateralMovementWithAClearedLogIsCritical(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tell(alertFact(t0, "host:srv-1", "remote_service", 4, []string{"T1021.002"}, ent("host:srv-1"), ent("user:eve")))
	w.tell(alertFact(t0+30*sec, "host:srv-1", "event_log_cleared", 4, []string{"T1070.001"}, ent("host:srv-1")))
	equal(t, "intents", w.said(), []string{
		"lm_log host:srv-1 allow", "lm_ticket host:srv-1 allow", "lm_isolate_1 host:srv-1 approve", "lm_page host:srv-1 allow",
	})
	if r := w.revision(); r.Decision.Priority != 1 || r.Incident.AlertCount != 2 {
		t.Errorf("priority %d alerts %d, want 1 and 2", r.Decision.Priority, r.Incident.AlertCount)
	}
}

func TestTunnelDomainNeedsAPersonUntilASecondSourceAgrees(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tell(alertFact(t0, "domain:x.example.net", "dns_tunnel", 4, []string{"T1048.003"}, ent("domain:?x.example.net"), ent("host:pc-3")))
	equal(t, "one source", w.said(), []string{
		"de_log domain:x.example.net allow", "de_ticket domain:x.example.net allow", "de_block_1 domain:x.example.net approve",
	})
	second := alertFact(t0+60*sec, "domain:x.example.net", "dns_tunnel", 4, []string{"T1048.003"}, ent("domain:?x.example.net"))
	second.Alert.Sources = []string{"suricata"}
	w.tell(second)
	equal(t, "two sources", w.said()[3:], []string{"de_block_1 domain:x.example.net allow"})
}

func TestAlertThatNoPlaybookKnowsIsTriaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tell(alertFact(t0, "host:pc-1", "new_rule", 3, []string{"T1204"}, ent("host:pc-1")))
	equal(t, "medium", w.said(), []string{"log host:pc-1 allow"})
	w.tell(alertFact(t0+sec, "host:pc-1", "worse_rule", 5, []string{"T1204"}, ent("host:pc-1")))
	equal(t, "critical", w.said()[1:], []string{"ticket host:pc-1 allow", "page host:pc-1 allow"})
}

func TestSpoofableSourceAloneContainsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *decide.Config, _ *decide.Parts) { c.Spoofable = []string{"zeek"} })
	w.tell(alertFact(t0, "ip:198.51.100.9", "known_bad_address", 4, nil, ent("ip:198.51.100.9")))
	equal(t, "intents", w.said(), []string{"ma_log ip:198.51.100.9 allow", "ma_block_1 ip:198.51.100.9 approve"})
}

func TestPrivateAddressIsRefusedWhateverThePolicyWants(t *testing.T) {
	t.Parallel()
	eager := fixed(func([]byte) ([]byte, error) {
		return []byte(`{"v":1,"playbook":{"id":"eager","version":"1.0.0"},"priority":"p1","reasons":[{"code":"ALL","text":"all"}],
			"steps":[{"id":"a","action":"ip.block","target":"e:1"},{"id":"b","action":"ip.block","target":"e:2"},{"id":"c","action":"ip.block","target":"e:3"}]}`), nil
	})
	lax := fixed(func([]byte) ([]byte, error) { return []byte(`{"decision":"allow"}`), nil })
	w := newWorld(t, func(c *decide.Config, p *decide.Parts) {
		p.Decide, p.Guard = eager, lax
		c.Never = []string{"203.0.113.0/24"}
	})
	w.tell(alertFact(t0, "host:pc-1", "x", 3, nil, ent("ip:10.0.0.1"), ent("ip:203.0.113.9"), ent("ip:198.51.100.9")))
	equal(t, "intents", w.said(), []string{"a ip:10.0.0.1 deny", "b ip:203.0.113.9 deny", "c ip:198.51.100.9 allow"})
	if d := w.revision().Decision; d.Denied != 2 || d.Added != 3 {
		t.Errorf("denied %d added %d, want 2 and 3", d.Denied, d.Added)
	}
}
