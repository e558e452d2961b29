package dedupe

import (
	"context"
	"slices"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// Stage remembers the events of one partition. It turns the live events of a batch that
// were seen before into duplicates.
type Stage struct {
	cfg     Config
	maxKeys int
	clock   clock
	table   table

	// Since the last Commit: what the table had before, and the clock as it was.
	log       []undo
	committed clock
	dirty     bool

	unswept  int // shards from this one on may hold slots of forgotten generations
	swept    uint32
	shed     uint64
	clashes  uint64
	restored int // snapshot pieces read of an unfinished snapshot, -1 = none
}

// undo is what a key had before it was changed.
type undo struct {
	key pipeline.ID
	old slot // zero gen: the key was not there
}

// Stats is what a stage tells about itself.
type Stats struct {
	Keys    int           // events remembered
	Bytes   int           // of the table
	Shed    uint64        // generations forgotten before their time
	Clashes uint64        // events whose vendor id another event had
	Window  time.Duration // how far back the memory reaches; less than the TTL after shedding
}

var _ pipeline.Counted = (*Stage)(nil)

// New returns a stage that remembers nothing.
func New(cfg Config) (*Stage, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Stage{cfg: cfg, maxKeys: cfg.Budget / bytesPerKey, unswept: shards, restored: -1}, nil
}

// Process marks the events of b that were seen before, and those that are late. It is an
// error to call it before a snapshot is restored to the end.
func (s *Stage) Process(_ context.Context, b *pipeline.Batch) error {
	if s.restored >= 0 {
		return errUnfinished
	}
	for i := range b.Events {
		e := &b.Events[i]
		if e.Fate != pipeline.FateLive {
			continue
		}
		s.begin()
		s.clock.advance(e.Ingested, s.cfg.TTL)
		if first, seen := s.seen(e); seen {
			s.duplicate(b, e, first)
			continue
		}
		s.time(b, e)
	}
	return nil
}

// begin keeps the clock as it is before the first change of a transaction.
func (s *Stage) begin() {
	if !s.dirty {
		s.committed = clock{seq: s.clock.seq, newest: s.clock.newest, gens: append(s.committed.gens[:0], s.clock.gens...)}
		s.dirty = true
	}
}

func (s *Stage) duplicate(b *pipeline.Batch, e *pipeline.Event, first pipeline.ID) {
	e.Fate, e.First = pipeline.FateDuplicate, first
	b.Counts.Live--
	b.Counts.Duplicate++
	if e.Flags.Has(pipeline.FlagClockSkew) {
		b.Counts.Skewed--
	}
}

func (s *Stage) time(b *pipeline.Batch, e *pipeline.Event) {
	if s.clock.newest != 0 && e.At < s.clock.newest.Add(-s.cfg.Lateness) {
		e.Flags |= pipeline.FlagLate
		b.Counts.Late++
	}
	s.clock.newest = max(s.clock.newest, e.At)
}

// seen remembers e and reports whether it was seen before, and which event was the first.
func (s *Stage) seen(e *pipeline.Event) (first pipeline.ID, seen bool) {
	switch {
	case e.Exact:
		old := s.live(&e.ID)
		if old == nil {
			s.remember(e.ID, e.ID, e.Print)
			return first, false
		}
		if same(old, &e.Print) {
			return old.first, true
		}
		// Another event has this id. Ours is derived from id and content, so that it is the
		// same again when this event is delivered again.
		s.clashes++
		e.ID = pipeline.HashID("event", e.ID.View(), e.Print.View())
		if old := s.live(&e.ID); old != nil {
			return old.first, true
		}
		s.remember(e.ID, e.ID, e.Print)
	case !e.Print.IsZero():
		if old := s.live(&e.Print); old != nil {
			return old.first, true
		}
		s.remember(e.Print, e.ID, pipeline.ID{})
	}
	return first, false
}

// same reports whether the content of an event with old's id is old's content. An event
// without a content hash is taken to be the same.
func same(old *slot, content *pipeline.ID) bool {
	return content.IsZero() || old.print == [12]byte{} || old.print == [12]byte(content[:12])
}

// live returns the slot of key if its generation counts, else nil.
func (s *Stage) live(key *pipeline.ID) *slot {
	if v := s.table.find(key); v != nil && v.gen >= s.clock.floor() {
		return v
	}
	return nil
}

func (s *Stage) remember(key, first, content pipeline.ID) {
	gen, shed := s.clock.reserve(s.maxKeys)
	if shed {
		s.shed++
	}
	v := slot{key: key, first: first, print: [12]byte(content[:12]), gen: gen}
	if old := s.table.find(&key); old != nil { // of a forgotten generation
		s.log = append(s.log, undo{key, *old})
		*old = v
		return
	}
	s.log = append(s.log, undo{key: key})
	s.table.insert(&v, s.committed.floor())
}

// Tick does nothing: time passes with the records alone, so that when a partition idles
// makes no difference to what is found.
func (s *Stage) Tick(context.Context, pipeline.Millis, *pipeline.Batch) error { return nil }

// Commit forgets how to take back. Then it clears a part of the table of the slots of
// forgotten generations, in proportion to what was added.
func (s *Stage) Commit() {
	if !s.dirty {
		return
	}
	s.clock.seq++
	s.dirty = false
	if floor := s.clock.floor(); floor > s.swept && s.unswept == shards {
		s.unswept, s.swept = 0, floor
	}
	for n := 1 + len(s.log)*shards*16/s.maxKeys; n > 0 && s.unswept < shards; n-- {
		s.table.sweep(s.unswept, s.clock.floor())
		s.unswept++
	}
	s.resetLog()
}

// Rollback takes back everything since the last Commit.
func (s *Stage) Rollback() {
	if !s.dirty {
		return
	}
	for _, u := range slices.Backward(s.log) {
		if u.old.gen == 0 {
			s.table.remove(&u.key)
			continue
		}
		*s.table.find(&u.key) = u.old
	}
	s.clock.seq, s.clock.newest = s.committed.seq, s.committed.newest
	s.clock.gens = append(s.clock.gens[:0], s.committed.gens...)
	s.dirty = false
	s.resetLog()
}

// maxLog is how many entries the log keeps room for between transactions.
const maxLog = 1 << 15

func (s *Stage) resetLog() {
	if cap(s.log) > maxLog {
		s.log = nil
	}
	s.log = s.log[:0]
}

// StateBytes returns the bytes of the table and of what is kept to take changes back.
func (s *Stage) StateBytes() int { return s.table.bytes() + cap(s.log)*(16+48) }

// Counters implements [pipeline.Counted].
func (s *Stage) Counters(emit func(name string, n uint64)) {
	emit("shed", s.shed)
	emit("clashes", s.clashes)
}

// Stats returns the counters. Only the goroutine that calls Process may call it.
func (s *Stage) Stats() Stats {
	st := Stats{Keys: s.clock.keys(), Bytes: s.table.bytes(), Shed: s.shed, Clashes: s.clashes}
	if n := len(s.clock.gens); n > 0 {
		st.Window = s.clock.gens[n-1].last.Sub(s.clock.gens[0].first)
	}
	return st
}
