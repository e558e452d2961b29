package sample

import (
	"slices"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// fate is what should become of a record.
type fate uint8

const (
	fateUnique fate = iota
	fateDuplicate
	fateBroken
)

// Counts says how many records were handed out and what must become of them:
// Records = Unique + Duplicates + Broken.
type Counts struct {
	Records    uint64
	Unique     uint64 // events seen for the first time
	Duplicates uint64 // repeats, byte for byte, of a record handed out before
	Broken     uint64 // lines that must be rejected
}

func (c *Counts) add(f fate) {
	c.Records++
	switch f {
	case fateUnique:
		c.Unique++
	case fateDuplicate:
		c.Duplicates++
	case fateBroken:
		c.Broken++
	}
}

// Run is one telling of a story.
type Run struct {
	Story    string
	Number   int       // from 0
	Start    time.Time // event time of its first step
	End      time.Time // arrival of its last step
	Steps    int       // records that it is made of
	Told     int       // of those, how many were handed out
	Subjects []pipeline.EntityValue
}

// Done reports whether all of the run was handed out.
func (r *Run) Done() bool { return r.Told == r.Steps }

// maxRuns bounds how many runs a Truth remembers: two days of five stories every ten
// minutes are 1440.
const maxRuns = 2048

// Truth is what a generator knows about what it handed out.
type Truth struct {
	Total   Counts
	Sources map[string]Counts // by source
	Runs    []Run             // in the order of their start; only the latest 2048 are kept
	Forgot  int               // runs that are not in Runs any more
}

// ledger is the account behind a Truth. It keeps runs by pointer because steps that wait
// in the queue point to theirs.
type ledger struct {
	total   Counts
	sources map[string]*Counts
	runs    []*Run
	forgot  int
}

func newLedger() ledger {
	l := ledger{sources: map[string]*Counts{}}
	for _, s := range Sources() {
		l.sources[s] = &Counts{}
	}
	return l
}

func (l *ledger) begin(story string, number int, at time.Time) *Run {
	r := &Run{Story: story, Number: number, Start: at}
	if len(l.runs) == maxRuns {
		l.runs = append(l.runs[:0], l.runs[1:]...)
		l.forgot++
	}
	l.runs = append(l.runs, r)
	return r
}

func (l *ledger) count(s *step) {
	l.total.add(s.fate)
	l.sources[s.source].add(s.fate)
	if s.run != nil {
		s.run.Told++
	}
}

func (l *ledger) truth() Truth {
	t := Truth{Total: l.total, Sources: make(map[string]Counts, len(l.sources)), Forgot: l.forgot}
	for s, n := range l.sources {
		t.Sources[s] = *n
	}
	for _, r := range l.runs {
		run := *r
		run.Subjects = slices.Clone(r.Subjects)
		t.Runs = append(t.Runs, run)
	}
	return t
}
