package decide

import (
	"context"
	"encoding/json"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// The fates of alerts. Only alerts of the first two open incidents: an alert without a fate
// did not pass noise control. What is folded adds to an incident that is open, what is
// withdrawn takes back what it added, and the other fates change nothing.
const (
	fateNone      = ""
	fateIncident  = "incident"
	fateFolded    = "folded"
	fateWithdrawn = "withdrawn"
)

func groupKey(tenant, group string) string { return tenant + "\x1f" + group }

// fold lets the incident that the fact belongs to learn it.
func (s *Stage) fold(ctx context.Context, b *pipeline.Batch, r *pipeline.Record, fact *pipeline.Fact) (fate, error) {
	id, fate := s.belongs(fact)
	if fate != folded {
		return fate, nil
	}
	if fact.Kind == pipeline.FactAlert && !s.admits(id, fact.Alert) {
		return ignored, nil
	}
	key := id.View()
	inc := s.incidents.Edit(key)
	if inc.Incident.ID.IsZero() {
		s.open(inc, id, fact)
	}
	if n := inc.timer(fact); n >= 0 && fact.Kind == pipeline.FactTimer {
		inc.Timers = slices.Delete(inc.Timers, n, n+1)
	}
	return folded, s.learnFact(ctx, b, key, inc, r, fact)
}

// learnFact lets an incident learn a fact that is new to it, asks the policy if that may
// change its mind, and emits the revision. r is the record that carries the fact.
func (s *Stage) learnFact(ctx context.Context, b *pipeline.Batch, key string, inc *incident, r *pipeline.Record, fact *pipeline.Fact) error {
	inc.know(fact.ID)
	inc.Now, inc.Last = max(inc.Now, fact.Time), max(inc.Last, r.Time)
	inc.Incident.Revision++
	ask := s.learn(inc, r, fact)
	if err := s.answer(ctx, b, r, inc, fact, ask); err != nil {
		return err
	}
	s.schedule(key, inc)
	return nil
}

// belongs finds the incident of a fact. An alert that an incident knows belongs to it for
// ever; a new one belongs to the last incident of its group, unless that is closed or idle.
func (s *Stage) belongs(fact *pipeline.Fact) (pipeline.ID, fate) {
	g := s.groups.Get(groupKey(fact.Tenant, fact.Group))
	if g == nil {
		g = &group{}
	}
	id := s.named(g, fact)
	inc := s.incidents.Get(id.View())
	switch {
	case inc == nil && fact.Kind == pipeline.FactAlert:
		return id, folded
	case inc == nil && fact.Kind == pipeline.FactTimer:
		return id, known // it fired, and the incident is over
	case inc == nil || inc.Incident.Tenant != fact.Tenant || inc.Incident.Group != fact.Group:
		return id, orphan
	case slices.Contains(inc.Seen, fact.ID) || stale(inc, fact):
		return id, known
	}
	return id, folded
}

// named returns the incident that a fact names, itself or by an intent, or that its group
// says.
func (s *Stage) named(g *group, fact *pipeline.Fact) pipeline.ID {
	switch fact.Kind {
	case pipeline.FactAlert:
		return s.ofAlert(g, fact)
	case pipeline.FactOutcome:
		return fact.Outcome.Incident
	case pipeline.FactApproval:
		return s.ofIntent(g, fact.Approval.Intent)
	case pipeline.FactOverride:
		return s.ofIntent(g, fact.Override.Intent)
	}
	if fact.Ref.IsZero() && len(g.Incidents) > 0 {
		return g.Incidents[len(g.Incidents)-1]
	}
	return fact.Ref
}

// stale reports whether the incident knows a later word than this one.
func stale(inc *incident, fact *pipeline.Fact) bool {
	if fact.Kind == pipeline.FactOutcome {
		st := inc.find(fact.Outcome.Intent)
		return st != nil && fact.Outcome.Seq <= st.Seq
	}
	if fact.Kind == pipeline.FactTimer {
		return inc.timer(fact) < 0
	}
	if fact.Kind == pipeline.FactAlert {
		i := inc.alert(fact.Alert.ID)
		return i >= 0 && fact.Alert.Revision <= inc.Alerts[i].Revision
	}
	return false
}

// admits reports whether an alert of its fate may change the incident, or open it.
func (s *Stage) admits(id pipeline.ID, a *pipeline.Alert) bool {
	inc := s.incidents.Get(id.View())
	switch a.Fate {
	case fateNone, fateIncident:
		return true
	case fateFolded:
		return inc != nil
	case fateWithdrawn:
		return inc != nil && inc.alert(a.ID) >= 0
	}
	return false
}

func (inc *incident) alert(id pipeline.ID) int {
	return slices.IndexFunc(inc.Alerts, func(a alert) bool { return a.ID == id })
}

func (s *Stage) ofAlert(g *group, fact *pipeline.Fact) pipeline.ID {
	for _, id := range slices.Backward(g.Incidents) {
		if inc := s.incidents.Get(id.View()); inc != nil && inc.alert(fact.Alert.ID) >= 0 {
			return id
		}
	}
	if n := len(g.Incidents); n > 0 {
		inc := s.incidents.Get(g.Incidents[n-1].View())
		open := inc != nil && (inc.Incident.Status == pipeline.IncidentOpen || inc.Incident.Status == pipeline.IncidentContained)
		if open && fact.Time <= inc.Now.Add(time.Duration(s.cfg.Idle)) {
			return inc.Incident.ID
		}
	}
	return pipeline.IncidentID(fact.Tenant, fact.Group, fact.Alert.ID)
}

func (s *Stage) ofIntent(g *group, intent pipeline.ID) pipeline.ID {
	for _, id := range slices.Backward(g.Incidents) {
		if inc := s.incidents.Get(id.View()); inc != nil && inc.find(intent) != nil {
			return id
		}
	}
	return pipeline.ID{}
}

func (s *Stage) open(inc *incident, id pipeline.ID, fact *pipeline.Fact) {
	a := fact.Alert
	inc.Incident = pipeline.Incident{
		ID: id, Tenant: fact.Tenant, Group: fact.Group, Status: pipeline.IncidentOpen, Priority: 5, Title: a.Title,
		Sources: []string{}, Entities: []pipeline.EntityValue{}, Alerts: []pipeline.ID{}, Rules: []string{},
		Occurred: a.Occurred, Triggered: a.Triggered, Ingested: a.Ingested,
	}
	g := s.groups.Edit(groupKey(fact.Tenant, fact.Group))
	inc.Prior = group{Count: g.Count, Actions: maps.Clone(g.Actions)}
	g.Incidents = append(g.Incidents, id)
	g.Count++
}

// learn folds the fact and reports whether the policy may answer differently now.
func (s *Stage) learn(inc *incident, r *pipeline.Record, fact *pipeline.Fact) bool {
	times := headerTimes(r)
	if strings.HasPrefix(fact.Actor, "user:") && inc.Times.Acknowledged == 0 {
		inc.Times.Acknowledged = r.Time
	}
	switch fact.Kind {
	case pipeline.FactAlert:
		if inc.Times.Detected == 0 {
			inc.Times.Detected, inc.Times.Normalised = r.Time, times.Normalised
		}
		return inc.learnAlert(fact.Alert, fact.Time)
	case pipeline.FactOutcome:
		if inc.Times.Decided == 0 {
			inc.Times.Decided = times.Decided
		}
		return inc.learnOutcome(fact.Outcome)
	case pipeline.FactApproval:
		return inc.learnApproval(fact.Approval, r.Time)
	case pipeline.FactDisposition:
		inc.learnDisposition(fact.Disposition, r.Time)
	case pipeline.FactTimer:
		s.timer(inc, fact)
	case pipeline.FactOverride:
		return inc.learnOverride(fact.Override)
	case pipeline.FactAck:
		inc.Incident.Owner = strings.TrimPrefix(fact.Actor, "user:")
		return false
	default:
		return false
	}
	return true
}

// headerTimes reads HeaderTimes; a record without one, or with one that is broken, tells
// nothing.
func headerTimes(r *pipeline.Record) (t pipeline.Times) {
	if h := r.Header(pipeline.HeaderTimes); h != nil {
		if json.Unmarshal(h, &t) != nil {
			return pipeline.Times{}
		}
	}
	return t
}

// learnAlert reports whether the alert brings something new: a rule, an entity, a
// technique, a severity, a risk, or twice as many signals as when that was last the case.
func (inc *incident) learnAlert(a *pipeline.Alert, at pipeline.Millis) bool {
	in := &inc.Incident
	sum := alert{
		ID: a.ID, Revision: a.Revision, Rule: a.Rule, Kind: a.Kind, Severity: a.Severity, Signals: a.Signals,
		Risk: a.Risk, Techniques: slices.Clone(a.Techniques), Group: slices.Clone(a.Group), Triggered: at,
		Withdrawn: a.Fate == fateWithdrawn,
	}
	if sum.Withdrawn {
		return inc.withdraw(sum)
	}
	news := true
	if i := inc.alert(a.ID); i >= 0 {
		old := inc.Alerts[i]
		news = sum.Severity != old.Severity || sum.Risk != old.Risk || bits.Len32(sum.Signals) != bits.Len32(old.Signals)
		inc.Alerts[i] = sum
	} else {
		in.AlertCount++
		if len(inc.Alerts) < maxAlerts {
			inc.Alerts, in.Alerts = append(inc.Alerts, sum), append(in.Alerts, a.ID)
		}
	}
	before := len(in.Rules) + len(in.Techniques) + len(in.Entities)
	in.Rules, in.Tactics = union(in.Rules, strings.Clone(a.Rule)), union(in.Tactics, a.Tactics...)
	in.Techniques, in.Sources = union(in.Techniques, a.Techniques...), union(in.Sources, a.Sources...)
	in.Flags = union(in.Flags, a.Flags...)
	inc.learnEntities(a.Entities)
	if a.Occurred != 0 && (in.Occurred == 0 || a.Occurred < in.Occurred) {
		in.Occurred = a.Occurred
	}
	return news || before != len(in.Rules)+len(in.Techniques)+len(in.Entities)
}

// withdraw takes back an alert that should not have fired. Rules and techniques that no
// other alert has go with it, unless the incident has had more alerts than it remembers.
func (inc *incident) withdraw(sum alert) bool {
	inc.Alerts[inc.alert(sum.ID)] = sum
	in := &inc.Incident
	if int(in.AlertCount) > len(inc.Alerts) {
		return true
	}
	in.Rules, in.Techniques = []string{}, nil
	for i := range inc.Alerts {
		if a := &inc.Alerts[i]; !a.Withdrawn {
			in.Rules, in.Techniques = union(in.Rules, a.Rule), union(in.Techniques, a.Techniques...)
		}
	}
	return true
}

// learnEntities appends what is new, so that the reference e:<n> of an entity never changes.
// An entity that a sensor measured once counts as measured.
func (inc *incident) learnEntities(entities []pipeline.EntityValue) {
	in := &inc.Incident
	for _, e := range entities {
		i := slices.IndexFunc(in.Entities, func(o pipeline.EntityValue) bool { return o.Kind == e.Kind && o.Value == e.Value })
		switch {
		case i >= 0:
			in.Entities[i].Content = in.Entities[i].Content && e.Content
		case len(in.Entities) < maxEntities:
			in.Entities = append(in.Entities, e)
		}
	}
}

func (inc *incident) learnDisposition(d string, at pipeline.Millis) {
	in := &inc.Incident
	in.Disposition = d
	if d == "" { // taken back: the incident is open again
		in.Status, inc.Times.Closed = pipeline.IncidentOpen, 0
		in.Reopened++
		return
	}
	in.Status, inc.Times.Closed = pipeline.IncidentClosed, at
	if inc.Times.FirstClosed == 0 {
		inc.Times.FirstClosed = at
	}
}
