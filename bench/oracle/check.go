package oracle

import (
	"cmp"
	"slices"
)

// judge holds what the checks share.
type judge struct {
	Report
	truth  *Truth
	seen   *Observed
	expect Expect

	raw     map[Position]uint64 // sequence number by where the record lies
	firstOf map[string]uint64   // sequence number by event id

	signalOf map[string]uint64 // sequence number by signal id
}

// Check compares what became of a run with the truth.
func Check(t *Truth, o *Observed, want Expect) *Report {
	j := &judge{truth: t, seen: o, expect: want, raw: map[Position]uint64{}, firstOf: map[string]uint64{}, signalOf: map[string]uint64{}}
	j.inputs()
	j.events()
	j.order()
	j.rejects()
	j.accounts()
	j.signals()
	j.alerts()
	j.episodes()
	j.intents()
	j.effects()
	j.rows()
	return &j.Report
}

// inputs checks that the raw topics hold what was sent. If they do not, the broker or the
// generator is at fault, and nothing else can be judged rightly: it counts like any fault.
func (j *judge) inputs() {
	j.Inputs, j.Seed = len(j.seen.Raw), j.truth.Plan.Seed
	copies := make([]int, len(j.truth.Entries))
	for _, r := range j.seen.Raw {
		e := j.truth.entry(r.Seq)
		if e == nil {
			j.found(&j.Doubled, 1, "input %v: no record %d was sent", r.Position, r.Seq)
			continue
		}
		if e.Digest != r.Digest {
			j.found(&j.Altered, 1, "input %v: the bytes of record %d are not those that were sent", r.Position, r.Seq)
		}
		copies[r.Seq-1]++
		j.raw[r.Position] = r.Seq
	}
	for i, n := range copies {
		e := &j.truth.Entries[i]
		if e.Class.Eventful() {
			j.Unique++
		}
		switch {
		case n == 0:
			j.found(&j.Lost, 1, "record %d (%v) does not lie on its raw topic", e.Seq, e.Class)
		case n > 1 && e.Class != Poison:
			j.found(&j.Doubled, n-1, "record %d (%v) lies on its raw topic %d times", e.Seq, e.Class, n)
		}
	}
}

// events checks that each live, late and trigger record is one event with its bytes, from
// its own raw record, and that nothing else is.
func (j *judge) events() {
	count := make([]int, len(j.truth.Entries))
	for _, ev := range j.seen.Events {
		seq, ok := j.raw[ev.Raw]
		if !ok {
			j.found(&j.Doubled, 1, "event %v comes from %v, where no input lies", ev.Position, ev.Raw)
			continue
		}
		e := j.truth.entry(seq)
		if !e.Class.Eventful() {
			j.found(&j.Doubled, 1, "event %v comes from record %d, a %v", ev.Position, seq, e.Class)
			continue
		}
		if count[seq-1]++; count[seq-1] > 1 {
			j.found(&j.Doubled, 1, "record %d is an event %d times, here at %v", seq, count[seq-1], ev.Position)
		}
		if ev.Digest != e.Digest {
			j.found(&j.Altered, 1, "event %v: its vendor object is not the bytes of record %d", ev.Position, seq)
		}
		if ev.Late != (e.Class == Late) && !j.truth.Plan.AnyTime {
			j.found(&j.Miscounted, 1, "event %v of record %d (%v): marked late is %v", ev.Position, seq, e.Class, ev.Late)
		}
		if other, taken := j.firstOf[ev.ID]; taken && other != seq {
			j.found(&j.Doubled, 1, "records %d and %d have the same event id %s", other, seq, ev.ID)
		}
		j.firstOf[ev.ID] = seq
	}
	for i, n := range count {
		if e := &j.truth.Entries[i]; n == 0 && e.Class.Eventful() {
			j.found(&j.Lost, 1, "record %d (%v, key %s) became no event", e.Seq, e.Class, e.Key)
		}
	}
}

// order checks that the events of a key lie on one partition in the order of their input.
func (j *judge) order() {
	type last struct {
		partition int32
		seq       uint64
	}
	at := map[string]last{}
	events := slices.Clone(j.seen.Events)
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	for _, ev := range events {
		seq, ok := j.raw[ev.Raw]
		if !ok {
			continue
		}
		key := j.truth.entry(seq).Key
		before, met := at[key]
		switch {
		case met && before.partition != ev.Partition:
			j.found(&j.Misordered, 1, "events of key %s lie on partitions %d and %d", key, before.partition, ev.Partition)
		case met && before.seq > seq:
			j.found(&j.Misordered, 1, "event %v: record %d of key %s stands behind record %d", ev.Position, seq, key, before.seq)
		default:
			at[key] = last{ev.Partition, seq}
		}
	}
}

// rejects checks that each poison record is one reject with its bytes and nothing else is.
func (j *judge) rejects() {
	count := map[Position]int{}
	for _, r := range j.seen.Rejects {
		seq, ok := j.raw[r.Raw]
		if !ok {
			j.found(&j.Doubled, 1, "reject %v (%s: %s) comes from %v, where no input lies", r.Position, r.Stage, r.Reason, r.Raw)
			continue
		}
		e := j.truth.entry(seq)
		if e.Class != Poison {
			j.found(&j.Doubled, 1, "record %d, a %v, was rejected: %s: %s", seq, e.Class, r.Stage, r.Reason)
			continue
		}
		if r.Digest != e.Digest {
			j.found(&j.Altered, 1, "reject %v: its bytes are not those of record %d", r.Position, seq)
		}
		if count[r.Raw]++; count[r.Raw] > 1 {
			j.found(&j.Doubled, 1, "record %d was rejected %d times", seq, count[r.Raw])
		}
	}
	for _, r := range j.seen.Raw {
		if e := j.truth.entry(r.Seq); e != nil && e.Class == Poison && count[r.Position] == 0 {
			j.found(&j.Lost, 1, "record %d, poison, was not rejected", r.Seq)
		}
	}
}
