package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// LiveConfig says how a Live watches its programs.
type LiveConfig struct {
	// Every is the distance between decisions of a worker that topdown judges
	// too. Default 1000; 1 judges all, negative none. A program that calls a
	// builtin whose answers differ from call to call is never judged.
	Every int
	// Probation is for how long after Swap all decisions are judged. Default one
	// minute; negative none.
	Probation time.Duration
	// Now is the clock for Probation. Default time.Now.
	Now func() time.Time
	// OnDifference is told of each difference, from the goroutine that found it.
	// It must be safe for concurrent use. Nil means that nobody is told.
	OnDifference func(Difference)
}

func (c LiveConfig) withDefaults() LiveConfig {
	if c.Every == 0 {
		c.Every = 1000
	}
	if c.Probation == 0 {
		c.Probation = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // only bounds how long everything is judged; no decision depends on it
	}
	return c
}

// Difference is one decision on which the machine and topdown do not agree. From
// then on topdown answers for that entry point, until the next Swap.
type Difference struct {
	Entry    string
	Revision string
	// Input is the event, as the program reads it. Nil if it is undefined.
	Input ast.Value
	// Machine and Topdown are the two results, nil for undefined.
	Machine, Topdown ast.Value
	// Err is topdown's error, if that is the difference.
	Err error
}

// Live holds the program in use. Swap replaces it while workers run. It is safe
// for concurrent use.
type Live struct {
	cfg LiveConfig
	cur atomic.Pointer[generation]

	topdown, judged, differences atomic.Uint64
}

// generation is one program in use, and what was learned about it.
type generation struct {
	prog     *Program
	until    time.Time // end of probation
	settled  atomic.Bool
	doubt    atomic.Bool // an entry point is distrusted
	entries  map[string]Entry
	distrust []atomic.Bool  // entry points that topdown answers
	failures []atomic.Int32 // times that the machine gave up on an entry point
}

func (g *generation) refuse(e Entry) {
	g.distrust[e].Store(true)
	g.doubt.Store(true) // after the entry, so that who sees doubt sees which
}

// maxFailures is how often the machine may give up on an entry point before it is
// not asked any more.
const maxFailures = 3

// NewLive returns a Live that runs p.
func NewLive(p *Program, cfg LiveConfig) *Live {
	l := &Live{cfg: cfg.withDefaults()}
	l.Swap(p)
	return l
}

// Swap makes p the program of all decisions that begin from now on.
func (l *Live) Swap(p *Program) {
	g := &generation{
		prog: p, until: l.cfg.Now().Add(l.cfg.Probation), entries: map[string]Entry{},
		distrust: make([]atomic.Bool, len(p.entries)), failures: make([]atomic.Int32, len(p.entries)),
	}
	g.settled.Store(l.cfg.Probation < 0)
	for i := range p.entries {
		g.entries[p.entries[i].name] = Entry(i)
	}
	l.cur.Store(g)
}

// Program returns the program in use.
func (l *Live) Program() *Program { return l.cur.Load().prog }

// Distrusted returns the names of the entry points that topdown answers because
// the machine differed from it or gave up.
func (l *Live) Distrusted() []string {
	g := l.cur.Load()
	var out []string
	for i := range g.distrust {
		if g.distrust[i].Load() {
			out = append(out, g.prog.entries[i].name)
		}
	}
	return out
}

// Stats counts what the workers of a Live did besides deciding. Of Match, one
// event is one decision.
type Stats struct {
	// Topdown counts the decisions that topdown answered because the machine could
	// not, or is not trusted.
	Topdown uint64
	// Judged counts the decisions that topdown repeated.
	Judged uint64
	// Differences counts the results on which the two did not agree. Each one
	// hands an entry point over to topdown.
	Differences uint64
}

// Stats returns what was counted since NewLive, over all programs.
func (l *Live) Stats() Stats {
	return Stats{Topdown: l.topdown.Load(), Judged: l.judged.Load(), Differences: l.differences.Load()}
}

// Worker decides for one goroutine with the program of a Live.
type Worker struct {
	live      *Live
	gen       *generation
	m         *Machine
	decisions uint64
	next      int // entry point that Match has judged next
}

// NewWorker returns a worker. It is for one goroutine.
func (l *Live) NewWorker() *Worker {
	w := &Worker{live: l}
	w.catchUp()
	return w
}

// catchUp takes over the program in use. It is called once per decision, so that
// a decision has one revision.
func (w *Worker) catchUp() {
	g := w.live.cur.Load()
	if g == w.gen {
		return
	}
	w.gen = g
	if w.m == nil {
		w.m = g.prog.NewMachine()
		return
	}
	w.m.bind(g.prog)
}

// Program returns the program of the last decision. Result.Fired and Hits refer to its
// rules.
func (w *Worker) Program() *Program { return w.gen.prog }

// Hits returns what Machine.Hits does, for the decisions of w with Program. The machine's
// count: what topdown answered is not in it.
func (w *Worker) Hits() []uint64 { return w.m.Hits() }

// Eval decides the entry point name for in. Result and errors are those of
// Machine.Eval.
func (w *Worker) Eval(ctx context.Context, name string, in Input) (Result, error) {
	w.catchUp()
	w.decisions++
	e, ok := w.gen.entries[name]
	if !ok {
		return Result{}, fmt.Errorf("%w: %s", ErrEntry, name)
	}
	if w.gen.distrust[e].Load() {
		w.live.topdown.Add(1)
		return w.byTopdown(ctx, e, in)
	}
	r, err := w.m.Eval(ctx, e, in)
	if err != nil {
		return r, err
	}
	if r.cause != nil {
		w.live.topdown.Add(1)
		w.gaveUp(e, r.cause)
		return r, nil //nolint:nilerr // topdown answered
	}
	if w.judged() {
		return w.judge(ctx, e, in, r)
	}
	return r, nil
}

func (w *Worker) byTopdown(ctx context.Context, e Entry, in Input) (Result, error) {
	w.m.begin(ctx, w.m.prog.limits.Instructions)
	defer w.m.end()
	if err := w.m.load(in); err != nil {
		return Result{}, err
	}
	return w.m.appeal(ctx, e, in, errDistrusted)
}

// judged reports whether the decision at hand is one that topdown judges.
func (w *Worker) judged() bool {
	if w.gen.prog.chance {
		return false
	}
	return w.probation() || w.live.cfg.Every > 0 && w.decisions%uint64(w.live.cfg.Every) == 0
}

// probation reports whether the program is so new that all decisions are judged.
func (w *Worker) probation() bool {
	if w.gen.settled.Load() {
		return false
	}
	if w.live.cfg.Now().Before(w.gen.until) {
		return true
	}
	w.gen.settled.Store(true)
	return false
}

// judge has topdown decide too. Its answer counts if they differ.
func (w *Worker) judge(ctx context.Context, e Entry, in Input, r Result) (Result, error) {
	w.live.judged.Add(1)
	input, err := w.m.inputAST(in)
	if err != nil {
		return r, nil //nolint:nilerr // the machine could read it: there is nothing to compare with
	}
	want, err := w.gen.prog.Topdown(ctx, e, input)
	if err != nil && final(err) {
		return r, nil // canceled while judging: the decision stands
	}
	if err == nil && sameAST(r.AST(), want) {
		return r, nil
	}
	w.differs(e, Difference{Input: input, Machine: r.AST(), Topdown: want, Err: err})
	if err != nil {
		return Result{}, err
	}
	val, err := w.m.adopt(want)
	return Result{val: val, revision: r.revision, cause: errDistrusted}, err
}

func (w *Worker) differs(e Entry, d Difference) {
	w.live.differences.Add(1)
	w.gen.refuse(e)
	d.Entry, d.Revision = w.gen.prog.entries[e].name, w.gen.prog.revision
	if w.live.cfg.OnDifference != nil {
		w.live.cfg.OnDifference(d)
	}
}

func sameAST(a, b ast.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return ast.Compare(a, b) == 0
}

// gaveUp counts the times that the machine could not run an entry point.
func (w *Worker) gaveUp(e Entry, cause error) {
	if isUnsupported(cause) && w.gen.failures[e].Add(1) >= maxFailures {
		w.gen.refuse(e)
	}
}

// How many entry points that did not match are judged for an event, besides those
// that did: of a sampled one, and of each one during probation.
const (
	judgedPerSample    = 16
	judgedPerProbation = 1
)

// Match evaluates all entry points for in, see Machine.Match. Of an event that is
// judged, the hits are, and some of the other entry points in turn.
func (w *Worker) Match(ctx context.Context, in Input, dst []Hit) ([]Hit, error) {
	w.catchUp()
	w.decisions++
	from := len(dst)
	if w.gen.doubt.Load() {
		w.m.distrust = w.gen.distrust
	}
	dst, err := w.m.Match(ctx, in, dst)
	w.m.distrust = nil
	if w.m.appeals > 0 {
		w.live.topdown.Add(1)
	}
	if err != nil || !w.judged() {
		return dst, err
	}
	w.live.judged.Add(1)
	input, err := w.m.inputAST(in)
	if err != nil {
		return dst, nil //nolint:nilerr // as in judge
	}
	return w.judgeHits(ctx, input, dst, from)
}

// judgeHits compares hits with topdown and corrects them.
func (w *Worker) judgeHits(ctx context.Context, input ast.Value, dst []Hit, from int) ([]Hit, error) {
	hits := map[Entry]int{}
	var check []Entry
	for i, h := range dst[from:] {
		hits[h.Entry] = from + i
		check = append(check, h.Entry)
	}
	others := judgedPerSample
	if w.probation() {
		others = judgedPerProbation
	}
	for range min(others, len(w.gen.prog.entries)) {
		w.next = (w.next + 1) % len(w.gen.prog.entries)
		if _, hit := hits[Entry(w.next)]; !hit {
			check = append(check, Entry(w.next))
		}
	}
	wrong := false
	for _, e := range check {
		if w.gen.distrust[e].Load() {
			continue
		}
		hit := Hit{}
		if i, ok := hits[e]; ok {
			hit = dst[i]
		}
		want, err := w.gen.prog.Topdown(ctx, e, input)
		if err != nil && final(err) {
			return dst, nil // as in judge
		}
		if !agrees(&hit, want, err) {
			w.differs(e, Difference{Input: input, Machine: hit.Value.AST(), Topdown: want, Err: err})
			wrong = true
		}
	}
	if !wrong {
		return dst, nil
	}
	return w.rematch(ctx, input, dst[:from])
}

// agrees reports whether topdown's answer means the same hit, or none.
func agrees(hit *Hit, want ast.Value, err error) bool {
	if err != nil || hit.Err != nil {
		return err != nil && hit.Err != nil
	}
	if !hit.Value.Defined() && isFalseAST(want) {
		return true
	}
	return sameAST(hit.Value.AST(), want)
}

// rematch evaluates once more, without judging, now that topdown answers for the
// entry points that differed.
func (w *Worker) rematch(ctx context.Context, input ast.Value, dst []Hit) ([]Hit, error) {
	w.m.distrust = w.gen.distrust
	defer func() { w.m.distrust = nil }()
	return w.m.Match(ctx, AST(input), dst)
}

func isFalseAST(v ast.Value) bool {
	b, ok := v.(ast.Boolean)
	return ok && !bool(b)
}
