package correlate

import (
	"context"
	"maps"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

var _ pipeline.Warmer = (*Stage)(nil)

// pair is a correlation and one that names it.
type pair struct{ inner, user string }

// keyName names a key.
type keyName struct{ rule, key string }

// debt is what a warm-up left to be told: episodes of keys that became complete after the
// time that the state had come to.
type debt struct {
	keys  []keyName
	after pipeline.Millis // append time
}

// warmPlan is what is to be warmed, and with what.
type warmPlan struct {
	cold   map[string]bool // rules that begin with what the warm-up finds
	helps  map[string]bool // correlations that they name, and whose signals are made anew too
	inside map[pair]bool   // signals that do not lie on the topic: they are made on the way
	wide   map[string]bool // rules of helps for which signals of all partitions are needed
	anew   map[string]bool // rules whose signals do not lie on the topic
	now    pipeline.Millis
	mine   func(key []byte) bool // reports whether a signal with that key lies in the partition
}

// warmth is what a warming stage knows beside its state.
type warmth struct {
	*warmPlan
	until pipeline.Millis          // the watermark goes no further: that of the stage that is warmed
	seen  map[pipeline.ID]struct{} // signals that were taken, or that Process will get
}

// Cold implements [pipeline.Warmer]. A correlation whose window was edited is made anew from
// the signals that lie on the topic. For one that is new, or that looks at other values or
// other rules now, there are none: they are made anew of the events.
func (s *Stage) Cold(now pipeline.Millis, mine func(key []byte) bool) pipeline.Cold {
	p := &warmPlan{now: now, mine: mine, wide: map[string]bool{}, cold: map[string]bool{}, helps: map[string]bool{}, inside: map[pair]bool{}, anew: map[string]bool{}}
	s.plan = p
	var cold pipeline.Cold
	for _, c := range s.cfg.Rules.list {
		was := s.served[c.ID]
		if was != nil && was.meaning == s.rules[c.ID].meaning {
			continue
		}
		p.cold[c.ID] = true
		cold.Rules = append(cold.Rules, c.ID)
		if was != nil {
			cold.Since = s.back(cold.Since, s.reach(c))
		}
		if s.want(c, was, false) {
			cold.AnewSince = s.back(cold.AnewSince, s.reach(c)+s.chained(c, was))
		}
	}
	cold.Anew, cold.Wide = slices.Sorted(maps.Keys(p.anew)), len(p.wide) > 0
	return cold
}

// reach is how far back c looks.
func (s *Stage) reach(c *Correlation) pipeline.Millis {
	r := s.rules[c.ID]
	return r.span + r.slack
}

// back returns the earlier of an append time, 0 for none, and the one from which on the
// input tells of so much event time. A record's event time is at most a few minutes ahead
// of its append time.
func (s *Stage) back(since, reach pipeline.Millis) pipeline.Millis {
	from := min(s.wm, s.newestAt)
	if s.newest == 0 { // nothing was processed yet
		from = s.plan.now
	}
	at := max(1, from-reach-s.lateness())
	if since == 0 {
		return at
	}
	return min(since, at)
}

// want plans how c gets the signals that do not lie on the topic, and reports whether any
// of them are to be made anew of events. Those of another correlation are found out on the
// way; if it groups by other values, of the signals of all partitions.
func (s *Stage) want(c *Correlation, was *served, wide bool) (anew bool) {
	if wide {
		s.plan.wide[c.ID] = true
	}
	for _, rule := range c.Rules {
		inner := s.cfg.Rules.byID[rule]
		switch {
		case was.made(c, rule):
		case inner == nil:
			s.plan.anew[c.ID], anew = true, true
		default:
			s.plan.helps[rule], s.plan.inside[pair{rule, c.ID}] = true, true
			anew = s.want(inner, nil, wide || !c.sameGroup(inner)) || anew
		}
	}
	return anew
}

// chained is how much further back the correlations look that are found out on the way.
func (s *Stage) chained(c *Correlation, was *served) (reach pipeline.Millis) {
	for _, rule := range c.Rules {
		if inner := s.cfg.Rules.byID[rule]; inner != nil && !was.made(c, rule) {
			reach = max(reach, s.reach(inner)+s.chained(inner, nil))
		}
	}
	return reach
}

// warmer returns the stage that warms this one: one of its own, with the cold rules alone,
// to whose words nobody listens.
func (s *Stage) warmer() (*Stage, error) {
	if s.warming == nil {
		w, err := New(s.cfg)
		if err != nil {
			return nil, err
		}
		w.warms = &warmth{warmPlan: s.plan, until: s.wm, seen: map[pipeline.ID]struct{}{}}
		if s.newest == 0 {
			w.warms.until = s.plan.now - s.lateness()
		}
		s.warming = w
	}
	return s.warming, nil
}

// Await implements [pipeline.Warmer].
func (s *Stage) Await(_ context.Context, b *pipeline.Batch) error {
	w, err := s.warmer()
	if err != nil {
		return err
	}
	for i := range b.In {
		if pipeline.IsControl(&b.In[i]) {
			continue
		}
		if err := pipeline.DecodeSignal(b.In[i].Value, &w.sig, &b.Arena); err == nil {
			w.warms.takes(w, &w.sig)
		} // a broken one is rejected when its turn comes
	}
	return nil
}

// Warm implements [pipeline.Warmer].
func (s *Stage) Warm(ctx context.Context, b *pipeline.Batch) error {
	w, err := s.warmer()
	if err != nil {
		return err
	}
	err = w.Process(ctx, b)
	w.Commit()
	return err
}

// takes reports whether a signal is for a rule that is warmed, and came for the first time:
// what is made anew of an event may lie on the topic as well.
func (t *warmth) takes(w *Stage, sig *pipeline.Signal) bool {
	if !t.cold[sig.Step] && !t.helps[sig.Step] || !w.rules[sig.Step].c.means(sig) || !t.near(sig) {
		return false
	}
	if slices.Contains(sig.Flags, flagMoved) || slices.Contains(sig.Flags, flagWithdrawn) {
		return true
	}
	_, seen := t.seen[sig.ID]
	t.seen[sig.ID] = struct{}{}
	return !seen
}

// near reports whether a signal is of the partition, or of one that is needed too.
func (t *warmth) near(sig *pipeline.Signal) bool {
	return len(t.wide) == 0 || t.wide[sig.Step] || t.mine(sig.AppendKey(nil))
}

// Warmed implements [pipeline.Warmer]: the warm rules become the stage's own. No alert of
// theirs counts as told. An episode that was complete at the time that the state had come to is
// told with its next signal; one that became complete after it, while nobody looked, is told
// with the next Tick. One whose alert is known from before the edit begins
// with the same signal and so has the same id.
func (s *Stage) Warmed(context.Context) error {
	w := s.warming
	s.warming = nil
	if w == nil {
		return nil
	}
	w.pass(&outputs{b: &pipeline.Batch{}}, w.warms.until)
	s.owed.after = s.present()
	if s.newest == 0 {
		s.owed.after = s.plan.now
	}
	for _, id := range slices.Sorted(maps.Keys(s.plan.cold)) {
		r := s.rules[id]
		for _, text := range slices.Sorted(maps.Keys(w.rules[id].keys)) {
			k := w.rules[id].keys[text]
			if s.plan.wide[id] && !s.plan.mine(r.signalKey(k)) {
				continue
			}
			for i := range k.sessions {
				x := &k.sessions[i]
				if x.fired() && x.trigger.appended > s.owed.after {
					x.told = told{}
					s.owed.keys = append(s.owed.keys, keyName{id, text})
				} else {
					x.told.suppress(r.c)
				}
			}
			if s.undo.keys[id] == nil {
				s.undo.keys[id] = map[string]*key{}
			}
			s.undo.keys[id][text] = nil
			s.putBack(r, k)
		}
	}
	return nil
}

// signalKey is the key on the topic of the signals of k.
func (r *rule) signalKey(k *key) []byte {
	sig := pipeline.Signal{Tenant: k.tenant, Step: r.id, Group: k.group}
	if r.c.Type == FirstSeen {
		sig.Group = k.group[:min(len(k.group), len(r.c.GroupBy))] // what follows is the value
	}
	return sig.AppendKey(nil)
}

// suppress forgets what a warming stage told. A value that first_seen knows stays known.
func (t *told) suppress(c *Correlation) {
	if c.Type != FirstSeen {
		*t = told{}
	} else if !t.alert.IsZero() {
		t.fate, t.checked = FateSilenced, maxTime
	}
}

// payOwed tells what a warm-up left to be told.
func (s *Stage) payOwed(out *outputs) {
	owed := s.owed
	s.owed = debt{}
	for _, o := range slices.Compact(owed.keys) {
		r := s.rules[o.rule]
		k := s.touch(r, []byte(o.key))
		for i := range k.sessions {
			if x := &k.sessions[i]; x.fired() && x.told.alert.IsZero() && x.trigger.appended > owed.after {
				s.report(out, r, k, x, true)
			}
		}
		s.settled(r, k)
	}
	s.drain(out)
}
