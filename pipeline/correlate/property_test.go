package correlate

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

var onlySeed = flag.Int("seed", -1, "run the random timeline of this seed alone")

// propertyRules are one correlation of each kind over detections a, b and c, and of each
// kind of condition.
const propertyRules = `
event_count | rules: [a, b] | timespan: 10m | condition: {gte: 4}
value_count | rules: [a] | timespan: 10m | condition: {field: v, gte: 3}
value_sum | rules: [a] | timespan: 10m | condition: {field: n, gt: 20}
temporal | rules: [a, b, c] | timespan: 5m
temporal_ordered | rules: [a, b, c] | timespan: 15m
first_seen | rules: [a] | timespan: 20m | field: v
value_avg | rules: [c] | timespan: 10m | condition: {field: n, gte: 5}
value_percentile | rules: [c] | timespan: 10m | condition: {field: n, percentile: 75, gte: 8}
absence | rules: [a, c] | timespan: 4m
temporal | id: kofn | rules: [a, b, c] | timespan: 2m | condition: 2 of them
temporal | id: unless | rules: [a, b, c] | timespan: 6m | condition: a and not b
risk | rules: [a, b, c] | timespan: 30m | half-life: 10m | condition: {gte: 35}
temporal | id: chain | rules: [event_count, absence] | timespan: 10m
`

// propertySet is those that use accepts, grouped by a path.
func propertySet(tb testing.TB, by string, use func(id string) bool) *Set {
	tb.Helper()
	var list []*Correlation
	for line := range strings.Lines(propertyRules) {
		parts := strings.Split(strings.TrimSpace(line), " | ")
		if len(parts) < 2 {
			continue
		}
		id := parts[0]
		if name, ok := strings.CutPrefix(parts[1], "id: "); ok {
			id, parts = name, slices.Delete(parts, 1, 2)
		}
		if !use(id) {
			continue
		}
		doc := fmt.Sprintf("title: %s\nid: %s\ncorrelation:\n  generate: true\n  type: %s\n  group-by: [%s]\n  %s\n",
			id, id, parts[0], by, strings.Join(parts[1:], "\n  "))
		c, err := parse(id+".yml", []byte(doc))
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, c)
	}
	set, err := NewSet(list)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// everyRule uses all of propertyRules.
func everyRule(string) bool { return true }

// randomTimeline makes signals of three groups, by g and by h, over four hours, in bursts.
// The events are those of r alone.
func randomTimeline(r *rand.Rand, set *Set) []pipeline.Signal {
	var out []pipeline.Signal
	at := epoch
	for i := range 400 {
		step := time.Duration(r.IntN(40)) * time.Second
		if r.IntN(25) == 0 {
			step = time.Duration(r.IntN(40)) * time.Minute
		}
		at = at.Add(step)
		rule := string(rune('a' + r.IntN(3)))
		event := pipeline.HashID("event", fmt.Sprint(i))
		groups := map[string]string{"g": fmt.Sprint("g", r.IntN(3)), "h": fmt.Sprint("h", r.IntN(3))}
		fields := map[string]string{"v": fmt.Sprint(r.IntN(5)), "n": fmt.Sprint(r.IntN(12))}
		host := pipeline.EntityValue{Kind: "host", Value: fmt.Sprint("h", r.IntN(4))}
		for _, c := range set.Consumers() {
			if c.Rule != rule {
				continue
			}
			out = append(out, pipeline.Signal{
				ID: pipeline.SignalID(event, rule, c.Step), Event: event, Tenant: "acme", Rule: rule, Step: c.Step,
				Source: "src", Severity: 3, Title: rule, Group: []string{groups[c.Group[0]]}, Fields: fields, Form: c.Form,
				Entities: []pipeline.EntityValue{host}, At: at, Ingested: at,
			})
		}
	}
	return out
}

// jitter brings the signals into an order of arrival that stays inside the lateness.
func jitter(r *rand.Rand, sigs []pipeline.Signal, lateness time.Duration) []pipeline.Signal {
	type arrival struct {
		at  pipeline.Millis
		sig pipeline.Signal
	}
	list := make([]arrival, len(sigs))
	for i, s := range sigs {
		list[i] = arrival{s.At.Add(time.Duration(r.Int64N(int64(lateness)))), s}
	}
	slices.SortStableFunc(list, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	out := make([]pipeline.Signal, len(list))
	for i := range list {
		out[i] = list[i].sig
	}
	return out
}

func records(sigs []pipeline.Signal) []pipeline.Record {
	out := make([]pipeline.Record, len(sigs))
	now := pipeline.Millis(0)
	for i := range sigs {
		now = max(now, sigs[i].At) + 1
		out[i] = pipeline.Record{Offset: int64(i), Time: now, Value: sigs[i].AppendJSON(nil)}
	}
	return out
}

// driver plays records into a stage as the runtime does, with batches of random size,
// aborts and restarts.
type driver struct {
	t      *testing.T
	cfg    Config
	stage  *Stage
	pieces [][]byte // what lies in the state topic
	facts  []string // committed
}

func newDriver(t *testing.T, cfg Config) *driver {
	t.Helper()
	d := &driver{t: t, cfg: cfg}
	d.reload()
	return d
}

func (d *driver) reload() {
	d.t.Helper()
	st, err := New(d.cfg)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, p := range d.pieces {
		if err := st.Restore(p); err != nil {
			d.t.Fatal(err)
		}
	}
	d.stage = st
}

func (d *driver) snapshot() {
	d.t.Helper()
	var pieces [][]byte
	if err := d.stage.Snapshot(func(p []byte) error {
		pieces = append(pieces, slices.Clone(p))
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
	d.pieces = pieces
}

// transaction runs f, and commits what it told and changed.
func (d *driver) transaction(f func(b *pipeline.Batch) error, commit bool) {
	d.t.Helper()
	b := &pipeline.Batch{Topic: pipeline.TopicSignals, Tenant: "acme"}
	if err := f(b); err != nil {
		d.t.Fatal(err)
	}
	if !commit {
		return
	}
	if delta := d.stage.AppendDelta(nil); len(delta) > 0 {
		d.pieces = append(d.pieces, delta)
	}
	d.stage.Commit()
	for _, m := range b.Out {
		if m.Topic == pipeline.TopicFacts {
			d.facts = append(d.facts, string(m.Value))
		}
	}
}

// play processes recs; chaos, if set, decides about batch sizes, aborts and restarts.
func (d *driver) play(recs []pipeline.Record, chaos *rand.Rand) {
	d.t.Helper()
	for len(recs) > 0 {
		n := len(recs)
		if chaos != nil {
			n = min(n, 1+chaos.IntN(60))
		}
		process := func(b *pipeline.Batch) error {
			b.In = slices.Clone(recs[:n])
			for i := range b.In {
				b.In[i].Value = slices.Clone(b.In[i].Value)
			}
			err := d.stage.Process(d.t.Context(), b)
			for i := range b.In { // the stage may keep nothing of it
				clear(b.In[i].Value)
			}
			return err
		}
		if chaos != nil {
			d.disturb(process, chaos.IntN(8))
		}
		d.transaction(process, true)
		recs = recs[n:]
	}
	d.transaction(func(b *pipeline.Batch) error {
		return d.stage.Tick(d.t.Context(), d.stage.newestAt.Add(48*time.Hour), b)
	}, true)
}

func (d *driver) disturb(process func(*pipeline.Batch) error, what int) {
	d.t.Helper()
	switch what {
	case 0: // the transaction is aborted
		before, size := d.image(), d.stage.StateBytes()
		d.transaction(process, false)
		d.stage.Rollback()
		if after := d.image(); !slices.Equal(before, after) || d.stage.StateBytes() != size {
			d.t.Fatal("rollback is not what the state was before")
		}
	case 1: // the worker is killed in the middle
		d.transaction(process, false)
		d.reload()
	case 2: // a snapshot replaces the deltas, and the worker restarts from it
		d.snapshot()
		size := d.stage.StateBytes()
		d.reload()
		if now := d.stage.StateBytes(); now != size {
			d.t.Fatalf("%d bytes of state after a restart, %d before", now, size)
		}
	case 3: // a snapshot in the middle of a transaction holds the committed state
		before := d.image()
		d.transaction(process, false)
		if after := d.image(); !slices.Equal(before, after) {
			d.t.Fatal("a snapshot shows what is not committed")
		}
		d.stage.Rollback()
	}
}

// image is the state in one comparable form: one line per snapshot entry.
func (d *driver) image() []string {
	d.t.Helper()
	var out []string
	out = append(out, fmt.Sprint(d.committedClocks()))
	for id, r := range d.stage.rules {
		d.stage.unpackAll(r)
		for text, k := range d.stage.committed(id) {
			w := &writer{}
			w.key(d.stage.rules[id], text, nil, k, false)
			out = append(out, string(w.buf))
		}
	}
	slices.Sort(out)
	return out
}

func (d *driver) committedClocks() [3]pipeline.Millis {
	if u := &d.stage.undo; u.saved {
		return [3]pipeline.Millis{u.wm, u.newest, u.at}
	}
	return [3]pipeline.Millis{d.stage.wm, d.stage.newest, d.stage.newestAt}
}

// last returns the last revision of each alert that stands, in a form without ids and
// revisions, which may depend on the order of arrival.
func (d *driver) last() []string {
	d.t.Helper()
	alerts := map[pipeline.ID]*pipeline.Alert{}
	for _, v := range d.facts {
		f, err := pipeline.DecodeFact([]byte(v))
		if err != nil {
			d.t.Fatal(err)
		}
		if old := alerts[f.Alert.ID]; old != nil && old.Revision+1 != f.Alert.Revision || old == nil && f.Alert.Revision != 1 {
			d.t.Fatalf("revision %d of %s after %v", f.Alert.Revision, f.Alert.ID, old)
		}
		alerts[f.Alert.ID] = f.Alert
	}
	var out []string
	for _, a := range alerts {
		if a.Fate != FateIncident {
			continue
		}
		e := episode{rule: a.Rule, group: a.Group[0], from: a.Occurred, trigger: a.Trigger, triggered: a.Triggered, signals: int(a.Signals), evidence: a.Evidence}
		if a.Rule == string(FirstSeen) {
			e.group = strings.Join(a.Group, "/")
		}
		if a.Rule == "chain" {
			e.trigger, e.evidence = pipeline.ID{}, nil // ids of alerts may depend on the order of arrival
		}
		out = append(out, e.String())
	}
	slices.Sort(out)
	return out
}

func TestEpisodesAreThoseOfTheReferenceWhateverTheOrderBatchesAndCrashes(t *testing.T) {
	t.Parallel()
	set := propertySet(t, "g", everyRule)
	cfg := Default()
	cfg.Rules, cfg.Storm = set, 0
	seeds := 8
	if testing.Short() {
		seeds = 3
	}
	if *onlySeed >= 0 {
		seeds = *onlySeed + 1
	}
	episodes := 0
	for seed := max(0, *onlySeed); seed < seeds; seed++ {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		if cfg.Route = (Route{}); seed%2 == 1 { // alerts wait for each other: the episodes are the same
			cfg.Route = Route{GroupBy: []string{"rule"}, GroupWait: 90 * time.Second, GroupInterval: 7 * time.Minute, RepeatInterval: 20 * time.Minute}
		}
		sigs := randomTimeline(r, set)
		want := reference(set, sigs)
		episodes += len(want)
		for order := range 3 {
			arrived := sigs
			if order > 0 {
				arrived = jitter(r, sigs, cfg.Lateness)
			}
			recs := records(arrived)
			calm := newDriver(t, cfg)
			calm.play(recs, nil)
			if got := calm.last(); !slices.Equal(got, want) {
				t.Fatalf("seed %d, order %d:\n%s", seed, order, difference(got, want))
			}
			wild := newDriver(t, cfg)
			wild.play(recs, r)
			if !slices.Equal(wild.facts, calm.facts) {
				t.Fatalf("seed %d, order %d: facts differ after aborts and restarts:\n%s", seed, order, difference(wild.facts, calm.facts))
			}
		}
	}
	t.Logf("%d episodes", episodes)
	if *onlySeed < 0 && episodes < 10*seeds {
		t.Errorf("%d episodes over %d timelines: too few to mean anything", episodes, seeds)
	}
}

func difference(got, want []string) string {
	var b strings.Builder
	for _, g := range got {
		if !slices.Contains(want, g) {
			fmt.Fprintf(&b, "unexpected: %s\n", g)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			fmt.Fprintf(&b, "missing:    %s\n", w)
		}
	}
	if b.Len() == 0 {
		b.WriteString("the same, in another order or number\n")
	}
	return b.String()
}
