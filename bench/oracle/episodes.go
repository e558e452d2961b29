package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Episode is one alert that a correlation must raise in the end, whatever came in which
// order: which records are its evidence, and which of them completed the condition.
type Episode struct {
	Rule     string
	Group    string   // what it groups by; for first_seen with the value
	Trigger  uint64   // sequence number
	Evidence []uint64 // sequence numbers by event time, the first 64
	Signals  int      // all of them
}

// String identifies the episode with all that is judged about it.
func (e *Episode) String() string {
	return fmt.Sprintf("%s of %s, trigger %d, %d signals %v", e.Rule, e.Group, e.Trigger, e.Signals, e.Evidence)
}

// maxEvidence is how many signals an alert names; further ones are counted.
const maxEvidence = 64

// mark is a correlated record as one correlation sees it. No two of a group have the same
// time.
type mark struct {
	seq   uint64
	at    int64 // milliseconds
	step  int   // index of its detection in Correlation.Rules
	value int
}

// episodes looks at all correlated records at once.
func (c *Correlation) episodes(truth *Truth) []Episode {
	groups := map[string][]mark{}
	for i := range truth.Entries {
		e := &truth.Entries[i]
		s := slices.Index(c.Rules, e.Rule)
		if e.Class != Correlated || s < 0 {
			continue
		}
		g := e.Group
		if c.Kind == FirstSeen {
			g += "," + strconv.Itoa(e.Value)
		}
		groups[g] = append(groups[g], mark{e.Seq, e.At, s, e.Value})
	}
	var out []Episode
	for g, ms := range groups {
		slices.SortFunc(ms, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
		for _, e := range c.ofGroup(ms) {
			e.Rule, e.Group = c.ID, g
			out = append(out, e)
		}
	}
	return out
}

func (c *Correlation) ofGroup(ms []mark) []Episode {
	switch c.Kind {
	case Absence:
		return c.absences(ms)
	case ValueAvg:
		return c.averages(ms)
	default:
		return c.sliding(ms)
	}
}

// sliding judges, at each record, the records of the span before it. The first at which
// the condition holds opens the episode, which lasts until a gap longer than the span.
func (c *Correlation) sliding(ms []mark) (out []Episode) {
	for _, run := range c.runs(ms) {
		for i := range run {
			lo := 0
			for run[i].at-run[lo].at > c.Span.Milliseconds() {
				lo++
			}
			if begin, ok := c.holds(run[lo : i+1]); ok {
				out = append(out, episodeOf(run[lo+begin:], run[i]))
				break
			}
		}
	}
	return out
}

// holds judges a window, and tells where the part of it begins that satisfies the
// condition.
func (c *Correlation) holds(window []mark) (begin int, ok bool) {
	switch c.Kind {
	case EventCount:
		return 0, len(window) >= c.AtLeast
	case ValueCount:
		return 0, different(window, func(m mark) int { return m.value }) >= c.AtLeast
	case ValueSum:
		return 0, sum(window) >= c.AtLeast
	case Temporal:
		return 0, different(window, func(m mark) int { return m.step }) == len(c.Rules)
	case TemporalOrdered:
		return c.chain(window)
	case FirstSeen:
		return 0, true
	default:
		panic("BUG: oracle: no window of " + string(c.Kind))
	}
}

// chain finds, backwards from the last record, the latest record of each step before it.
func (c *Correlation) chain(window []mark) (begin int, ok bool) {
	want := len(c.Rules) - 1
	if window[len(window)-1].step != want {
		return 0, false
	}
	for i, m := range slices.Backward(window) {
		if m.step != want {
			continue
		}
		if want--; want < 0 {
			return i, true
		}
	}
	return 0, false
}

// absences are the records of the first detection that none of the others followed.
func (c *Correlation) absences(ms []mark) (out []Episode) {
	var alone []mark
	for i, m := range ms {
		followed := slices.ContainsFunc(ms[i+1:], func(o mark) bool { return o.step != 0 && o.at <= m.at+c.Span.Milliseconds() })
		if m.step == 0 && !followed {
			alone = append(alone, m)
		}
	}
	for _, run := range c.runs(alone) {
		out = append(out, episodeOf(run, run[0]))
	}
	return out
}

// averages judges spans that do not overlap, each from the first record that is in none
// before it. Those that hold, with no longer gap than a span between them, are one episode.
func (c *Correlation) averages(ms []mark) (out []Episode) {
	span := c.Span.Milliseconds()
	var whole []mark
	var trigger mark
	finish := func() {
		if len(whole) > 0 {
			out = append(out, episodeOf(whole, trigger))
		}
		whole = nil
	}
	for len(ms) > 0 {
		n := 1
		for n < len(ms) && ms[n].at <= ms[0].at+span {
			n++
		}
		if in := ms[:n]; sum(in) >= c.AtLeast*n {
			if len(whole) > 0 && in[0].at-whole[len(whole)-1].at > span {
				finish()
			}
			if len(whole) == 0 {
				trigger = in[n-1]
			}
			whole = append(whole, in...)
		}
		ms = ms[n:]
	}
	finish()
	return out
}

// runs cuts records where a gap is longer than the span.
func (c *Correlation) runs(ms []mark) (out [][]mark) {
	for from := 0; from < len(ms); {
		to := from + 1
		for to < len(ms) && ms[to].at-ms[to-1].at <= c.Span.Milliseconds() {
			to++
		}
		out = append(out, ms[from:to])
		from = to
	}
	return out
}

func episodeOf(ms []mark, trigger mark) Episode {
	e := Episode{Trigger: trigger.seq, Signals: len(ms)}
	for _, m := range ms[:min(len(ms), maxEvidence)] {
		e.Evidence = append(e.Evidence, m.seq)
	}
	return e
}

func different(ms []mark, of func(mark) int) int {
	seen := map[int]bool{}
	for _, m := range ms {
		seen[of(m)] = true
	}
	return len(seen)
}

func sum(ms []mark) (n int) {
	for _, m := range ms {
		n += m.value
	}
	return n
}
