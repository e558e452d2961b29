package correlate

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/riposte-sec/riposte/pipeline"
)

// The fates of an alert (pipeline.Alert.Fate). Those of FateIncident open incidents.
const (
	FateIncident  = "incident"
	FateWaiting   = "waiting"   // for others of its group, see Route; a later revision has its fate
	FateSilenced  = "silenced"  // a silence or a mute
	FateInhibited = "inhibited" // a graver alert tells it already
	FateFolded    = "folded"    // storm control put it into the rule's own incident, or its episode became part of another one
	FateBudget    = "budget"    // its state had to go for want of memory
	FateWithdrawn = "withdrawn" // a late signal showed that it should not have fired
)

// maxEntities is how many entities an alert lists.
const maxEntities = 64

// outputs is where a transition puts its messages.
type outputs struct{ b *pipeline.Batch }

// report tells what is new about a session: its alert, or a revision of it. Revisions are
// told when the evidence's beginning, the trigger or the entities changed, when the number
// of signals doubled, and when the last one is a RepeatInterval old; the rest is told when
// the episode closes.
func (s *Stage) report(out *outputs, r *rule, k *key, x *session, changed bool) {
	if s.replacing {
		return
	}
	if !x.fired() || s.learning(r, k, x) {
		if !x.told.alert.IsZero() && x.told.fate != FateWithdrawn {
			s.withdraw(out, r, k, x)
		}
		return
	}
	if x.told.alert.IsZero() || x.told.fate == FateWithdrawn {
		s.open(out, r, k, x)
		return
	}
	if s.freed(out, r, k, x) {
		return
	}
	s.renew(out, r, k, x)
	grown := x.grown(s.present())
	if !changed && !grown {
		return
	}
	if a := s.alert(r, k, x); grown || x.told.differs(&a) {
		s.revise(out, r, k, x, &a, "")
	}
}

// grown reports whether there is enough more than what was told to tell it.
func (x *session) grown(now pipeline.Millis) bool {
	n, t := x.signals(), &x.told
	return n >= 2*t.signals || n > t.signals && t.again != 0 && now >= t.again
}

// differs reports whether an alert tells of another beginning, trigger or number of entities.
func (t *told) differs(a *pipeline.Alert) bool {
	return a.Evidence[0] != t.start || a.Trigger != t.trigger || a.Triggered != t.at || len(a.Entities) != int(t.entities)
}

// recheck is how much event time passes until an alert that was kept from incidents, and
// that goes on, is judged again.
const recheck = pipeline.Millis(60_000)

// freed tells an alert that goes on, and that nothing keeps from incidents any more.
func (s *Stage) freed(out *outputs, r *rule, k *key, x *session) bool {
	t := &x.told
	if t.fate != FateSilenced && t.fate != FateInhibited || x.last < t.checked+recheck {
		return false
	}
	t.checked = x.last
	a := s.alert(r, k, x)
	a.ID = t.alert
	if fate, _ := s.suppressed(k, &a, x.last); fate != "" {
		return false
	}
	s.release(out, r, k, x, "no longer "+t.fate)
	return true
}

// open tells the first revision, and the signals that other correlations make of it.
func (s *Stage) open(out *outputs, r *rule, k *key, x *session) {
	a := s.alert(r, k, x)
	if x.told.alert.IsZero() {
		x.told.alert = pipeline.AlertID(k.tenant, r.id, k.groupText(), a.Evidence[0])
		x.told.group = s.cfg.route(&a).group(r.c, &a)
	}
	a.ID = x.told.alert
	fate, why := s.decide(r, k, x, &a)
	x.told.fate, x.told.checked = fate, x.last
	if x.told.rev == 0 {
		s.stats.Alerts++
	}
	x.told.at = 0 // also of one that was withdrawn: other correlations hear of it again
	s.revise(out, r, k, x, &a, why)
}

// revise tells the next revision of an alert. A rule that does not alert by itself tells
// nothing, but keeps the count.
func (s *Stage) revise(out *outputs, r *rule, k *key, x *session, a *pipeline.Alert, why string) {
	x.told.rev++
	if s.urgent(a) && r.loud {
		if x.told.fate == FateWaiting { // it grew
			x.told.fate, why = FateIncident, "urgent"
		}
		if x.told.fate == FateIncident {
			s.hurry(k, x)
		}
	}
	a.ID, a.Revision, a.Fate = x.told.alert, x.told.rev, x.told.fate
	if x.told.again = 0; s.cfg.route(a).RepeatInterval > 0 {
		x.told.again = s.present() + millisOf(s.cfg.route(a).RepeatInterval)
	}
	if x.told.rev == 1 || a.Trigger != x.told.trigger || a.Triggered != x.told.at {
		again := ""
		if x.told.at != 0 {
			again = flagMoved
		}
		s.derive(out, r, x, a, again)
	}
	x.told.signals, x.told.start, x.told.trigger, x.told.at = a.Signals, a.Evidence[0], a.Trigger, a.Triggered
	x.told.entities = uint16(len(a.Entities))
	if x.told.fate == FateWithdrawn || x.told.fate == FateFolded && x.told.rev > 1 {
		s.announce(out, r, k, x, a, 0)
	} else {
		s.announce(out, r, k, x, a, openUntil(r, x))
	}
	if !r.loud {
		return
	}
	if x.told.rev > 1 {
		s.stats.Revisions++
	}
	out.fact(k, x, a, why)
}

// closed tells the last revision, if something is left to tell.
func (s *Stage) closed(out *outputs, r *rule, k *key, x *session) {
	if x.told.until != 0 {
		a := s.alert(r, k, x)
		a.ID = x.told.alert
		s.announce(out, r, k, x, &a, x.last+r.span)
	}
	waits := x.told.fate == FateWaiting
	if x.told.alert.IsZero() || x.told.fate == FateWithdrawn || x.signals() == x.told.signals && !waits {
		return
	}
	a := s.alert(r, k, x)
	if waits {
		x.told.fate = FateIncident
	}
	s.revise(out, r, k, x, &a, "closed")
}

func (s *Stage) withdraw(out *outputs, r *rule, k *key, x *session) {
	x.told.fate = FateWithdrawn
	a := s.alert(r, k, x)
	s.revise(out, r, k, x, &a, "withdrawn: an earlier signal changed the verdict")
	s.derive(out, r, x, &a, flagWithdrawn)
}

// merged tells that y's alert is part of x's from now on.
func (s *Stage) merged(out *outputs, r *rule, k *key, x, y *session) {
	switch {
	case y.told.alert.IsZero():
	case x.told.alert.IsZero():
		x.told = y.told
	default:
		y.told.fate = FateFolded
		a := s.alert(r, k, y)
		s.revise(out, r, k, y, &a, "part of alert "+x.told.alert.String())
		s.derive(out, r, y, &a, flagWithdrawn)
	}
}

// alert makes the alert of a session. Its beginning is that of the evidence, so that it is
// the same whatever the order was in which the signals came.
func (s *Stage) alert(r *rule, k *key, x *session) pipeline.Alert {
	c := r.c
	ev := x.evidence()
	if len(ev) == 0 {
		ev = []mark{x.trigger} // all that it had was taken back
	}
	a := pipeline.Alert{
		Tenant: k.tenant, Rule: r.id, Kind: alertKinds[c.Type], Severity: c.Severity, Title: c.Title,
		Tactics: slices.Clone(c.Tactics), Techniques: slices.Clone(c.Techniques), Sources: []string{},
		Group: k.group, Entities: []pipeline.EntityValue{}, Signals: max(1, x.signals()),
		Trigger: x.trigger.id, Event: x.trigger.event,
		Occurred: ev[0].at, Triggered: x.trigger.at, Ingested: x.trigger.ingested,
	}
	var flags []string
	var last *note
	for i := range ev {
		a.Evidence = append(a.Evidence, ev[i].id)
		if ev[i].note == last {
			continue
		}
		last = ev[i].note
		n := last.content()
		a.Severity = pickSeverity(c.Severity, a.Severity, n.severity)
		if a.Title == "" {
			a.Title = n.title
		}
		a.Tactics, a.Techniques = union(a.Tactics, n.tactics), union(a.Techniques, n.techniques)
		a.Sources, flags = union(a.Sources, []string{n.source}), union(flags, n.flags)
		a.Entities = addEntities(a.Entities, n.entities)
	}
	a.Flags = orderFlags(flags, x.approx)
	if c.Type == Risk {
		a.Risk = riskOf(c, ev, &x.trigger)
	}
	return a
}

func pickSeverity(fixed, have, more uint8) uint8 {
	if fixed != 0 {
		return fixed
	}
	return max(have, more)
}

func union(dst, more []string) []string {
	for _, v := range more {
		if !slices.Contains(dst, v) {
			dst = append(dst, v)
		}
	}
	return dst
}

func addEntities(dst, more []pipeline.EntityValue) []pipeline.EntityValue {
	for _, e := range more {
		known := slices.ContainsFunc(dst, func(o pipeline.EntityValue) bool { return o.Kind == e.Kind && o.Value == e.Value })
		if !known && len(dst) < maxEntities {
			dst = append(dst, e)
		}
	}
	return dst
}

// orderFlags sorts the flags, so that they do not depend on the order of the evidence.
func orderFlags(flags []string, approx bool) []string {
	if approx {
		flags = append(flags, "approximate")
	}
	slices.Sort(flags)
	return flags
}

// riskOf is the score at the trigger, or at the last piece of evidence before it.
func riskOf(c *Correlation, ev []mark, trigger *mark) float64 {
	n := 1
	for n < len(ev) && ev[n].compare(trigger) <= 0 {
		n++
	}
	w := newRiskWindow(c, pipeline.Millis(c.Span.Milliseconds()))
	for i := range n {
		w.push(ev, i)
	}
	return w.score
}

// incidentGroup names the entity whose incident the alert belongs to: the first of the kind
// that the rule asks for, else the one that the alert is grouped by, else the first one,
// else the alert's own group.
func incidentGroup(c *Correlation, a *pipeline.Alert) string {
	for _, e := range a.Entities {
		if c.IncidentBy != pipeline.EntityNone && e.Kind == c.IncidentBy.String() {
			return e.Kind + ":" + e.Value
		}
	}
	for _, value := range a.Group {
		for _, e := range a.Entities {
			if e.Value == value {
				return e.Kind + ":" + e.Value
			}
		}
	}
	if len(a.Entities) > 0 {
		return a.Entities[0].Kind + ":" + a.Entities[0].Value
	}
	return ruleGroup(string(appendKeyText(nil, a.Rule, a.Group)))
}

// fact emits the alert as a fact.
func (o *outputs) fact(k *key, x *session, a *pipeline.Alert, why string) {
	f := pipeline.Fact{
		ID:     pipeline.HashID("fact", a.ID.View(), strconv.FormatUint(a.Revision, 10)),
		Tenant: k.tenant, Group: x.told.group, Kind: pipeline.FactAlert, Ref: a.ID, Actor: "engine",
		Time: max(a.Triggered, x.last), Summary: summary(a, why), Alert: a,
	}
	ar := &o.b.Arena
	times := fmt.Appendf(nil, `{"normalised":%d}`, x.trigger.appended)
	o.b.Emit(pipeline.Message{
		Topic: pipeline.TopicFacts,
		Key:   ar.Append(256, func(dst []byte) []byte { return pipeline.AppendKey(dst, f.Tenant, f.Group) }),
		Value: ar.Append(4096, f.AppendJSON),
		Headers: []pipeline.Header{
			{Key: pipeline.HeaderSchema, Value: []byte(pipeline.SchemaFact)},
			{Key: pipeline.HeaderTenant, Value: []byte(f.Tenant)},
			{Key: pipeline.HeaderID, Value: []byte(f.ID.String())},
			{Key: pipeline.HeaderTimes, Value: times},
		},
	})
}

func summary(a *pipeline.Alert, why string) string {
	plural := "s"
	if a.Signals == 1 {
		plural = ""
	}
	text := fmt.Sprintf("%s (%d signal%s)", a.Title, a.Signals, plural)
	if why != "" {
		text += ": " + why
	}
	return text
}

// flagInner marks a signal that this stage has dealt with already: it lies on the topic to
// be recorded. flagMoved and flagWithdrawn replace an earlier signal of the same id, and
// take it back.
const (
	flagInner     = "inner"
	flagMoved     = "moved"
	flagWithdrawn = "withdrawn"
)

// inner is a signal of one correlation for another one over the same values.
type inner struct {
	sig      pipeline.Signal
	appended pipeline.Millis
}

// derive makes a signal of the alert for each correlation that names its rule. Where both
// group by the same values the other one is in this partition and is served at once, see
// drain; otherwise the signal travels through TopicSignals. If the trigger of an alert
// changes, the signal comes again with the same id and another time; the mark withdrawn
// takes it back.
func (s *Stage) derive(out *outputs, r *rule, x *session, a *pipeline.Alert, mark string) {
	if r.c.Type == Single || len(a.Group) < len(r.c.GroupBy) || r.c.Type == Absence && a.Group[0] == silentGroup {
		return // users of a detection have signals of the match stage; nobody awaits a silent source
	}
	for _, user := range s.cfg.Rules.users[r.id] {
		sig := pipeline.Signal{
			ID: pipeline.SignalID(x.told.alert, r.id, user.ID), Event: a.Event, Tenant: a.Tenant, Rule: r.id, Step: user.ID,
			Source: a.Sources[0], Class: pipeline.ClassDetectionFinding, Severity: a.Severity, Title: a.Title,
			Tactics: a.Tactics, Techniques: a.Techniques, Entities: a.Entities, Flags: slices.Clone(a.Flags),
			At: a.Triggered, Ingested: a.Ingested, Form: user.forms[r.id],
		}
		for _, name := range user.GroupBy {
			sig.Group = append(sig.Group, a.Group[slices.Index(r.c.GroupBy, user.path(name, r.id))])
		}
		for _, name := range user.Fields {
			if sig.Fields == nil {
				sig.Fields = map[string]string{}
			}
			p := user.path(name, r.id)
			sig.Fields[p] = a.Group[slices.Index(r.c.GroupBy, p)]
		}
		if mark != "" {
			sig.Flags = addFlag(sig.Flags, mark)
		}
		s.stats.Derived++
		if s.warms != nil && !s.warms.inside[pair{r.id, user.ID}] {
			continue // it lies on the topic
		}
		if s.here(user, r.c, &sig) {
			sig.Flags = addFlag(sig.Flags, flagInner)
			s.inner = append(s.inner, inner{sig, x.trigger.appended})
		}
		out.signal(&sig)
	}
}

// here reports whether a signal of inner for user is served at once. While a stage warms it
// stands for other partitions too.
func (s *Stage) here(user, inner *Correlation, sig *pipeline.Signal) bool {
	if s.warms != nil {
		return s.warms.near(sig)
	}
	return user.sameGroup(inner)
}

// sameGroup reports whether signals of inner lie in the same partition as those of c.
func (c *Correlation) sameGroup(inner *Correlation) bool {
	return slices.Equal(c.paths(c.GroupBy, inner.ID), inner.GroupBy)
}

// drain serves the correlations that use what others found, in the order in which it was
// found, and then the groups that an urgent alert lets wait no longer.
func (s *Stage) drain(out *outputs) {
	for len(s.inner)+len(s.hurried) > 0 {
		for len(s.inner) > 0 {
			n := s.inner[0]
			s.inner = s.inner[1:]
			s.admit(out, &n.sig, n.appended)
		}
		s.inner = nil
		hurried := s.hurried
		s.hurried = nil
		for _, text := range hurried {
			if s.bundles[text] != nil {
				s.tell(out, text, s.present())
			}
		}
	}
}

func (o *outputs) signal(sig *pipeline.Signal) {
	ar := &o.b.Arena
	o.b.Emit(pipeline.Message{
		Topic: pipeline.TopicSignals,
		Key:   ar.Append(256, sig.AppendKey),
		Value: ar.Append(2048, sig.AppendJSON),
		Headers: []pipeline.Header{
			{Key: pipeline.HeaderSchema, Value: []byte(pipeline.SchemaSignal)},
			{Key: pipeline.HeaderTenant, Value: []byte(sig.Tenant)},
			{Key: pipeline.HeaderID, Value: []byte(sig.ID.String())},
		},
	})
}
