package correlate

import (
	"slices"
	"sort"

	"github.com/riposte-sec/riposte/pipeline"
)

// wait puts m among the marks that are judged when the watermark has passed.
func (k *key) wait(m mark) {
	i := sort.Search(len(k.pending), func(i int) bool { return k.pending[i].compare(&m) >= 0 })
	if i < len(k.pending) && k.pending[i].id == m.id {
		return
	}
	m.note = m.note.share(k.pending[:i])
	if i == len(k.pending) {
		k.waiting += m.content(k.pending)
		k.pending = append(k.pending, m)
		return
	}
	k.pending = slices.Insert(slices.Clone(k.pending), i, m)
	k.waiting = contentOf(k.pending)
}

// judge decides about the spans that the watermark has passed. A span begins with the
// first mark that is in none before it, and is one timespan long.
func (s *Stage) judge(out *outputs, r *rule, k *key) {
	defer func() { k.approx = k.approx && len(k.pending) > 0 }()
	for len(k.pending) > 0 {
		end := k.pending[0].at + r.span
		if end >= s.passed(r) {
			return
		}
		if r.c.Type == Absence {
			s.judgeAbsence(out, r, k, end)
			continue
		}
		n := sort.Search(len(k.pending), func(i int) bool { return k.pending[i].at > end })
		ms := k.pop(n)
		if r.c.satisfied(ms) {
			s.episode(out, r, k, ms, ms[n-1])
		}
	}
}

// pop takes the first n marks out of what waits.
func (k *key) pop(n int) []mark {
	ms := k.pending[:n:n]
	k.pending = k.pending[n:]
	k.waiting -= contentOf(ms)
	if len(k.pending) > 0 { // the note that it shared with the one before is its own now
		first := &k.pending[0]
		k.waiting += first.content(nil) - first.content(ms)
	}
	return ms
}

// satisfied judges a whole span.
func (c *Correlation) satisfied(ms []mark) bool {
	switch c.Type {
	case EventCount:
		return c.Cond.Holds(float64(len(ms)))
	case ValueCount:
		seen := map[string]bool{}
		for i := range ms {
			seen[ms[i].value] = true
		}
		return c.Cond.Holds(float64(len(seen)))
	case ValueSum:
		return c.Cond.Holds(float64(sum(ms)) / 1000)
	case ValueAvg:
		return c.Cond.Holds(float64(sum(ms)) / 1000 / float64(len(ms)))
	case ValuePercentile:
		return c.Cond.Holds(float64(percentile(ms, c.Percentile)) / 1000)
	case Temporal:
		counts := make([]int, len(c.Rules))
		for i := range ms {
			counts[ms[i].step]++
		}
		return c.Expr.Holds(counts)
	case Single, TemporalOrdered, Absence, FirstSeen, Risk:
	}
	panic("BUG: correlate: " + string(c.Type) + " is not judged by spans")
}

func sum(ms []mark) int64 {
	var n int64
	for i := range ms {
		n += ms[i].num
	}
	return n
}

// percentile is the nearest-rank percentile: the smallest value that at least p percent of
// the values do not exceed.
func percentile(ms []mark, p int) int64 {
	vs := make([]int64, len(ms))
	for i := range ms {
		vs[i] = ms[i].num
	}
	slices.Sort(vs)
	return vs[max(0, (p*len(vs)+99)/100-1)]
}

// judgeAbsence decides about the first pending mark. One of the first rule was not followed
// if no other rule was seen within the timespan; one of another rule has served.
func (s *Stage) judgeAbsence(out *outputs, r *rule, k *key, end pipeline.Millis) {
	m := k.pop(1)[0]
	rest := k.pending
	if m.step != 0 {
		return
	}
	for i := range rest {
		if rest[i].at > end {
			break
		}
		if rest[i].step != 0 {
			return
		}
	}
	s.absent(out, r, k, m, end)
}

// episode opens an episode with ms, or extends the one before when no more than a timespan
// lies between them.
func (s *Stage) episode(out *outputs, r *rule, k *key, ms []mark, trigger mark) {
	n, approx := len(k.sessions), k.approx
	if n > 0 && ms[0].at-k.sessions[n-1].last <= r.span {
		x := &k.sessions[n-1]
		changed := x.extend(ms)
		x.last = max(x.last, ms[len(ms)-1].at)
		x.held = x.last + 2*r.span
		x.approx = x.approx || approx
		s.report(out, r, k, x, changed)
		return
	}
	x := session{first: ms[0].at, last: ms[len(ms)-1].at, trig: -1, fixed: true, trigger: trigger, approx: approx}
	x.held = x.last + 2*r.span // the span that begins last is judged then
	x.extend(ms)
	k.sessions = append(slices.Clone(k.sessions), x)
	s.report(out, r, k, &k.sessions[n], true)
}

// extend adds marks to the evidence while there is room, and counts the others.
func (x *session) extend(ms []mark) (changed bool) {
	n := min(len(ms), max(0, maxEvidence-len(x.marks)))
	x.marks, x.weighed = slices.Concat(x.marks, ms[:n]), -1
	x.post += uint32(len(ms) - n)
	return n > 0
}

// forget takes the mark that is meant out of what waits.
func (k *key) forget(meant func(mark) bool) {
	if i := slices.IndexFunc(k.pending, meant); i >= 0 {
		k.pending = slices.Delete(slices.Clone(k.pending), i, i+1)
		k.waiting = contentOf(k.pending)
	}
}
