package oracle

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFaultlessRunIsOK(t *testing.T) {
	t.Parallel()
	run := newPerfect(t, plan())
	r := Check(&run.truth, &run.seen, want)
	if !r.OK() {
		t.Fatalf("got %+v", r)
	}
	if r.Inputs != 5000 || r.Unique != len(run.seen.Events) || r.Unique < 3000 {
		t.Errorf("got inputs %d, unique %d of %d events", r.Inputs, r.Unique, len(run.seen.Events))
	}
	got := *r
	got.Kills = 3
	const line = "oracle: inputs=5000 unique=3919 lost=0 doubled=0 effects_doubled=0 clickhouse_missing=0 clickhouse_doubled=0 altered=0 misordered=0 miscounted=0 episodes=82 episodes_missing=0 episodes_extra=0 kills=3 seed=7"
	if got.Line() != line {
		t.Errorf("got  %s\nwant %s", got.Line(), line)
	}
}

// TestEveryDamageIsReported damages the outputs of a faultless run in one place and looks
// at the one counter of the last line that must tell.
func TestEveryDamageIsReported(t *testing.T) {
	t.Parallel()
	const (
		lost, doubled, altered = "lost", "doubled", "altered"
		misordered, miscounted = "misordered", "miscounted"
		effects, missing, rows = "effects_doubled", "clickhouse_missing", "clickhouse_doubled"
	)
	f := func(name, counter string, damage func(o *Observed)) {
		t.Helper()
		run := newPerfect(t, plan())
		damage(&run.seen)
		r := Check(&run.truth, &run.seen, want)
		if n := onLine(t, r, counter); n < 1 || r.OK() || len(r.Findings) == 0 {
			t.Errorf("%s: %s is %d, findings %q in %s", name, counter, n, r.Findings, r.Line())
		}
	}
	f("event removed", lost, func(o *Observed) { o.Events = slices.Delete(o.Events, 99, 100) })
	f("event repeated", doubled, func(o *Observed) { o.Events = append(o.Events, o.Events[99]) })
	f("event altered", altered, func(o *Observed) { o.Events[99].Digest[0]++ })
	f("event from nowhere", doubled, func(o *Observed) { o.Events[99].Raw.Offset = 1 << 40 })
	f("event of a duplicate", doubled, func(o *Observed) { o.Events[99].Raw = of(o, Duplicate, plan()) })
	f("event marked late", miscounted, func(o *Observed) { o.Events[99].Late = !o.Events[99].Late })
	f("two events with one id", doubled, func(o *Observed) { o.Events[99].ID = o.Events[98].ID })
	f("events swapped", misordered, swapTwoOfAKey)
	f("event on a foreign partition", misordered, func(o *Observed) { o.Events[99].Partition = (o.Events[99].Partition + 1) % partitions })
	f("event of poison", doubled, func(o *Observed) { o.Events[99].Raw = of(o, Poison, plan()) })
	f("reject removed", lost, func(o *Observed) { o.Rejects = o.Rejects[1:] })
	f("reject repeated", doubled, func(o *Observed) { o.Rejects = append(o.Rejects, o.Rejects[0]) })
	f("reject altered", altered, func(o *Observed) { o.Rejects[0].Digest[0]++ })
	f("live record rejected", doubled, func(o *Observed) { o.Rejects[0].Raw = of(o, Live, plan()) })
	f("signal removed", lost, func(o *Observed) { o.Signals = o.Signals[1:] })
	f("signal repeated", doubled, func(o *Observed) { o.Signals = append(o.Signals, o.Signals[0]) })
	f("signal of an ordinary event", doubled, func(o *Observed) { o.Signals[signalAt(o, want.Rule)].Event = o.Events[0].ID })
	f("alert revision repeated", doubled, func(o *Observed) { o.Alerts = append(o.Alerts, o.Alerts[0]) })
	f("alert forgot a signal", miscounted, func(o *Observed) { o.Alerts[alertAt(o, want.Rule)].Signals-- })
	f("second episode of the same signals", miscounted, func(o *Observed) {
		a := o.Alerts[alertAt(o, want.Rule)]
		a.ID = "another"
		o.Alerts = append(o.Alerts, a)
	})
	f("intent removed", lost, func(o *Observed) { o.Intents = o.Intents[1:] })
	f("intent repeated", doubled, func(o *Observed) { o.Intents = append(o.Intents, o.Intents[0]) })
	f("second intent for a target", doubled, func(o *Observed) {
		o.Intents = append(o.Intents, Intent{ID: "x", Action: want.Action, Target: o.Intents[0].Target})
	})
	f("effect removed", lost, func(o *Observed) { o.Effects = o.Effects[1:] })
	f("effect doubled", effects, func(o *Observed) { o.Effects = append(o.Effects, o.Effects[0]) })
	f("effect doubled under another key", effects, func(o *Observed) {
		e := o.Effects[0]
		e.Key = "another"
		o.Effects = append(o.Effects, e)
	})
	f("account removed", miscounted, func(o *Observed) { o.Accounts = o.Accounts[1:] })
	f("account repeated", miscounted, func(o *Observed) { o.Accounts = append(o.Accounts, o.Accounts[0]) })
	f("account that does not add up", miscounted, func(o *Observed) { o.Accounts[0].Live++ })
	f("row removed", missing, func(o *Observed) { o.Rows = o.Rows[1:] })
	f("row of one record in place of another's", missing, func(o *Observed) { o.Rows[0] = o.Rows[1] })
	f("row of one record in place of another's", rows, func(o *Observed) { o.Rows[0] = o.Rows[1] })
	f("row repeated", rows, func(o *Observed) { o.Rows = append(o.Rows, o.Rows[0]) })
	f("row of nothing", rows, func(o *Observed) { o.Rows = append(o.Rows, Position{"events", 0, 1 << 40}) })
	f("input lost by the broker", lost, func(o *Observed) { o.Raw = o.Raw[:len(o.Raw)-1] })
	f("input altered by the broker", altered, func(o *Observed) { o.Raw[0].Digest[0]++ })
}

// onLine returns the number that the last line gives for a counter.
func onLine(t *testing.T, r *Report, counter string) int {
	t.Helper()
	_, text, _ := strings.Cut(r.Line(), " "+counter+"=")
	text, _, _ = strings.Cut(text, " ")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v in %s", counter, err, r.Line())
	}
	return n
}

func TestEventsOfDifferentKeysMayLieInAnyOrder(t *testing.T) {
	t.Parallel()
	run := newPerfect(t, plan())
	a, b := 0, 1
	for run.seen.Events[b].Key == run.seen.Events[a].Key || run.seen.Events[b].Partition != run.seen.Events[a].Partition {
		b++
	}
	for i := a + 1; i < b; i++ { // move the first event behind the other, past no other one of its key
		if run.seen.Events[i].Key == run.seen.Events[a].Key {
			t.Fatal("the plan repeats the first key too early")
		}
	}
	run.seen.Events[a].Offset, run.seen.Events[b].Offset = run.seen.Events[b].Offset, run.seen.Events[a].Offset
	if r := Check(&run.truth, &run.seen, want); r.Misordered != 0 {
		t.Errorf("got %d misordered: %q", r.Misordered, r.Findings)
	}
}

// TestEveryDamageToEpisodesIsReported damages what one kind of correlation told.
func TestEveryDamageToEpisodesIsReported(t *testing.T) {
	t.Parallel()
	p := plan()
	p.Records, p.Targets = 1500, 5
	run := newPerfect(t, p)
	for _, c := range want.Correlations {
		f := func(name string, missing, extra int, damage func(o *Observed, a *Alert)) {
			t.Helper()
			seen := run.seen
			seen.Alerts = slices.Clone(seen.Alerts)
			damage(&seen, &seen.Alerts[alertAt(&seen, c.ID)])
			r := Check(&run.truth, &seen, want)
			if onLine(t, r, "episodes_missing") != missing || onLine(t, r, "episodes_extra") != extra || r.OK() {
				t.Errorf("%s, %s: got %d missing, %d extra, want %d, %d: %q", c.ID, name, r.EpisodesMissing, r.EpisodesExtra, missing, extra, r.Findings)
			}
		}
		f("alert never told", 1, 0, func(o *Observed, a *Alert) {
			id := a.ID
			o.Alerts = slices.DeleteFunc(o.Alerts, func(a Alert) bool { return a.ID == id })
		})
		f("alert taken back", 1, 0, func(_ *Observed, a *Alert) { a.Fate = "withdrawn" })
		f("alert told under two ids", 0, 1, func(o *Observed, a *Alert) {
			b := *a
			b.ID = "another"
			o.Alerts = append(o.Alerts, b)
		})
		f("evidence lost", 1, 1, func(_ *Observed, a *Alert) { a.Evidence = a.Evidence[1:] })
		f("evidence exchanged", 1, 1, func(_ *Observed, a *Alert) { a.Evidence = append([]string{"of nobody"}, a.Evidence[1:]...) })
		f("signal counted twice", 1, 1, func(_ *Observed, a *Alert) { a.Signals++ })
		f("another group", 1, 1, func(_ *Observed, a *Alert) { a.Group = []string{"10.60.9.9"} })
		f("another trigger", 1, 1, func(_ *Observed, a *Alert) { a.Trigger = "of nobody" })
	}
}

func TestSignalsForCorrelationsAreCounted(t *testing.T) {
	t.Parallel()
	run := newPerfect(t, plan())
	i := signalAt(&run.seen, steps[0].rule)
	again := run.seen.Signals[i]
	again.ID, again.Step = "another", "another"
	run.seen.Signals = append(run.seen.Signals, again)
	if r := Check(&run.truth, &run.seen, want); r.Doubled != 1 {
		t.Errorf("one too many: got %d doubled in %q", r.Doubled, r.Findings)
	}
	run.seen.Signals = slices.Delete(run.seen.Signals[:len(run.seen.Signals)-1], i, i+1)
	if r := Check(&run.truth, &run.seen, want); r.Lost != 1 {
		t.Errorf("one too few: got %d lost in %q", r.Lost, r.Findings)
	}
}

// alertAt returns the index of the newest revision of an alert of a rule.
func alertAt(o *Observed, rule string) int {
	for i := range slices.Backward(o.Alerts) {
		if o.Alerts[i].Rule == rule {
			return i
		}
	}
	panic("BUG: no alert of " + rule)
}

func signalAt(o *Observed, rule string) int {
	return slices.IndexFunc(o.Signals, func(s Signal) bool { return s.Rule == rule })
}

// of returns where some record of class c lies.
func of(o *Observed, c Class, p Plan) Position {
	g, _ := New(p)
	for {
		r, more := g.Next(time.Unix(0, 0))
		if !more {
			panic("BUG: no record of that class in the plan")
		}
		if r.Class == c {
			return o.Raw[r.Seq-1].Position
		}
	}
}

func swapTwoOfAKey(o *Observed) {
	for i := range o.Events {
		for j := i + 1; j < len(o.Events); j++ {
			if o.Events[i].Key == o.Events[j].Key {
				o.Events[i].Offset, o.Events[j].Offset = o.Events[j].Offset, o.Events[i].Offset
				return
			}
		}
	}
}

func TestRepetitionThatTheVendorRecognisedIsNoEffect(t *testing.T) {
	t.Parallel()
	run := newPerfect(t, plan())
	e := run.seen.Effects[0]
	e.Repeated = true
	run.seen.Effects = append(run.seen.Effects, e)
	if r := Check(&run.truth, &run.seen, want); !r.OK() {
		t.Errorf("got %q", r.Findings)
	}
}

func TestEqualPlansMakeEqualRecords(t *testing.T) {
	t.Parallel()
	a, b := newPerfect(t, plan()), newPerfect(t, plan())
	if !reflect.DeepEqual(a.truth, b.truth) {
		t.Error("two generators of one plan differ")
	}
	p := plan()
	p.Seed++
	if c := newPerfect(t, p); reflect.DeepEqual(a.truth.Entries, c.truth.Entries) {
		t.Error("another seed makes the same records")
	}
}

func TestPlanIsKept(t *testing.T) {
	t.Parallel()
	run := newPerfect(t, plan())
	n := map[Class]int{}
	digests := map[Digest]uint64{}
	for _, e := range run.truth.Entries {
		n[e.Class]++
		if other := digests[e.Digest]; other != 0 && e.Class != Duplicate {
			t.Errorf("records %d and %d are equal", other, e.Seq)
		}
		digests[e.Digest] = e.Seq
	}
	f := func(c Class, lo, hi int) {
		t.Helper()
		if n[c] < lo || n[c] > hi {
			t.Errorf("%d records are %v, want %d to %d", n[c], c, lo, hi)
		}
	}
	f(Trigger, 60, 60)
	f(Duplicate, 900, 1100)
	f(Poison, 30, 75)
	f(Late, 70, 140)
	f(Correlated, 100, 200)
}

func TestTruthSurvivesItsFile(t *testing.T) {
	t.Parallel()
	run := newPerfect(t, plan())
	path := filepath.Join(t.TempDir(), "truth.jsonl")
	if err := run.truth.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := LoadTruth(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, &run.truth) {
		t.Error("what was loaded differs from what was saved")
	}
}

func TestEachTriggerBringsItsAlertANewEntity(t *testing.T) {
	t.Parallel()
	g, err := New(plan())
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]uint64{} // sequence number of the first trigger, by host
	for {
		r, more := g.Next(time.Unix(0, 0))
		if !more {
			return
		}
		if r.Class != Trigger {
			continue
		}
		var v struct {
			HTTP struct {
				Hostname string `json:"hostname"`
			} `json:"http"`
		}
		if err := json.Unmarshal(r.Value, &v); err != nil {
			t.Fatal(err)
		}
		if other, taken := hosts[v.HTTP.Hostname]; taken {
			t.Errorf("triggers %d and %d name the host %q", other, r.Seq, v.HTTP.Hostname)
		}
		hosts[v.HTTP.Hostname] = r.Seq
	}
}
