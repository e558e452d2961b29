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
		return &riskWindow{tail: tail{span: span}, c: c}
	case ValueAvg, ValuePercentile, Absence:
	}
	panic("BUG: correlate: no window for " + string(c.Type))
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
	c *Correlation
}

// defaultWeight is the weight of a rule that the document does not mention.
const defaultWeight = 10

func (w *riskWindow) push(ms []mark, i int) (int, bool) {
	w.slide(ms, i, func(*mark) {})
	score, tactics := w.score(ms[w.lo : i+1])
	return w.lo, w.c.Cond.Holds(score) && tactics >= w.c.Distinct
}

// score returns the score at the last of ms, and how many tactics are among them.
func (w *riskWindow) score(ms []mark) (float64, int) {
	factor := make([]float64, len(w.c.Rules))
	for i := range factor {
		factor[i] = 1
	}
	now, half := ms[len(ms)-1].at, float64(w.c.HalfLife.Milliseconds())
	tactics := map[string]bool{}
	total := 0.0
	for i := len(ms) - 1; i >= 0; i-- {
		m := &ms[i]
		weight, ok := w.c.Weights[w.c.Rules[m.step]]
		if !ok {
			weight = defaultWeight
		}
		if m.num > 0 {
			weight *= float64(m.num) / 1000
		}
		total += weight * factor[m.step] * math.Exp2(-float64(now-m.at)/half)
		factor[m.step] /= 2
		for _, t := range m.note.tactics {
			tactics[t] = true
		}
	}
	return total, len(tactics)
}
