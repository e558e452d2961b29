package oracle

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// LateBy is how far behind its time of sending a late record claims to have happened. It
// is far over the pipeline's lateness (default 5 min) and far inside the band in which a
// source's clock is believed.
const LateBy = time.Hour

// Record is one input record and what must become of it.
type Record struct {
	Seq    uint64 // from 1
	Class  Class
	Of     uint64 // of a duplicate: the record that it copies
	Key    string // of the Kafka record; records of a key go to one partition, in order
	Target string // of a trigger: the address to act on
	Step   Step   // of a correlated record: what correlations see of it
	Value  []byte
}

// Step is what correlations see of a record. Zero for all but correlated ones.
type Step struct {
	Rule  string `json:"rule,omitempty"`  // the detection that matches it
	Group string `json:"group,omitempty"` // source address
	Value int    `json:"value,omitempty"` // destination port
	At    int64  `json:"at,omitempty"`    // event time in milliseconds; no two of a group are equal
}

// Generator makes the records of a plan, in order. Not safe for concurrent use.
type Generator struct {
	// Off is how far the source's clock is off. That of correlated records is right.
	Off time.Duration

	plan      Plan
	rand      *rand.Rand
	seq       uint64
	hits      []int    // targets of the triggers still to come, shuffled
	originals []Record // ring of the last plan.Back originals
	used      int
	stamps    map[stamp]bool  // times of correlated records
	touched   map[string]bool // keys with an ordinary record before: only they can have late ones
}

// New returns the generator of a plan, or the error of its Validate.
func New(p Plan) (*Generator, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	g := &Generator{
		plan: p, rand: rand.New(rand.NewPCG(p.Seed, 0x6f7261636c65)),
		originals: make([]Record, 0, min(p.Back, p.Records)), touched: map[string]bool{}, stamps: map[stamp]bool{},
	}
	for t := range p.Targets {
		for range p.Hits {
			g.hits = append(g.hits, t)
		}
	}
	g.rand.Shuffle(len(g.hits), func(i, j int) { g.hits[i], g.hits[j] = g.hits[j], g.hits[i] })
	return g, nil
}

// Next returns the next record, as if its source had written it at now, and false after
// the last one. The value is the caller's.
func (g *Generator) Next(now time.Time) (Record, bool) {
	left := g.plan.Records - int(g.seq)
	if left <= 0 {
		return Record{}, false
	}
	g.seq++
	right, now := now, now.Add(g.Off)
	if g.rand.IntN(left) < len(g.hits) {
		return g.trigger(now), true
	}
	switch x := g.rand.Float64(); {
	case x < g.plan.Duplicates && g.used > 0:
		return g.copy(), true
	case x < g.plan.Duplicates+g.plan.Poison:
		return g.poison(now), true
	case x < g.plan.Duplicates+g.plan.Poison+g.plan.Correlated:
		return g.correlated(right), true
	default:
		return g.ordinary(now, x > 1-g.plan.Late), true
	}
}

func (g *Generator) ordinary(now time.Time, late bool) Record {
	k := g.rand.IntN(g.plan.Keys)
	r := Record{Seq: g.seq, Class: Live, Key: fmt.Sprintf("k%d", k)}
	f := g.flow(now)
	f.src, f.dst = fmt.Sprintf("10.20.%d.%d", k>>8, k&255), fmt.Sprintf("10.30.%d.%d", k&255, k>>8)
	if late && g.touched[r.Key] {
		r.Class = Late
		f.at = now.Add(-LateBy)
	}
	g.touched[r.Key] = true
	r.Value = f.json()
	g.keep(r)
	return r
}

func (g *Generator) trigger(now time.Time) Record {
	t := g.hits[len(g.hits)-1]
	g.hits = g.hits[:len(g.hits)-1]
	r := Record{Seq: g.seq, Class: Trigger, Key: fmt.Sprintf("t%d", t), Target: TargetAddress(t)}
	f := g.flow(now)
	f.src, f.dst = r.Target, fmt.Sprintf("10.41.%d.%d", t>>8, t&255)
	f.signature = loud
	// A host that none of the target's triggers had: an alert is told again when a signal
	// brings a new entity, but for the third of three it is not before its end, an hour later.
	f.host = hosts + g.seq
	r.Value = f.json()
	g.keep(r)
	return r
}

// Correlated records come in phases: in each, a few groups are active, so that their
// episodes end while the others have their turn.
const (
	phaseRecords = 1500
	phaseGroups  = 3
	values       = 9 // of correlated records: 1 to 9
)

// stamp is the time of a correlated record of a group.
type stamp struct {
	group int
	at    int64
}

// correlated makes a record of an active group. The records of a group have several keys,
// so that they come over several partitions, and happened up to Jitter ago, in any order.
func (g *Generator) correlated(now time.Time) Record {
	group := (int(g.seq/phaseRecords)*phaseGroups + g.rand.IntN(phaseGroups)) % g.plan.Groups
	s, value := steps[g.rand.IntN(len(steps))], 1+g.rand.IntN(values)
	at := stamp{group, now.UnixMilli() - g.rand.Int64N(Jitter.Milliseconds())}
	for g.stamps[at] {
		at.at--
	}
	g.stamps[at] = true
	r := Record{Seq: g.seq, Class: Correlated, Key: fmt.Sprintf("c%d.%d", group, g.rand.IntN(3))}
	f := g.flow(time.UnixMilli(at.at))
	f.src, f.dst, f.dport = fmt.Sprintf("10.60.%d.%d", group>>8, group&255), "10.61.0.1", uint16(value)
	f.signature = s.signature
	r.Step = Step{Rule: s.rule, Group: f.src, Value: value, At: at.at}
	r.Value = f.json()
	g.keep(r)
	return r
}

// TargetAddress is the address of target t, a device of ours: the first entity of its
// triggers, and of them alone. The other end is a device of ours as well: an address
// outside would be blocked first, which waits for a person.
func TargetAddress(t int) string { return fmt.Sprintf("10.40.%d.%d", t>>8, t&255) }

// hosts of ordinary records.
const hosts = 512

func (g *Generator) flow(now time.Time) flow {
	sport := uint16(1024 + g.rand.IntN(60_000))
	return flow{
		seq: g.seq, at: now, sport: sport, host: uint64(sport % hosts),
		dport: 80, signature: quiet, out: g.rand.IntN(4000), in: g.rand.IntN(90_000),
	}
}

// copy repeats an original byte for byte, half of the time a recent one.
func (g *Generator) copy() Record {
	n := min(g.used, len(g.originals))
	back := g.rand.IntN(n)
	if g.rand.IntN(2) == 0 {
		back = g.rand.IntN(min(n, 50))
	}
	o := g.originals[(g.used-1-back)%cap(g.originals)]
	return Record{Seq: g.seq, Class: Duplicate, Of: o.Seq, Key: o.Key, Value: o.Value}
}

func (g *Generator) poison(now time.Time) Record {
	k := g.rand.IntN(g.plan.Keys)
	f := g.flow(now)
	f.src, f.dst = "10.50.0.1", "10.50.0.2"
	return Record{Seq: g.seq, Class: Poison, Key: fmt.Sprintf("k%d", k), Value: poison(g.rand, g.seq, f.json())}
}

func (g *Generator) keep(r Record) {
	if len(g.originals) < cap(g.originals) {
		g.originals = append(g.originals, r)
	} else {
		g.originals[g.used%cap(g.originals)] = r
	}
	g.used++
}
