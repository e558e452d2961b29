package oracle

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"
)

var want = Expect{Rule: "trigger", Action: "ip.block", Correlations: Correlations()}

// partitions of each topic of the perfect pipeline.
const partitions = 4

// perfect is what a pipeline without faults makes of a plan: the oracle's own tests damage
// it.
type perfect struct {
	t     *testing.T
	truth Truth
	seen  Observed
	next  map[string]int64 // offset by topic and partition
	folds map[string]int   // signals by target
}

func newPerfect(t *testing.T, p Plan) *perfect {
	t.Helper()
	g, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	run := &perfect{t: t, truth: Truth{Plan: p}, next: map[string]int64{}, folds: map[string]int{}}
	run.seen.RowsRead = true
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for {
		r, more := g.Next(now)
		if !more {
			run.correlate()
			return run
		}
		now = now.Add(time.Millisecond)
		run.truth.Add(r)
		run.process(r)
	}
}

func (p *perfect) at(topic, key string) Position {
	h := fnv.New32a()
	fmt.Fprint(h, key)
	partition := int32(h.Sum32() % partitions)
	slot := fmt.Sprintf("%s/%d", topic, partition)
	pos := Position{topic, partition, p.next[slot]}
	p.next[slot]++
	if topic != "raw.suricata" && topic != "ledger" {
		p.seen.Committed = append(p.seen.Committed, pos)
		p.seen.Rows = append(p.seen.Rows, pos)
	}
	return pos
}

func (p *perfect) process(r Record) {
	raw := Raw{Position: p.at("raw.suricata", r.Key), Seq: r.Seq, Digest: DigestOf(r.Value)}
	p.seen.Raw = append(p.seen.Raw, raw)
	a := Account{Position: p.at("ledger", r.Key), Stage: "ingest", From: raw.Position, To: raw.Offset + 1, Records: 1}
	switch r.Class {
	case Duplicate:
		a.Duplicate = 1
	case Poison:
		a.Rejected = 1
		p.seen.Rejects = append(p.seen.Rejects, Reject{Position: p.at("rejects", r.Key), Raw: raw.Position, Stage: "ingest", Reason: "malformed", Digest: raw.Digest})
	default:
		a.Live = 1
		p.event(r, raw)
	}
	p.seen.Accounts = append(p.seen.Accounts, a)
}

func (p *perfect) event(r Record, raw Raw) {
	id := fmt.Sprintf("event-%d", r.Seq)
	p.seen.Events = append(p.seen.Events, Event{Position: p.at("events", r.Key), ID: id, Key: r.Key, Raw: raw.Position, Digest: raw.Digest, Late: r.Class == Late})
	if r.Class == Correlated {
		p.feed(r, id)
	}
	if r.Class != Trigger {
		return
	}
	p.seen.Signals = append(p.seen.Signals, Signal{Position: p.at("signals", r.Target), ID: "signal-" + id, Event: id, Rule: want.Rule})
	p.folds[r.Target]++
	n := p.folds[r.Target]
	p.seen.Alerts = append(p.seen.Alerts, Alert{
		Position: p.at("facts", r.Target), ID: "alert-" + r.Target, Rule: want.Rule,
		Revision: uint64(n), Signals: n, Values: []string{r.Target},
	})
	if n == 1 {
		intent := "intent-" + r.Target
		p.seen.Intents = append(p.seen.Intents, Intent{Position: p.at("intents", r.Target), ID: intent, Action: want.Action, Target: r.Target, Want: "present", Revision: 1})
		p.seen.Effects = append(p.seen.Effects, Effect{Key: intent, Verb: "apply", Action: want.Action, Target: r.Target})
	}
}

// feed makes the signals of a correlated record, one for each correlation over its rule.
func (p *perfect) feed(r Record, event string) {
	for _, c := range want.Correlations {
		if slices.Contains(c.Rules, r.Step.Rule) {
			p.seen.Signals = append(p.seen.Signals, Signal{
				Position: p.at("signals", r.Step.Group), ID: signalID(c.ID, r.Seq), Event: event, Rule: r.Step.Rule, Step: c.ID,
			})
		}
	}
}

func signalID(correlation string, seq uint64) string {
	return fmt.Sprintf("signal-%s-%d", correlation, seq)
}

// correlate tells the episodes, each in two revisions.
func (p *perfect) correlate() {
	for _, c := range want.Correlations {
		for _, e := range c.episodes(&p.truth) {
			a := Alert{
				ID: "alert-" + e.String(), Rule: e.Rule, Signals: 1, Fate: "incident",
				Group: strings.Split(e.Group, ","), Trigger: signalID(c.ID, e.Trigger), Evidence: []string{signalID(c.ID, e.Trigger)},
			}
			a.Position, a.Revision = p.at("facts", e.Group), 1
			p.seen.Alerts = append(p.seen.Alerts, a)
			a.Evidence, a.Signals = nil, e.Signals
			for _, seq := range e.Evidence {
				a.Evidence = append(a.Evidence, signalID(c.ID, seq))
			}
			a.Position, a.Revision = p.at("facts", e.Group), 2
			p.seen.Alerts = append(p.seen.Alerts, a)
		}
	}
}

func plan() Plan {
	p := Default(7, 5000)
	p.Keys, p.Targets = 50, 20
	return p
}
