package dedupe

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

const start = pipeline.Millis(1_790_000_000_000)

func newStage(tb testing.TB, cfg Config) *Stage {
	tb.Helper()
	s, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// arrival is an event as a test case writes it.
type arrival struct {
	id, print string
	at        time.Duration // append time, event time unless told otherwise
	event     time.Duration
}

// feed processes arrivals one batch each and commits, and returns what became of them:
// "live", "late" or "dup of <number of the first one, from 0>".
func feed(t *testing.T, s *Stage, in []arrival) []string {
	t.Helper()
	var out []string
	ids := map[pipeline.ID]int{}
	for i, a := range in {
		e := pipeline.Event{Fate: pipeline.FateLive, Ingested: start.Add(a.at), At: start.Add(a.at + a.event)}
		if e.ID = pipeline.HashID("event", "offset", fmt.Sprint(i)); a.id != "" {
			e.ID, e.Exact = pipeline.HashID("event", a.id), true
		}
		if a.print != "" {
			e.Print = pipeline.HashID("print", a.print)
		}
		b := &pipeline.Batch{Events: []pipeline.Event{e}}
		b.Counts.Live = 1
		if err := s.Process(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		s.Commit()
		got := b.Events[0]
		switch {
		case got.Fate == pipeline.FateDuplicate:
			out = append(out, fmt.Sprintf("dup of %d", ids[got.First]))
		case got.Flags.Has(pipeline.FlagLate):
			out = append(out, "late")
		default:
			out = append(out, "live")
		}
		if got.Fate == pipeline.FateLive {
			ids[got.ID] = i
		}
		if b.Counts.Live+b.Counts.Duplicate != 1 {
			t.Errorf("event %d: counts %+v", i, b.Counts)
		}
	}
	return out
}

func TestRepeatedEventsAreDuplicatesOfTheFirst(t *testing.T) {
	t.Parallel()
	f := func(name string, in []arrival, want ...string) {
		t.Helper()
		if got := feed(t, newStage(t, Default()), in); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	hour := time.Hour
	f("same vendor id", []arrival{{id: "a", print: "x"}, {id: "a", print: "x", at: hour}}, "live", "dup of 0")
	f("same vendor id, no content hash", []arrival{{id: "a"}, {id: "a", at: hour}}, "live", "dup of 0")
	f("same vendor id, other content, again", []arrival{{id: "a", print: "x"}, {id: "a", print: "y"}, {id: "a", print: "y"}, {id: "a", print: "x"}},
		"live", "live", "dup of 1", "dup of 0")
	f("same content without vendor id", []arrival{{print: "x"}, {print: "x", at: hour}, {print: "y", at: hour}}, "live", "dup of 0", "live")
	f("neither", []arrival{{}, {}}, "live", "live")
	f("a third of it", []arrival{{id: "a"}, {id: "a", at: hour}, {id: "a", at: 2 * hour}}, "live", "dup of 0", "dup of 0")
	f("inside the ttl", []arrival{{id: "a"}, {id: "b", at: 12 * hour}, {id: "a", at: 24 * hour}}, "live", "live", "dup of 0")
	f("long after the ttl", []arrival{{id: "a"}, {id: "b", at: 12 * hour}, {id: "a", at: 29 * hour}}, "live", "live", "live")
	f("after a silence longer than the ttl", []arrival{{id: "a"}, {id: "a", at: 24*hour + time.Millisecond}}, "live", "live")
	f("append time going back", []arrival{{id: "a", at: hour}, {id: "a"}}, "live", "dup of 0")
	f("late", []arrival{{id: "a"}, {id: "b", event: -5 * time.Minute}, {id: "c", event: -5*time.Minute - time.Millisecond}}, "live", "live", "late")
}

func TestDuplicatesAreTakenFromTheLiveCounts(t *testing.T) {
	t.Parallel()
	s := newStage(t, Default())
	e := pipeline.Event{ID: pipeline.HashID("event", "a"), Exact: true, Fate: pipeline.FateLive, Ingested: start, At: start, Flags: pipeline.FlagClockSkew}
	b := &pipeline.Batch{Events: []pipeline.Event{e, e, {Fate: pipeline.FateRejected, ID: e.ID, Exact: true}}}
	b.Counts = pipeline.Counts{In: 3, Live: 2, Rejected: 1, Skewed: 2}
	if err := s.Process(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if want := (pipeline.Counts{In: 3, Live: 1, Duplicate: 1, Rejected: 1, Skewed: 1}); b.Counts != want {
		t.Errorf("got %+v, want %+v", b.Counts, want)
	}
	if b.Events[1].First != e.ID || b.Events[2].Fate != pipeline.FateRejected {
		t.Errorf("got %+v", b.Events[1:])
	}
}

func TestSpentBudgetForgetsTheOldestAndSaysSo(t *testing.T) {
	t.Parallel()
	cfg := Default()
	cfg.Budget = 2 << 20
	s := newStage(t, cfg)
	n := 2 * s.maxKeys
	process := func(i int) pipeline.Event {
		var id pipeline.ID
		binary.LittleEndian.PutUint64(id[8:], uint64(i)*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(id[:], uint64(i)*0x9e3779b97f4a7c15)
		b := &pipeline.Batch{Events: []pipeline.Event{{ID: id, Exact: true, Fate: pipeline.FateLive, Ingested: start.Add(time.Duration(i) * time.Millisecond)}}}
		if err := s.Process(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		return b.Events[0]
	}
	for i := range n {
		process(i)
		if i%500 == 0 {
			s.Commit()
		}
		if limit := cfg.Budget * 11 / 10; s.table.bytes() > limit {
			t.Fatalf("after %d events: %d bytes, budget %d", i, s.table.bytes(), cfg.Budget)
		}
	}
	s.Commit()
	if e := process(n - s.maxKeys/2); e.Fate != pipeline.FateDuplicate {
		t.Error("a young event was forgotten")
	}
	if e := process(0); e.Fate != pipeline.FateLive {
		t.Error("the oldest event is still remembered")
	}
	st := s.Stats()
	if st.Shed == 0 || st.Keys > s.maxKeys || st.Window <= 0 || st.Window >= cfg.TTL {
		t.Errorf("got %+v", st)
	}
	told := map[string]uint64{}
	s.Counters(func(name string, n uint64) { told[name] = n })
	if told["shed"] != st.Shed {
		t.Errorf("counters %v, want shed %d", told, st.Shed)
	}
}

// dump is the state as far as it decides what is found.
type dump struct {
	Clock clock
	Slots []slot
}

func dumpOf(s *Stage) dump {
	d := dump{Clock: s.clock.clone()}
	err := s.table.each(func(v *slot) error {
		if v.gen >= s.clock.floor() {
			d.Slots = append(d.Slots, *v)
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	slices.SortFunc(d.Slots, func(a, b slot) int { return bytes.Compare(a.key[:], b.key[:]) })
	if len(d.Clock.gens) == 0 {
		d.Clock.gens = nil
	}
	return d
}

func TestRollbackEqualsReload(t *testing.T) {
	t.Parallel()
	for seed := range uint64(16) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rollbackEqualsReload(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func rollbackEqualsReload(t *testing.T, rng *rand.Rand) {
	t.Helper()
	cfg := Config{TTL: time.Hour, Budget: 1 << 20, Lateness: time.Minute}
	s := newStage(t, cfg)
	s.maxKeys = 64 + rng.IntN(2000)
	now := start
	var frames [][]byte
	reload := func() *Stage {
		r := newStage(t, cfg)
		r.maxKeys = s.maxKeys
		for _, f := range frames {
			if err := r.Restore(f); err != nil {
				t.Fatal(err)
			}
		}
		return r
	}
	snapshot := func() [][]byte {
		var pieces [][]byte
		if err := s.Snapshot(func(p []byte) error { pieces = append(pieces, slices.Clone(p)); return nil }); err != nil {
			t.Fatal(err)
		}
		return pieces
	}
	for range 40 {
		for range rng.IntN(4) {
			b := randomBatch(rng, &now)
			if err := s.Process(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
		if rng.IntN(4) == 0 { // in the middle of a transaction it tells the state before it
			frames = snapshot()
		}
		delta := s.AppendDelta(nil)
		if again := s.AppendDelta(nil); !bytes.Equal(delta, again) {
			t.Fatal("AppendDelta changed something")
		}
		if rng.IntN(3) == 0 {
			s.Rollback()
		} else {
			if len(delta) > 0 {
				frames = append(frames, delta)
			}
			s.Commit()
		}
		if got, want := dumpOf(s), dumpOf(reload()); !reflect.DeepEqual(got, want) {
			t.Fatalf("state differs from the reloaded one:\ngot  %+v\nwant %+v", got.Clock, want.Clock)
		}
		if rng.IntN(5) == 0 {
			frames = snapshot()
		}
		if rng.IntN(8) == 0 {
			s = reload()
		}
	}
}

func randomBatch(rng *rand.Rand, now *pipeline.Millis) *pipeline.Batch {
	b := &pipeline.Batch{}
	for range rng.IntN(300) {
		*now = now.Add(time.Duration(rng.IntN(3000)) * time.Millisecond)
		e := pipeline.Event{Fate: pipeline.FateLive, Ingested: *now, At: now.Add(-time.Duration(rng.IntN(100)) * time.Second)}
		k := fmt.Sprint(rng.IntN(3000))
		if e.ID = pipeline.HashID("event", "o", fmt.Sprint(rng.Int64())); rng.IntN(2) == 0 {
			e.ID, e.Exact = pipeline.HashID("event", k), true
		}
		if rng.IntN(4) > 0 {
			e.Print = pipeline.HashID("print", k, fmt.Sprint(rng.IntN(8)/7))
		}
		b.Events = append(b.Events, e)
	}
	return b
}

func TestTheResultDoesNotDependOnBatchesAndRollbacks(t *testing.T) {
	t.Parallel()
	const seed = 11
	fates := func(batch int, crash bool) []pipeline.Fate {
		rng := rand.New(rand.NewPCG(seed, seed))
		now := start
		var events []pipeline.Event
		for range 40 {
			events = append(events, randomBatch(rng, &now).Events...)
		}
		s := newStage(t, Config{TTL: time.Hour, Budget: 1 << 20, Lateness: time.Minute})
		s.maxKeys = 500
		var out []pipeline.Fate
		for part := range slices.Chunk(events, batch) {
			for try := range 2 {
				b := &pipeline.Batch{Events: slices.Clone(part)}
				if err := s.Process(context.Background(), b); err != nil {
					t.Fatal(err)
				}
				if crash && try == 0 {
					s.Rollback()
					continue
				}
				for _, e := range b.Events {
					out = append(out, e.Fate, pipeline.Fate(e.Flags))
				}
				break
			}
			s.Commit()
		}
		return out
	}
	want := fates(1, false)
	for _, batch := range []int{7, 100, 5000} {
		if got := fates(batch, true); !slices.Equal(got, want) {
			t.Errorf("batches of %d with crashes give another result", batch)
		}
	}
}

func TestRestoreRefusesWhatIsNotWhole(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	now := start
	s := newStage(t, Default())
	var deltas [][]byte
	for range 3 {
		if err := s.Process(context.Background(), randomBatch(rng, &now)); err != nil {
			t.Fatal(err)
		}
		deltas = append(deltas, s.AppendDelta(nil))
		s.Commit()
	}
	for i := range 70_000 {
		b := &pipeline.Batch{Events: []pipeline.Event{{ID: pipeline.HashID("event", fmt.Sprint("x", i)), Exact: true, Fate: pipeline.FateLive, Ingested: now, At: now}}}
		if err := s.Process(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	s.Commit()
	var pieces [][]byte
	if err := s.Snapshot(func(p []byte) error { pieces = append(pieces, slices.Clone(p)); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(pieces) < 3 {
		t.Fatalf("got %d pieces, want several", len(pieces))
	}
	for i, p := range pieces {
		if len(p) > 512<<10 {
			t.Errorf("piece %d has %d bytes", i, len(p))
		}
	}
	f := func(name string, want error, frames ...[]byte) {
		t.Helper()
		r := newStage(t, Default())
		var err error
		for _, frame := range frames {
			if err = r.Restore(frame); err != nil {
				break
			}
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	flipped := slices.Clone(deltas[0])
	flipped[len(flipped)/2] ^= 1
	newer := slices.Clone(deltas[0])
	newer[2] = 9
	f("all deltas", nil, deltas...)
	f("a delta is missing", ErrOrder, deltas[0], deltas[2])
	f("a flipped bit", ErrChecksum, flipped)
	f("another version", ErrVersion, newer)
	f("cut off", ErrChecksum, deltas[0][:len(deltas[0])-1])
	f("empty", ErrFrame, nil)
	f("a piece is missing", ErrOrder, pieces[0], pieces[2])
	f("the first piece is missing", ErrOrder, pieces[1])
	f("a delta in the middle of a snapshot", ErrOrder, pieces[0], deltas[0])
	r := newStage(t, Default())
	if err := r.Restore(pieces[0]); err != nil {
		t.Fatal(err)
	}
	if err := r.Process(context.Background(), &pipeline.Batch{}); err == nil {
		t.Error("a stage with half a snapshot works")
	}
}

func FuzzRestore(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	now := start
	s := newStage(f, Default())
	if err := s.Process(context.Background(), randomBatch(rng, &now)); err != nil {
		f.Fatal(err)
	}
	f.Add(s.AppendDelta(nil)[headSize:], byte(kindDelta))
	s.Commit()
	if err := s.Snapshot(func(p []byte) error { f.Add(slices.Clone(p)[headSize:], byte(kindSnapshot)); return nil }); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte, kind byte) {
		r := newStage(t, Default())
		frame := seal(append(appendHead(nil, kind), payload...), 0) // the checksum is right: the reader is on its own
		if r.Restore(frame) != nil {
			return
		}
		b := &pipeline.Batch{Events: []pipeline.Event{{ID: pipeline.ID{1}, Exact: true, Fate: pipeline.FateLive, Ingested: start, At: start}}}
		if r.Process(context.Background(), b) == nil {
			r.Rollback()
		}
	})
}

func TestTableFindsWhatItHolds(t *testing.T) {
	t.Parallel()
	const seed = 9
	rng := rand.New(rand.NewPCG(seed, seed))
	var tab table
	model := map[pipeline.ID]slot{}
	var keys []pipeline.ID
	for range 40_000 {
		var id pipeline.ID
		binary.LittleEndian.PutUint64(id[8:], rng.Uint64())
		id[0], id[1] = byte(rng.IntN(8)), byte(rng.IntN(3))
		if rng.IntN(3) == 0 && len(keys) > 0 {
			k := rng.IntN(len(keys))
			tab.remove(&keys[k])
			delete(model, keys[k])
			keys[k] = keys[len(keys)-1]
			keys = keys[:len(keys)-1]
			continue
		}
		v := slot{key: id, gen: 1}
		tab.insert(&v, 0)
		model[id] = v
		keys = append(keys, id)
	}
	for _, id := range keys {
		if v := tab.find(&id); v == nil || *v != model[id] {
			t.Fatalf("seed %d: key %v: got %v, want %v", seed, id, v, model[id])
		}
	}
	n := 0
	_ = tab.each(func(*slot) error { n++; return nil })
	if n != len(model) || tab.keys != len(model) {
		t.Errorf("seed %d: table holds %d (%d), want %d", seed, n, tab.keys, len(model))
	}
	slices.SortFunc(keys, func(a, b pipeline.ID) int { return cmp.Compare(a[9], b[9]) })
	for _, id := range keys {
		tab.remove(&id)
		if tab.find(&id) != nil {
			t.Fatalf("seed %d: removed key %v is there", seed, id)
		}
	}
}
