package correlate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// packedStage is a stage that was restored from a snapshot with n groups of two signals.
func packedStage(t *testing.T, n int, change func(*Stage)) *Stage {
	t.Helper()
	c := documentOf(t, "n", countOf3)
	old := stageOf(t, nil, c)
	var sigs []pipeline.Signal
	for i := range 2 * n {
		sigs = append(sigs, sig("n", fmt.Sprint("g", i%n), i, time.Duration(i)*time.Millisecond))
	}
	process(t, old, sigs...)
	old.Commit()
	st := stageOf(t, nil, c)
	if change != nil {
		change(st)
	}
	for _, p := range snapshot(t, old) {
		if err := st.Restore(p); err != nil {
			t.Fatal(err)
		}
	}
	if st.Groups() != n || st.StateBytes() != old.StateBytes() {
		t.Fatalf("%d groups of %d bytes, want %d of %d", st.Groups(), st.StateBytes(), n, old.StateBytes())
	}
	return st
}

func TestRestoredKeyStaysPackedUntilItIsAskedFor(t *testing.T) {
	t.Parallel()
	const n = 1000
	st := packedStage(t, n, nil)
	r := st.rules["n"]
	size, bytes := len(r.packs.list[0].data), st.StateBytes()
	for i := range n {
		if facts := process(t, st, sig("n", fmt.Sprint("g", i), 9*n, 3*time.Second)); len(facts) != 1 || facts[0].Alert.Signals != 3 {
			t.Fatalf("group %d: %+v, want one alert of three signals", i, facts)
		}
		if len(r.keys) != i+1 || st.Groups() != n {
			t.Fatalf("%d keys unpacked, %d in all after %d were asked for", len(r.keys), st.Groups(), i+1)
		}
	}
	if left := len(r.packs.list[0].data); left > size/100 {
		t.Errorf("%d of %d bytes are kept for nothing", left, size)
	}
	if st.StateBytes() <= bytes {
		t.Errorf("%d bytes with a third signal and an alert in each group, %d before", st.StateBytes(), bytes)
	}
}

func TestPackedKeysFallDue(t *testing.T) {
	t.Parallel()
	st := packedStage(t, 500, nil)
	if err := st.Tick(t.Context(), st.newestAt.Add(time.Hour), &pipeline.Batch{}); err != nil {
		t.Fatal(err)
	}
	if st.Groups() != 0 || st.StateBytes() != 0 {
		t.Errorf("%d groups of %d bytes are left", st.Groups(), st.StateBytes())
	}
}

func TestKeysOfTheSameHashAreRestoredAllTheSame(t *testing.T) {
	t.Parallel()
	st := packedStage(t, 100, func(st *Stage) { st.hash = func(text []byte) uint64 { return uint64(text[len(text)-1]) } })
	for i := range 100 {
		if facts := process(t, st, sig("n", fmt.Sprint("g", i), 900, time.Second)); len(facts) != 1 {
			t.Errorf("group %d is lost", i)
		}
	}
}

func TestStateOfTheVersionBeforeIsRead(t *testing.T) {
	t.Parallel()
	c := documentOf(t, "n", countOf3)
	old := stageOf(t, nil, c)
	process(t, old, sig("n", "g", 1, 0), sig("n", "g", 2, time.Minute))
	w := &writer{}
	w.head()
	w.clocks(old)
	w.byte(entryServedV2)
	w.uint(1)
	w.text("n")
	w.uint(c.meaning())
	w.uint(12345)
	w.texts(c.Rules)
	for text, k := range old.rules["n"].keys {
		w.key(old.rules["n"], text, nil, k, false)
	}
	w.buf[2] = 2
	w.seal(0)
	st := stageOf(t, nil, c)
	if err := st.Restore(w.buf); err != nil {
		t.Fatal(err)
	}
	if cold := st.Cold(1, here); len(cold.Rules) > 0 {
		t.Errorf("%+v is cold, and nothing was edited", cold)
	}
	expectFates(t, process(t, st, sig("n", "g", 3, 2*time.Minute)), "g/incident/1")
}

// TestDamagedPackIsRefusedOrUnpacks damages packs of all kinds of correlations behind the
// checksum: what Restore takes must unpack.
func TestDamagedPackIsRefusedOrUnpacks(t *testing.T) {
	t.Parallel()
	set := propertySet(t, "g", everyRule)
	cfg := Default()
	cfg.Rules = set
	r := rand.New(rand.NewPCG(4, 4))
	d := newDriver(t, cfg)
	recs := records(randomTimeline(r, set))
	d.transaction(func(b *pipeline.Batch) error {
		b.In = recs[:len(recs)/3]
		return d.stage.Process(t.Context(), b)
	}, true)
	d.snapshot()
	taken := 0
	const tries = 500
	for range tries {
		p := slices.Clone(d.pieces[r.IntN(len(d.pieces))])
		for range 1 + r.IntN(3) {
			p[headSize+r.IntN(len(p)-headSize)] ^= 1 << r.IntN(8)
		}
		st, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if st.Restore(reseal(p)) == nil {
			taken++
			for _, r := range st.rules {
				st.unpackAll(r)
			}
		}
	}
	if taken == 0 || taken == tries {
		t.Errorf("%d of %d damaged pieces were taken: the test proves little", taken, tries)
	}
}
