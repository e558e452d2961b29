package correlate

import (
	"math"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// window judges a rising condition at each mark of a session, in order. It is derived from
// the marks: it can be thrown away and built again at any time.
type window interface {
	// push takes ms[i], the mark behind the last one that was pushed, and returns whether
	// the condition holds at it, and where the window begins that satisfies it.
	push(ms []mark, i int) (start int, holds bool)
}

// newWindow returns the window of c's type. It panics for a type that is judged later.
func newWindow(c *Correlation) window {
	span := pipeline.Millis(c.Span.Milliseconds())
	switch c.Type {
	case Single, FirstSeen, EventCount:
		return &countWindow{tail: tail{span: span}, cond: c.Cond}
	case ValueCount:
		return &valueWindow{tail: tail{span: span}, cond: c.Cond, seen: map[string]int{}}
	case ValueSum:
		return &sumWindow{tail: tail{span: span}, cond: c.Cond}
	case Temporal:
		return &setWindow{tail: tail{span: span}, expr: c.Expr, counts: make([]int, len(c.Rules))}
	case TemporalOrdered:
		return newOrderWindow(c, span)
	case Risk:
		return newRiskWindow(c, span)
	case ValueAvg, ValuePercentile, Absence:
	}
	panic("BUG: correlate: no window for " + string(c.Type))
}

// windowSize estimates the memory of a window of c, without what it has for each mark.
func windowSize(c *Correlation) int {
	n := len(c.Rules)
	switch c.Type {
	case ValueCount:
		return 260 // a map
	case Temporal:
		return 8 * n
	case TemporalOrdered:
		return 90 * n
	case Risk:
		return 260 + n*(24+maxRepeats*12)
	case Single, FirstSeen, EventCount, ValueSum, ValueAvg, ValuePercentile, Absence:
	}
	return 0
}

// tail finds the beginning of a sliding window: a mark exactly one span old is inside.
type tail struct {
	span pipeline.Millis
	lo   int
}

// slide drops what is too old for ms[i], calling drop for each.
func (t *tail) slide(ms []mark, i int, drop func(*mark)) {
	for ms[i].at-ms[t.lo].at > t.span {
		drop(&ms[t.lo])
		t.lo++
	}
}

type countWindow struct {
	tail
	cond Condition
}

func (w *countWindow) push(ms []mark, i int) (int, bool) {
	w.slide(ms, i, func(*mark) {})
	return w.lo, w.cond.Holds(float64(i - w.lo + 1))
}

type valueWindow struct {
	tail
	cond Condition
	seen map[string]int // value -> marks in the window that have it
}

func (w *valueWindow) push(ms []mark, i int) (int, bool) {
	w.slide(ms, i, func(m *mark) {
		if w.seen[m.value]--; w.seen[m.value] == 0 {
			delete(w.seen, m.value)
		}
	})
	w.seen[ms[i].value]++
	return w.lo, w.cond.Holds(float64(len(w.seen)))
}

type sumWindow struct {
	tail
	cond Condition
	sum  int64
}

func (w *sumWindow) push(ms []mark, i int) (int, bool) {
	w.slide(ms, i, func(m *mark) { w.sum -= m.num })
	w.sum += ms[i].num
	return w.lo, w.cond.Holds(float64(w.sum) / 1000)
}

type setWindow struct {
	tail
	expr   *Expr
	counts []int
}

func (w *setWindow) push(ms []mark, i int) (int, bool) {
	w.slide(ms, i, func(m *mark) { w.counts[m.step]-- })
	w.counts[ms[i].step]++
	return w.lo, w.expr.Holds(w.counts)
}

// orderWindow finds a chain of marks in the order of the rules. For each number of steps it
// keeps the two chains that began last and do not end in the same event: one event cannot
// be two consecutive steps, and the chain that began last is the one that fits longest.
type orderWindow struct {
	span  pipeline.Millis
	takes [][]int // by mark.step: the positions in the list of rules, last first
	best  [][2]chain
}

type chain struct {
	start int // index of its first mark; -1: none
	end   pipeline.ID
}

func newOrderWindow(c *Correlation, span pipeline.Millis) *orderWindow {
	w := &orderWindow{span: span, takes: make([][]int, len(c.Rules)), best: make([][2]chain, len(c.Rules))}
	for i, id := range slices.Backward(c.Rules) {
		first, _ := c.step(id)
		w.takes[first] = append(w.takes[first], i)
	}
	for i := range w.best {
		w.best[i] = [2]chain{{start: -1}, {start: -1}}
	}
	return w
}

func (w *orderWindow) push(ms []mark, i int) (int, bool) {
	m := &ms[i]
	done := -1
	for _, at := range w.takes[m.step] {
		start := i
		if at > 0 {
			start = w.from(at-1, ms, m)
		}
		if start < 0 {
			continue
		}
		w.keep(at, chain{start: start, end: m.event})
		if at == len(w.best)-1 {
			done = start
		}
	}
	return done, done >= 0
}

// from returns where the latest chain of steps up to at begins that m can continue.
func (w *orderWindow) from(at int, ms []mark, m *mark) int {
	for _, c := range w.best[at] {
		if c.start >= 0 && c.end != m.event && m.at-ms[c.start].at <= w.span {
			return c.start
		}
	}
	return -1
}

func (w *orderWindow) keep(at int, c chain) {
	b := &w.best[at]
	switch {
	case c.start >= b[0].start && c.end != b[0].end:
		b[0], b[1] = c, b[0]
	case c.start >= b[0].start:
		b[0] = c
	case c.end != b[0].end && c.start >= b[1].start:
		b[1] = c
	}
}

// riskWindow sums what the signals of an entity weigh. The newest signal of a rule counts
// in full, each older one of the same rule half as much again, all of them decay; so one
// more signal can never lower the score.
type riskWindow struct {
	tail
	c       *Correlation
	newest  [][]int // by rule: positions of its newest marks in the window, the newest last
	tactics map[string]int
	score   float64 // at the last mark
}

const (
	// defaultWeight is the weight of a rule that the document does not mention.
	defaultWeight = 10
	// maxRepeats is how many signals of a rule are weighed: a further one would count less
	// than a millionth, and a signal shall not cost more in a larger window.
	maxRepeats = 20
)

func newRiskWindow(c *Correlation, span pipeline.Millis) *riskWindow {
	return &riskWindow{tail: tail{span: span}, c: c, newest: make([][]int, len(c.Rules)), tactics: map[string]int{}}
}

func (w *riskWindow) push(ms []mark, i int) (int, bool) {
	w.slide(ms, i, func(m *mark) {
		for _, t := range m.note.tactics {
			if w.tactics[t]--; w.tactics[t] == 0 {
				delete(w.tactics, t)
			}
		}
	})
	for _, t := range ms[i].note.tactics {
		w.tactics[t]++
	}
	own := &w.newest[ms[i].step]
	if len(*own) == maxRepeats {
		copy(*own, (*own)[1:])
		*own = (*own)[:maxRepeats-1]
	}
	*own = append(*own, i)
	w.score = w.sum(ms, i)
	return w.lo, w.c.Cond.Holds(w.score) && len(w.tactics) >= w.c.Distinct
}

// sum adds up what counts at ms[now], always in the same order: the result depends on the
// marks alone and not on how the window came to be.
func (w *riskWindow) sum(ms []mark, now int) float64 {
	half, total := float64(w.c.HalfLife.Milliseconds()), 0.0
	for step, own := range w.newest {
		factor, ok := w.c.Weights[w.c.Rules[step]]
		if !ok {
			factor = defaultWeight
		}
		for _, i := range slices.Backward(own) {
			if i < w.lo {
				break
			}
			weight := factor
			if n := ms[i].num; n > 0 { // what its asset and identity make of it, in thousandths
				weight *= float64(n) / 1000
			}
			total += weight * math.Exp2(-float64(ms[now].at-ms[i].at)/half)
			factor /= 2
		}
	}
	return total
}
