package correlate

import (
	"cmp"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// shed makes room when the rule, the tenant or the whole partition takes more than its
// share: keys go in the order of what they are worth, until a tenth of the share is free.
func (s *Stage) shed(out *outputs, r *rule, tenant string) {
	if n := share(s.cfg.Budget, s.cfg.RuleShare); r.bytes > n {
		s.evict(out, r, "", func() bool { return r.bytes <= n-n/10 })
	}
	if n := share(s.cfg.Budget, s.cfg.TenantShare); s.tenants[tenant] > n && len(s.tenants) > 1 {
		s.evict(out, nil, tenant, func() bool { return s.tenants[tenant] <= n-n/10 })
	}
	if n := s.cfg.Budget; s.bytes > n {
		s.evict(out, nil, "", func() bool { return s.bytes <= n-n/10 })
	}
}

// shrink makes a key smaller that takes more than its share: the older half of what waits,
// or of a session without an episode, is forgotten. What was forgotten is told once for
// each session, and an alert that may come of the rest is marked approximate.
func (s *Stage) shrink(out *outputs, r *rule, k *key) {
	if k.bytes <= share(s.cfg.Budget, s.cfg.KeyShare) {
		return
	}
	if n := len(k.pending); n > 1 {
		s.forgot(out, r, k, k.pending[:n/2], k.approx)
		k.pending, k.approx = slices.Clone(k.pending[n/2:]), true
		k.waiting = contentOf(k.pending)
	}
	for i := range k.sessions {
		x := &k.sessions[i]
		if n := len(x.marks); n > 1 && !x.fired() {
			s.forgot(out, r, k, x.marks[:n/2], x.approx)
			x.drop(n / 2)
			x.approx = true
		}
	}
	s.settled(r, k)
}

// forgot records that the marks ms of a key are forgotten, unless that was told before.
func (s *Stage) forgot(out *outputs, r *rule, k *key, ms []mark, told bool) {
	if told {
		return
	}
	s.stats.Forgotten++
	x := session{marks: ms[:min(len(ms), maxEvidence)], post: uint32(max(0, len(ms)-maxEvidence)), trig: -1, trigger: ms[len(ms)-1]}
	s.lost(out, r, k, &x)
}

func share(budget int, part float64) int { return int(float64(budget) * part) }

// candidate is a key that may be evicted. Lower ranks go first.
type candidate struct {
	r    *rule
	text string
	rank int // 0: a single signal, then by how much was seen, open alerts and memories last
	last int64
}

// evict drops keys, of one rule or of one tenant if they are given, until enough says so.
// The order is total, so that every run drops the same ones. What is expired went before,
// when time passed.
func (s *Stage) evict(out *outputs, only *rule, tenant string, enough func() bool) {
	var all []candidate
	for _, r := range s.rules {
		if only != nil && r != only {
			continue
		}
		s.unpackAll(r)
		for text, k := range r.keys {
			if tenant == "" || k.tenant == tenant {
				all = append(all, candidate{r, text, rank(r, k), lastOf(k)})
			}
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.last, b.last), cmp.Compare(a.r.id, b.r.id), cmp.Compare(a.text, b.text))
	})
	for _, c := range all {
		if enough() {
			return
		}
		k := s.touch(c.r, []byte(c.text))
		s.stats.Evicted++
		s.tellEviction(out, c.r, k)
		delete(c.r.keys, c.text)
		s.weigh(c.r, k, 0)
	}
}

// rank tells what a key is worth: steps that were seen of a sequence count more than
// repetitions of one.
func rank(r *rule, k *key) int {
	const opened = 1 << 20
	most := len(k.pending)
	for i := range k.sessions {
		x := &k.sessions[i]
		if x.fired() || r.c.Type == FirstSeen {
			return opened
		}
		var steps uint64
		for j := range x.marks {
			steps |= 1 << (x.marks[j].step % 64)
		}
		n := len(x.marks)
		for ; steps > 1; steps &= steps - 1 {
			n += maxMarks
		}
		most = max(most, min(n, opened-1))
	}
	if most <= 1 {
		return 0
	}
	return most
}

func lastOf(k *key) int64 {
	var last int64
	for i := range k.sessions {
		last = max(last, int64(k.sessions[i].last))
	}
	if n := len(k.pending); n > 0 {
		last = max(last, int64(k.pending[n-1].at))
	}
	return last
}

// tellEviction records that a key was dropped: its open alerts with all that they counted,
// or what had been seen so far.
func (s *Stage) tellEviction(out *outputs, r *rule, k *key) {
	for i := range k.sessions {
		x := k.sessions[i]
		if len(x.marks) == 0 || x.told.fate == FateWithdrawn {
			continue
		}
		if !x.fired() {
			x.start, x.trigger = 0, x.marks[len(x.marks)-1]
		}
		s.lost(out, r, k, &x)
	}
	if n := len(k.pending); n > 0 {
		x := session{marks: k.pending[:min(n, maxEvidence)], post: uint32(max(0, n-maxEvidence)), trig: -1, trigger: k.pending[n-1]}
		s.lost(out, r, k, &x)
	}
}

func (s *Stage) lost(out *outputs, r *rule, k *key, x *session) {
	a := s.alert(r, k, x)
	if x.told.alert.IsZero() {
		x.told.alert, x.told.group = budgetID(r, k, &a), incidentGroup(r.c, &a)
		x.told.fate = FateBudget
	}
	loud := *r
	loud.loud = true
	s.revise(out, &loud, k, x, &a, "dropped for want of memory")
}

// budgetID is the identity of the row that tells of a dropped key. It is not that of an
// alert: the same signals may yet open one.
func budgetID(r *rule, k *key, a *pipeline.Alert) pipeline.ID {
	return pipeline.HashID("budget", k.tenant, r.id, k.groupText(), a.Evidence[0].View())
}
