package correlate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// edit is a set of correlations that takes the place of another one at a time: what lies on
// the topic, and what the stage is given of it.
type edit struct {
	old, anew      []pipeline.Record // the signals of all events, made for the old rules and for the new ones
	done, made, by pipeline.Millis   // append times: up to done the old stage came, up to made signals are old, up to by events are read
}

func between(recs []pipeline.Record, from, to pipeline.Millis) []pipeline.Record {
	var out []pipeline.Record
	for _, r := range recs {
		if r.Time > from && r.Time <= to {
			r.Value = slices.Clone(r.Value)
			out = append(out, r)
		}
	}
	return out
}

// ahead is what lies on the topic behind what the old stage processed.
func (e *edit) ahead(until pipeline.Millis) []pipeline.Record {
	return append(between(e.old, e.done, e.made), between(e.anew, e.made, until)...)
}

// warm does to the stage of d what the runtime does after a restore.
func (e *edit) warm(d *driver) {
	d.t.Helper()
	batch := func(recs []pipeline.Record) *pipeline.Batch {
		return &pipeline.Batch{Topic: pipeline.TopicSignals, Tenant: "acme", In: recs}
	}
	must := func(err error) {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
	}
	cold := d.stage.Cold(1, here)
	must(d.stage.Await(d.t.Context(), batch(e.ahead(e.by))))
	again := between(e.old, cold.Since-1, e.done)
	if len(cold.Anew) > 0 {
		again = append(again, between(e.anew, cold.AnewSince-1, e.by)...)
	}
	slices.SortStableFunc(again, func(a, b pipeline.Record) int { return int(a.Time - b.Time) })
	for recs := range slices.Chunk(again, 50) {
		must(d.stage.Warm(d.t.Context(), batch(recs)))
	}
	must(d.stage.Warmed(d.t.Context()))
}

// arrived gives signals the append times of their events.
func arrived(sigs []pipeline.Signal) []pipeline.Record {
	recs := records(sigs)
	for i := range recs {
		recs[i].Time = sigs[i].At + 1
	}
	return recs
}

// toldAlert is the last that was told of an alert.
type toldAlert struct {
	*pipeline.Alert
	until pipeline.Millis // of its signals
}

func (a *toldAlert) String() string {
	return fmt.Sprintf("%s %s %q triggered %s by %s, %d signals from %s: %s",
		a.ID, a.Rule, a.Group, a.Triggered.Sub(epoch), a.Trigger, a.Signals, a.Occurred.Sub(epoch), a.Evidence)
}

// toldAlerts are those in facts that stand, without those of rules whose spans are counted
// from the first signal that was ever seen.
func toldAlerts(t *testing.T, facts []string) map[pipeline.ID]*toldAlert {
	t.Helper()
	last := map[pipeline.ID]*toldAlert{}
	for _, v := range facts {
		f, err := pipeline.DecodeFact([]byte(v))
		if err != nil {
			t.Fatal(err)
		}
		last[f.Alert.ID] = &toldAlert{f.Alert, f.Time}
	}
	maps.DeleteFunc(last, func(_ pipeline.ID, a *toldAlert) bool {
		return a.Fate != FateIncident || slices.Contains([]string{"value_avg", "value_percentile", "unless"}, a.Rule)
	})
	return last
}

// newer returns the alerts that were triggered after a time and accepts says yes to.
func newer(told map[pipeline.ID]*toldAlert, than pipeline.Millis, accepts func(*toldAlert) bool) []string {
	var out []string
	for _, a := range told {
		if a.Triggered > than && accepts(a) {
			out = append(out, a.String())
		}
	}
	slices.Sort(out)
	return out
}

func TestEditOfAnyKindMissesNothingAndTellsNothingTwice(t *testing.T) {
	t.Parallel()
	old := propertySet(t, "g", func(id string) bool { return id != "chain" && id != "temporal" && id != "risk" })
	anew := propertySet(t, "h", everyRule)
	cfg := Default()
	cfg.Storm = 0
	total := 0
	for seed := range uint64(12) {
		timeline := func(set *Set) []pipeline.Record {
			return arrived(randomTimeline(rand.New(rand.NewPCG(seed, 9)), set))
		}
		e := &edit{old: timeline(old), anew: timeline(anew)}
		r := rand.New(rand.NewPCG(seed, 10))
		minutes := func(most int) time.Duration { return time.Duration(r.IntN(most)) * time.Minute }
		first, end := e.anew[0].Time, e.anew[len(e.anew)-1].Time
		e.done = first.Add(end.Sub(first)/2 - minutes(30))
		e.made = e.done.Add(minutes(15))
		e.by = e.made.Add(minutes(15))

		cfg.Rules = anew
		whole := newDriver(t, cfg)
		whole.transaction(func(b *pipeline.Batch) error {
			b.In = between(e.anew, 0, e.done)
			return whole.stage.Process(t.Context(), b)
		}, true)
		whole.play(between(e.anew, e.done, end), nil)
		known := toldAlerts(t, whole.facts)
		want := newer(known, e.done, func(*toldAlert) bool { return true })
		total += len(want)

		cfg.Rules = old
		before := newDriver(t, cfg)
		before.transaction(func(b *pipeline.Batch) error {
			b.In = between(e.old, 0, e.done)
			return before.stage.Process(t.Context(), b)
		}, true)

		cfg.Rules = anew
		after := &driver{t: t, cfg: cfg, pieces: before.pieces}
		after.reload()
		if r.IntN(2) == 0 { // killed after the warm-up, before its transaction is committed
			e.warm(after)
			after.reload()
		}
		e.warm(after)
		after.transaction(func(b *pipeline.Batch) error {
			return after.stage.Tick(t.Context(), after.stage.newestAt, b)
		}, true)
		if r.IntN(2) == 0 { // killed after it
			after.reload()
			if c := after.stage.Cold(1, here); len(c.Rules)+len(c.Anew) > 0 {
				t.Fatalf("seed %d: %+v is cold after the warm-up was committed", seed, c)
			}
		}
		after.play(e.ahead(end), r)
		// An episode that was open already is told when it goes on, perhaps by a later trigger:
		// the one that it had is further back than a window.
		got := newer(toldAlerts(t, after.facts), e.done, func(a *toldAlert) bool {
			for _, o := range known {
				if o.Rule == a.Rule && slices.Equal(o.Group, a.Group) && o.Triggered <= e.done && o.until >= a.Occurred {
					return false
				}
			}
			return true
		})
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d:\n%s", seed, difference(got, want))
		}
	}
	if total < 100 {
		t.Errorf("%d alerts over all timelines: too few to mean anything", total)
	}
}
