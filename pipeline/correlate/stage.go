package correlate

import (
	"context"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// stageName stands in rejects.
const stageName = "correlate"

// Stats is what a stage counted since it was built. It is not part of the state.
type Stats struct {
	Signals   uint64 // read
	Late      uint64 // behind the watermark
	NoValue   uint64 // without the value that the correlation looks at
	NoRule    uint64 // for a correlation that is not loaded
	OldForm   uint64 // made for another grouping or other fields than the correlation has
	Alerts    uint64 // opened
	Revisions uint64 // of alerts, the first ones not counted
	Derived   uint64 // signals for other correlations
	Evicted   uint64 // keys, for want of memory
	Forgotten uint64 // sessions and waiting groups whose oldest signals were forgotten, for want of memory
	Dropped   uint64 // keys in a restored state whose rule is gone or has another meaning now
	Silenced  uint64 // alerts that noise control kept from incidents, all fates
}

// Stage is the correlate stage of one partition. Create it with New. Not safe for
// concurrent use.
type Stage struct {
	cfg   Config
	rules map[string]*rule
	wm    pipeline.Millis // watermark
	// newest is the greatest event time seen, and newestAt the append time of the record
	// that brought the partition's newest record: while the partition idles, event time
	// passes as fast as the broker's clock.
	newest   pipeline.Millis
	newestAt pipeline.Millis
	alive    liveness
	timers   timers
	heaped   bool                    // timers is a heap
	hash     func([]byte) uint64     // of the texts of packed keys
	bundles  map[string]*bundle      // by bundleText
	waits    timers                  // of the bundles
	inhibits map[string]bool         // rules that inhibit others
	raised   map[string]raisedAlerts // their open alerts, by rule
	served   map[string]*served      // rules that the state tells of, by id
	serves   map[string]*served      // rules that there are
	bytes    int
	tenants  map[string]int // bytes by tenant
	stats    Stats

	replacing bool            // see admit
	inner     []inner         // to be admitted, always empty between calls
	hurried   []string        // bundles to be told, always empty between calls
	sig       pipeline.Signal // decoded into, again and again
	notes     notes
	text      []byte // of a key, while it is looked up
	undo      undo

	plan    *warmPlan // what is to be warmed, see Cold
	warming *Stage    // that warms it
	warms   *warmth   // of a warming stage; nil: this is none
	owed    debt      // see Warmed
	moved   bool      // watermark or clocks changed since the last commit
}

var _ pipeline.Stateful = (*Stage)(nil)

// New builds a stage with an empty state.
func New(cfg Config) (*Stage, error) {
	if cfg.Rules == nil {
		cfg.Rules = &Set{}
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Stage{cfg: cfg, rules: map[string]*rule{}, tenants: map[string]int{}, alive: liveness{}, bundles: map[string]*bundle{}, inhibits: map[string]bool{}, raised: map[string]raisedAlerts{}}
	s.serves = servedBy(cfg.Rules)
	for i := range cfg.Inhibit {
		s.inhibits[cfg.Inhibit[i].Source] = true
	}
	seed := maphash.MakeSeed()
	s.hash = func(text []byte) uint64 { return maphash.Bytes(seed, text) }
	s.undo.reset()
	for _, c := range cfg.Rules.list {
		r := newRule(c, cfg.Rules.loud(c.ID))
		r.slack = pipeline.Millis(cfg.Rules.slack(c, cfg.Lateness).Milliseconds())
		s.rules[c.ID] = r
	}
	return s, nil
}

func newRule(c *Correlation, loud bool) *rule {
	return &rule{id: c.ID, c: c, span: pipeline.Millis(c.Span.Milliseconds()), loud: loud, keys: map[string]*key{}, meaning: c.meaning(), window: windowSize(c)}
}

var _ pipeline.Counted = (*Stage)(nil)

// Counters implements [pipeline.Counted].
func (s *Stage) Counters(emit func(name string, n uint64)) {
	c := &s.stats
	emit("signals", c.Signals)
	emit("late", c.Late)
	emit("no_value", c.NoValue)
	emit("no_rule", c.NoRule)
	emit("old_form", c.OldForm)
	emit("alerts", c.Alerts)
	emit("revisions", c.Revisions)
	emit("derived", c.Derived)
	emit("evicted", c.Evicted)
	emit("forgotten", c.Forgotten)
	emit("dropped", c.Dropped)
	emit("silenced", c.Silenced)
}

// Stats returns what was counted so far.
func (s *Stage) Stats() Stats { return s.stats }

// Watermark returns the event time before which no signal is waited for any more.
func (s *Stage) Watermark() pipeline.Millis { return s.wm }

// Groups is how many groups of all rules have a state.
func (s *Stage) Groups() int {
	n := 0
	for _, r := range s.rules {
		n += len(r.keys) + len(r.packs.index)
	}
	return n
}

// StateBytes estimates the memory of the state.
func (s *Stage) StateBytes() int { return s.bytes }

// Process folds the signals of the batch into the state and appends alerts, as facts, and
// signals for correlations of correlations to b.Out.
func (s *Stage) Process(ctx context.Context, b *pipeline.Batch) error {
	out := outputs{b: b}
	for i := range b.In {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec := &b.In[i]
		b.Counts.In++
		b.Counts.Bytes += len(rec.Value)
		if pipeline.IsControl(rec) {
			if err := s.control(rec); err != nil {
				b.Counts.Rejected++
				b.Reject(i, stageName, "control", err.Error())
			} else {
				b.Counts.Live++
			}
			continue
		}
		sig := &s.sig
		if err := pipeline.DecodeSignal(rec.Value, sig, &b.Arena); err != nil {
			b.Counts.Rejected++
			_, reason := pipeline.FaultOf(err)
			b.Reject(i, stageName, reason, err.Error())
			continue
		}
		if sig.ID.IsZero() || sig.Rule == "" || sig.Tenant == "" || sig.At <= 0 || sig.At > maxTime {
			b.Counts.Rejected++
			b.Reject(i, stageName, "incomplete", "signal "+sig.ID.String())
			continue
		}
		b.Counts.Live++
		if b.Counts.FirstAt == 0 || sig.At < b.Counts.FirstAt {
			b.Counts.FirstAt = sig.At
		}
		b.Counts.LastAt = max(b.Counts.LastAt, sig.At)
		if s.apply(&out, sig, rec.Time) {
			b.Counts.Late++
		}
	}
	return nil
}

// Tick lets event time pass with the broker's clock while no signals come.
func (s *Stage) Tick(_ context.Context, now pipeline.Millis, b *pipeline.Batch) error {
	out := &outputs{b: b}
	s.payOwed(out)
	if s.newest == 0 || now <= s.newestAt {
		return nil
	}
	s.pass(out, s.newest+(now-s.newestAt)-s.lateness())
	s.fallDue(out, now)
	s.drain(out)
	return nil
}

func (s *Stage) lateness() pipeline.Millis { return pipeline.Millis(s.cfg.Lateness.Milliseconds()) }

// apply is the whole transition: time passes up to the signal, then the signal is folded.
// It reports whether the signal is late.
func (s *Stage) apply(out *outputs, sig *pipeline.Signal, appended pipeline.Millis) (late bool) {
	s.stats.Signals++
	if s.warms == nil && slices.Contains(sig.Flags, flagInner) {
		return false // it was dealt with when it was made
	}
	s.fallDue(out, appended)
	s.clock(out, sig, appended)
	s.alive.saw(sig.Tenant, sig.Source, sig.At)
	if s.warms != nil && !s.warms.takes(s, sig) {
		return false
	}
	late = s.admit(out, sig, appended)
	s.drain(out)
	return late
}

// admit folds one signal into the state. It reports whether the signal is late.
func (s *Stage) admit(out *outputs, sig *pipeline.Signal, appended pipeline.Millis) (late bool) {
	if sig.Step == "" && (sig.Severity <= s.cfg.Quiet || !s.cfg.Rules.loud(sig.Rule)) {
		return sig.At < s.wm
	}
	r := s.ruleOf(sig)
	if r == nil {
		s.stats.NoRule++
		return sig.At < s.wm
	}
	step, ok := r.c.step(sig.Rule)
	if !ok {
		s.stats.NoRule++
		return sig.At < s.wm
	}
	if !r.c.means(sig) {
		s.stats.OldForm++
		return sig.At < s.wm
	}
	if late = sig.At < s.passed(r); late {
		s.stats.Late++
		sig.Flags = addFlag(sig.Flags, "late")
	}
	gone := slices.Contains(sig.Flags, flagWithdrawn)
	again := gone || slices.Contains(sig.Flags, flagMoved)
	sig.Flags = slices.DeleteFunc(sig.Flags, func(f string) bool { return f == flagInner || f == flagMoved || f == flagWithdrawn })
	m := mark{at: sig.At, ingested: sig.Ingested, appended: appended, id: sig.ID, event: sig.Event, step: step, note: s.notes.of(sig)}
	if !m.read(r.c, sig) {
		s.stats.NoValue++
		return late
	}
	s.text = appendKeyText(s.text[:0], sig.Tenant, sig.Group)
	if r.c.Type == FirstSeen {
		s.learn(r, s.text, m)
		s.text = append(append(s.text, 0x1f), m.value...)
	}
	k := s.touch(r, s.text)
	if !gone {
		s.replacing = again // nothing is told until the earlier form is out
		s.fold(out, r, k, m, late)
		s.replacing = false
	}
	if again {
		s.replaced(out, r, k, m, gone)
	}
	s.settled(r, k)
	s.shrink(out, r, k)
	s.shed(out, r, k.tenant)
	return late
}

// replaced takes an earlier form of the signal m out of the key, and m itself if it is gone.
func (s *Stage) replaced(out *outputs, r *rule, k *key, m mark, gone bool) {
	old := func(o mark) bool { return o.id == m.id && (gone || o.at != m.at) }
	k.forget(old)
	kept := k.sessions[:0:0]
	for i := range k.sessions {
		x := k.sessions[i]
		x.remove(r.c, old, m.at)
		s.report(out, r, k, &x, true)
		if len(x.marks) > 0 || r.c.Type == FirstSeen {
			kept = append(kept, x)
		}
	}
	k.sessions = kept
}

// passed is the watermark of a rule: behind it no signal of the rule will come in time.
func (s *Stage) passed(r *rule) pipeline.Millis { return s.wm - r.slack }

// clock moves the watermark. A source whose clock is ahead must not make everybody else
// late, so its time counts only up to the broker's.
func (s *Stage) clock(out *outputs, sig *pipeline.Signal, appended pipeline.Millis) {
	at := sig.At
	if sig.Ingested > 0 {
		at = min(at, sig.Ingested)
	}
	s.undo.clocks(s)
	s.moved = true
	s.newestAt = max(s.newestAt, appended)
	if at > s.newest {
		s.newest = at
		s.pass(out, at-s.lateness())
	}
}

func (s *Stage) ruleOf(sig *pipeline.Signal) *rule {
	if sig.Step != "" {
		return s.rules[sig.Step]
	}
	if s.cfg.Rules.byID[sig.Rule] != nil {
		return nil // a correlation has no signals of its own
	}
	r := s.rules[sig.Rule]
	if r == nil {
		r = s.single(sig.Rule)
	}
	return r
}

// single makes the rule of a detection by itself.
func (s *Stage) single(id string) *rule {
	id = strings.Clone(id)
	r := newRule(&Correlation{
		ID: id, Type: Single, Rules: []string{id}, Span: s.cfg.Fold, Cond: Condition{Min: 1, HasMin: true},
	}, s.cfg.Rules.loud(id))
	s.rules[id] = r
	return r
}

// fold puts m into its session and tells what came of it.
func (s *Stage) fold(out *outputs, r *rule, k *key, m mark, late bool) {
	switch {
	case late:
		s.foldLate(out, r, k, m)
	case r.c.rising():
		s.foldRising(out, r, k, m)
	default:
		k.wait(m)
	}
}

func (s *Stage) foldRising(out *outputs, r *rule, k *key, m mark) {
	from, to := k.near(m.at, r.span)
	if from == to {
		k.sessions = slices.Insert(slices.Clone(k.sessions), from, newSession(m))
		to++
	}
	x := &k.sessions[from]
	x.settle(r.c, s.passed(r))
	for to-from > 1 {
		y := k.sessions[from+1]
		x.join(r.c, &y)
		s.merged(out, r, k, x, &y)
		k.sessions = slices.Delete(slices.Clone(k.sessions), from+1, from+2)
		x, to = &k.sessions[from], to-1
	}
	approx := x.approx
	changed := x.add(r.c, m)
	if x.approx && !approx {
		s.stats.Forgotten++
	}
	s.report(out, r, k, x, changed)
}

// foldLate treats a signal behind the watermark: it is counted in the episode that it falls
// into; otherwise it is judged by itself, and further late ones join it for one span.
func (s *Stage) foldLate(out *outputs, r *rule, k *key, m mark) {
	from, to := k.near(m.at, r.span)
	for i := from; i < to; i++ {
		if x := &k.sessions[i]; x.fired() {
			x.post++
			x.held = max(x.held, s.passed(r)+r.span)
			s.report(out, r, k, x, false)
			return
		}
	}
	if !r.c.rising() {
		return
	}
	x := newSession(m)
	if x.add(r.c, m); !x.fired() {
		return
	}
	x.settle(r.c, s.passed(r))
	x.held = s.passed(r) + r.span
	k.sessions = slices.Insert(slices.Clone(k.sessions), from, x)
	s.report(out, r, k, &k.sessions[from], true)
}

// expire closes what is over, and judges what was waiting for the watermark.
func (s *Stage) expire(out *outputs, r *rule, k *key) {
	if len(k.pending) > 0 {
		s.judge(out, r, k)
	}
	kept := k.sessions[:0:0]
	for i := range k.sessions {
		x := &k.sessions[i]
		if max(x.last+r.span, x.held) < s.passed(r) {
			s.closed(out, r, k, x)
			continue
		}
		x.settle(r.c, s.passed(r))
		kept = append(kept, *x)
	}
	k.sessions = kept
}

// settled takes stock of a key after a change.
func (s *Stage) settled(r *rule, k *key) {
	size := 0
	if len(k.sessions) == 0 && len(k.pending) == 0 {
		delete(r.keys, k.text)
	} else {
		size = k.size(r)
		s.schedule(r, k)
	}
	s.weigh(r, k, size)
}

// weigh books the memory of a key.
func (s *Stage) weigh(r *rule, k *key, size int) {
	d := size - k.bytes
	k.bytes = size
	r.bytes += d
	s.book(k.tenant, d)
}

func (s *Stage) book(tenant string, d int) {
	s.bytes += d
	if s.tenants[tenant] += d; s.tenants[tenant] == 0 {
		delete(s.tenants, tenant)
	}
}

func addFlag(flags []string, name string) []string {
	if slices.Contains(flags, name) {
		return flags
	}
	return append(slices.Clip(flags), name)
}
