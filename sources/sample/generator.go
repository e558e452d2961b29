package sample

import (
	"bytes"
	"container/heap"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// Record is one record to be produced to raw.<Source>. All of it belongs to the caller,
// except for Headers, which all records share and nobody may change.
type Record struct {
	Source string
	Key    []byte // what the record is about: a repeat has the key of the first and meets it in one partition
	Value  []byte // one line, without its end
	// At is when the record arrives, never earlier than that of the record before. The event
	// itself happened a little earlier, as it does: up to a second before for network
	// sensors, 20 seconds for the cloud.
	At time.Time
	// Headers are to be set on the produced record: pipeline.HeaderDemo, which marks the
	// record and everything that is derived from it as made up.
	Headers []pipeline.Header
}

var demoHeaders = []pipeline.Header{{Key: pipeline.HeaderDemo, Value: []byte("1")}}

// Generator makes the traffic. It is not safe for concurrent use.
type Generator struct {
	cfg     Config
	pen     pen
	next    time.Time // arrival of the next background record
	end     time.Time // zero: no end in time
	minute  int64     // minute that mix is of
	mix     mix
	perSec  float64 // records per second of the background now
	queue   queue   // steps of stories and repeats to come
	seq     uint64
	stories []running
	ledger  ledger
	chunk   []byte // memory for values, handed out front to back
}

// running is a story and when it starts again.
type running struct {
	story *Story
	next  time.Time
	count uint32
}

// firstStory and betweenStories place the first start of each story: all five are under
// way within the first minute.
const (
	firstStory     = 5 * time.Second
	betweenStories = 11 * time.Second
)

// New returns a generator for cfg, or an error if cfg is not valid.
func New(cfg Config) (*Generator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Start = cfg.Start.UTC()
	g := &Generator{cfg: cfg, next: cfg.Start, minute: -1, ledger: newLedger()}
	g.pen = pen{r: newSource(cfg.Seed, uint64(cfg.Start.UnixNano())), org: newOrg(cfg.Seed, cfg.Hosts, cfg.Users)}
	for _, h := range g.pen.org.hosts {
		// Record numbers go on where an earlier run on the same data directory cannot have been:
		// no machine writes 256 events a second in the long run.
		h.record = cfg.Start.Unix() << 8
	}
	if cfg.Duration > 0 {
		g.end = cfg.Start.Add(cfg.Duration)
	}
	if cfg.StoryEvery > 0 {
		for i := range stories {
			at := cfg.Start.Add(firstStory + time.Duration(i)*betweenStories)
			g.stories = append(g.stories, running{story: &stories[i], next: at})
		}
	}
	return g, nil
}

// Next returns the next record, in the order of At, and false when the traffic has come to
// its configured end. It never blocks.
func (g *Generator) Next() (Record, bool) {
	if g.cfg.Records > 0 && g.ledger.total.Records >= g.cfg.Records {
		return Record{}, false
	}
	g.startStories()
	at := g.next
	if len(g.queue) > 0 && !g.queue[0].at.After(at) {
		at = g.queue[0].at
	}
	if !g.end.IsZero() && at.After(g.end) {
		return Record{}, false
	}
	if len(g.queue) > 0 && g.queue[0].at.Equal(at) {
		s := heap.Pop(&g.queue).(step)
		return g.deliver(s), true
	}
	return g.deliver(g.background()), true
}

// Truth returns what was handed out so far. The result is a copy.
func (g *Generator) Truth() Truth { return g.ledger.truth() }

// startStories writes the scripts of all stories that are due before the next background
// record, so that their first step is in the queue when it is due.
func (g *Generator) startStories() {
	for i := range g.stories {
		for s := &g.stories[i]; !s.next.After(g.next); s.next = s.next.Add(g.cfg.StoryEvery) {
			if !g.end.IsZero() && s.next.After(g.end) {
				break // no record of it would be handed out
			}
			run := g.ledger.begin(s.story.Name, int(s.count), s.next)
			for _, st := range writeScript(g, s, run) {
				g.push(st)
			}
			s.count++
		}
	}
}

func (g *Generator) push(s step) {
	g.seq++
	s.seq = g.seq
	heap.Push(&g.queue, s)
}

// background writes the next everyday record and moves g.next on.
func (g *Generator) background() step {
	at := g.next
	if m := at.Unix() / 60; m != g.minute {
		g.minute, g.mix = m, mixAt(at)
		g.perSec = g.cfg.Rate * g.mix.busy
	}
	r := g.pen.r
	g.next = at.Add(time.Duration(r.ExpFloat64() * float64(time.Second) / g.perSec))
	s := g.mix.pick(r)
	s.write(&g.pen, at.Add(-time.Duration(r.Int64N(int64(s.delay)))))
	st := step{at: at, source: g.pen.src, key: g.pen.about, fate: fateUnique}
	if r.chance(g.cfg.BrokenPerMille, 1000) {
		st.fate = fateBroken
		g.pen.b = breakLine(r, g.pen.b)
	}
	st.value = g.keep(g.pen.b)
	return st
}

// deliver hands out s, counts it, and sometimes plans its repeat.
func (g *Generator) deliver(s step) Record {
	g.ledger.count(&s)
	if s.fate == fateUnique && g.pen.r.chance(g.cfg.DuplicatesPerMille, 1000) {
		again := s
		again.fate, again.run = fateDuplicate, nil
		again.at = s.at.Add(time.Duration(g.pen.r.between(20, 10000)) * time.Millisecond)
		again.value = bytes.Clone(s.value)
		g.push(again)
	}
	return Record{Source: s.source, Key: []byte(s.key), Value: s.value, At: s.at, Headers: demoHeaders}
}

// keep copies b into memory that is never written again. Values share chunks, which saves
// an allocation per record and holds a chunk alive as long as one of its values is.
func (g *Generator) keep(b []byte) []byte {
	if len(g.chunk) < len(b) {
		g.chunk = make([]byte, max(64<<10, len(b)))
	}
	n := copy(g.chunk, b)
	v := g.chunk[:n:n]
	g.chunk = g.chunk[n:]
	return v
}

// breakLine turns a record into something that no parser may accept: cut off in the
// middle, a line of another log, or bytes that are not text.
func breakLine(r *source, b []byte) []byte {
	switch r.IntN(3) {
	case 0:
		return b[:1+r.IntN(len(b)-2)]
	case 1:
		return append(b[:0], "kernel: [91042.5] sample0: link becomes ready"...)
	}
	b = append(b[:0], `{"sample":"`...)
	for range 24 {
		b = append(b, 0x80|byte(r.Uint64()&0x3f), 0)
	}
	return b
}

// step is a record that waits for its time.
type step struct {
	at     time.Time
	seq    uint64 // keeps the order of steps of the same time
	source string
	key    string
	value  []byte
	fate   fate
	run    *Run // the story run that it belongs to, nil for the background
}

// queue is a heap of steps by time.
type queue []step

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements [heap.Interface].
func (q *queue) Push(x any) { *q = append(*q, x.(step)) }

// Pop implements [heap.Interface].
func (q *queue) Pop() any {
	old := *q
	s := old[len(old)-1]
	old[len(old)-1] = step{}
	*q = old[:len(old)-1]
	return s
}
