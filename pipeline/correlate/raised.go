package correlate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// raised is an open alert of a rule that inhibits others, of this partition or another: all
// partitions tell each other (pipeline.Control).
type raised struct {
	tenant   string
	seq      uint64
	until    pipeline.Millis // event time; 0: taken back
	entities []pipeline.EntityValue
}

// raisedAlerts are those of a rule, by alert. The map is replaced, never changed, so that
// undo can keep the one before.
type raisedAlerts map[pipeline.ID]raised

// maxRaised is how many open alerts of a rule are remembered; those that end first go first.
const maxRaised = 4096

func (x *raised) size() int {
	const fixedSize = 160
	n := fixedSize + len(x.tenant)
	for i := range x.entities {
		n += 48 + len(x.entities[i].Kind) + len(x.entities[i].Value)
	}
	return n
}

// announce tells all partitions that the alert of x is open until a time. The stage itself
// hears it at once.
func (s *Stage) announce(out *outputs, r *rule, k *key, x *session, a *pipeline.Alert, until pipeline.Millis) {
	if !s.inhibits[r.id] || s.warms != nil || until == x.told.until {
		return
	}
	x.told.until = until
	x.told.sent++
	c := pipeline.Control{
		Kind: pipeline.ControlAlert, Tenant: k.tenant, Rule: r.id, Alert: &a.ID, Seq: x.told.sent, Until: until, Entities: a.Entities,
	}
	s.hear(&c)
	out.b.Control(&c)
}

// openUntil is how long an alert is announced to be open. Each half span that the episode
// goes on it is announced anew, so the announcement does not end before the episode does.
func openUntil(r *rule, x *session) pipeline.Millis { return x.last + r.span + r.span/2 }

// renew announces an alert that goes on.
func (s *Stage) renew(out *outputs, r *rule, k *key, x *session) {
	if s.inhibits[r.id] && s.warms == nil && openUntil(r, x) >= x.told.until+r.span/2 {
		a := s.alert(r, k, x)
		a.ID = x.told.alert
		s.announce(out, r, k, x, &a, openUntil(r, x))
	}
}

// control takes what another partition, or this one, or ingest said.
func (s *Stage) control(rec *pipeline.Record) error {
	c, err := pipeline.DecodeControl(rec.Value)
	if err != nil {
		return err
	}
	switch {
	case c.Kind == pipeline.ControlAlive && c.At > 0 && c.At < maxTime:
		s.undo.clocks(s)
		s.moved = true
		s.alive.saw(c.Tenant, c.Source, c.At)
	case c.Kind == pipeline.ControlAlert && c.Alert != nil && c.Until < maxTime && s.inhibits[c.Rule]:
		s.hear(&c)
	}
	return nil
}

// hear remembers an open alert, unless a later word of it is known.
func (s *Stage) hear(c *pipeline.Control) {
	old := s.raised[c.Rule]
	if have, ok := old[*c.Alert]; ok && have.seq >= c.Seq {
		return
	}
	if _, done := s.undo.raised[c.Rule]; !done {
		s.undo.raised[c.Rule] = old
	}
	list := make(raisedAlerts, len(old)+1)
	for id, x := range old {
		if x.until >= s.wm-s.lateness() {
			list[id] = x
		}
	}
	x := raised{tenant: strings.Clone(c.Tenant), seq: c.Seq, until: c.Until, entities: slices.Clone(c.Entities)}
	for i := range x.entities {
		e := &x.entities[i]
		e.Kind, e.Value, e.Role = strings.Clone(e.Kind), strings.Clone(e.Value), strings.Clone(e.Role)
	}
	if x.until < s.wm-s.lateness() {
		x.until, x.entities = s.wm, nil // an end: a copy of an earlier word may yet come
		x.tenant = ""
	}
	if list[*c.Alert] = x; len(list) > maxRaised {
		delete(list, firstToEnd(list))
	}
	s.putRaised(strings.Clone(c.Rule), list)
}

func firstToEnd(list raisedAlerts) pipeline.ID {
	return slices.MinFunc(slices.Collect(maps.Keys(list)), func(a, b pipeline.ID) int {
		return cmp.Or(cmp.Compare(list[a].until, list[b].until), slices.Compare(a[:], b[:]))
	})
}

// putRaised makes list the open alerts of a rule and books them.
func (s *Stage) putRaised(rule string, list raisedAlerts) {
	for _, x := range s.raised[rule] {
		s.book(x.tenant, -x.size())
	}
	for _, x := range list {
		s.book(x.tenant, x.size())
	}
	if s.raised[rule] = list; len(list) == 0 {
		delete(s.raised, rule)
	}
}

// inhibitor returns the id of an alert of in.Source, open at an event time, by which a is
// inhibited; "" if there is none.
func (s *Stage) inhibitor(in *Inhibition, k *key, a *pipeline.Alert, at pipeline.Millis) string {
	best := ""
	for id, x := range s.raised[in.Source] {
		if x.tenant != k.tenant || at > x.until || id == a.ID || !equalOn(in.Equal, a.Entities, x.entities) {
			continue
		}
		if text := id.String(); best == "" || text < best {
			best = text
		}
	}
	return best
}

func equalOn(kinds []pipeline.EntityKind, a, b []pipeline.EntityValue) bool {
	for _, kind := range kinds {
		shared := slices.ContainsFunc(a, func(e pipeline.EntityValue) bool {
			return e.Kind == kind.String() && slices.ContainsFunc(b, func(o pipeline.EntityValue) bool {
				return o.Kind == e.Kind && o.Value == e.Value
			})
		})
		if !shared {
			return false
		}
	}
	return true
}

func (w *writer) raised(rule string, list raisedAlerts) {
	w.byte(entryRaised)
	w.text(rule)
	w.uint(uint64(len(list)))
	for _, id := range slices.SortedFunc(maps.Keys(list), func(a, b pipeline.ID) int { return slices.Compare(a[:], b[:]) }) {
		x := list[id]
		w.id(id)
		w.text(x.tenant)
		w.uint(x.seq)
		w.millis(x.until)
		w.entities(x.entities)
	}
}

// restoreRaised reads what writer.raised wrote. Those of a rule that inhibits nothing any
// more are left out.
func (s *Stage) restoreRaised(r *reader) {
	rule := r.text()
	const least = 20 // bytes of one
	n := r.count(least)
	list := make(raisedAlerts, n)
	for range n {
		id := r.id()
		list[id] = raised{tenant: r.text(), seq: r.uint(), until: r.millis(), entities: r.entities()}
	}
	if !r.bad && s.inhibits[rule] {
		s.putRaised(rule, list)
	}
}

// committedRaised returns the open alerts of a rule as of the last Commit.
func (s *Stage) committedRaised(rule string) raisedAlerts {
	if old, changed := s.undo.raised[rule]; changed {
		return old
	}
	return s.raised[rule]
}
