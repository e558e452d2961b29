package run

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// script writes frames of one partition.
type script struct {
	f      frame
	frames [][]byte
}

func newScript() *script {
	return &script{f: frame{Version: 1, Partition: 0, Stage: "toy", Topic: "in"}}
}

func (s *script) add(kind frameKind, next int64, payload string) *script {
	s.f.Kind, s.f.Next, s.f.Payload = kind, next, []byte(payload)
	s.f.Seq++
	s.frames = append(s.frames, s.f.appendTo(nil))
	return s
}

func (s *script) seal(next int64, n int) *script {
	return s.add(frameSeal, next, string(binary.BigEndian.AppendUint32(nil, uint32(n))))
}

func entry(k string, n uint64) string { return string(appendEntry(nil, 'k', k, n)) }

func restoreFrames(frames [][]byte, committed int64) (*tallyStage, error) {
	r := &restorer{
		stage: "toy", version: 1, topic: "in",
		fresh: func() (pipeline.Stateful, error) { return newTally(), nil },
	}
	for _, f := range frames {
		if err := r.add(f); err != nil {
			return nil, err
		}
	}
	s, err := r.finish(committed)
	if err != nil {
		return nil, err
	}
	return s.(*tallyStage), nil
}

func TestStateIsRestoredFromSnapshotAndDeltas(t *testing.T) {
	t.Parallel()
	f := func(name string, frames [][]byte, committed int64, want map[string]uint64) {
		t.Helper()
		got, err := restoreFrames(frames, committed)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if len(got.seen) != len(want) {
			t.Errorf("%s: got %v, want %v", name, got.seen, want)
		}
		for k, n := range want {
			if got.seen[k] != n {
				t.Errorf("%s: %s: got %d, want %d", name, k, got.seen[k], n)
			}
		}
	}
	long := entry(strings.Repeat("x", 99), 5)
	f("nothing and no commit", nil, -1, nil)
	f("deltas", newScript().add(frameDelta, 1, entry("a", 1)).add(frameDelta, 2, entry("a", 2)).frames, 2, map[string]uint64{"a": 2})
	f("delta in pieces", newScript().add(frameDeltaPart, 1, long[:50]).add(frameDelta, 1, long[50:]).frames, 1,
		map[string]uint64{strings.Repeat("x", 99): 5})
	f("snapshot over deltas", newScript().add(frameDelta, 3, entry("a", 1)).
		add(frameChunkPart, 3, entry("b", 7)[:2]).add(frameChunk, 3, entry("b", 7)[2:]).seal(3, 2).
		add(frameDelta, 4, entry("c", 1)).frames, 4, map[string]uint64{"b": 7, "c": 1})
	f("empty snapshot", newScript().add(frameDelta, 3, "").seal(3, 0).frames, 3, nil)
	trimmed := newScript().add(frameDelta, 3, entry("a", 1)).add(frameChunk, 3, entry("b", 7)).seal(3, 1)
	f("trimmed below the snapshot", trimmed.frames[1:], 3, map[string]uint64{"b": 7})
}

func TestUnusableStateIsRefused(t *testing.T) {
	t.Parallel()
	f := func(name string, frames [][]byte, committed int64, want error) {
		t.Helper()
		if s, err := restoreFrames(frames, committed); !errors.Is(err, want) || !isUnusable(err) {
			t.Errorf("%s: got %v, %v; want %v", name, s, err, want)
		}
	}
	deltas := func() *script { return newScript().add(frameDelta, 1, entry("a", 1)).add(frameDelta, 2, entry("a", 2)) }
	whole := func() *script {
		return deltas().add(frameChunk, 2, entry("a", 2)).add(frameChunk, 2, entry("b", 1)).seal(2, 2).add(frameDelta, 3, entry("a", 3))
	}
	f("behind the commit", deltas().frames, 3, errOffset)
	f("ahead of the commit", deltas().frames, 1, errOffset)
	f("commit without state", nil, 5, errOffset)
	f("state without commit", deltas().frames, -1, errOffset)
	f("first delta missing", deltas().frames[1:], 2, errGap)
	f("delta missing in between", append(deltas().frames[:1:1], whole().frames[5]), 3, errGap)
	f("chunk missing", append(whole().frames[:2:2], whole().frames[3:]...), 3, errGap)
	f("start of a trimmed snapshot missing", whole().frames[3:], 3, errGap)
	f("snapshot without a seal", whole().frames[:4], 2, errGap)
	f("delta inside a snapshot", deltas().add(frameChunk, 2, entry("a", 2)).add(frameDelta, 3, entry("a", 3)).frames, 3, errDamaged)
	f("last piece missing", newScript().add(frameDeltaPart, 1, "k").frames, -1, errGap)
	f("another payload between the pieces", newScript().add(frameDeltaPart, 1, "k").seal(1, 0).frames, 1, errDamaged)
	f("offset goes back", newScript().add(frameDelta, 5, "").add(frameDelta, 4, "").frames, 4, errDamaged)
	f("not a frame", [][]byte{[]byte("hello")}, 1, errDamaged)
	f("payload that the stage refuses", newScript().add(frameDelta, 1, "?").frames, 1, errDamaged)
	other := func(change func(*frame)) [][]byte {
		s := newScript()
		change(&s.f)
		return s.add(frameDelta, 1, entry("a", 1)).frames
	}
	f("other stage", other(func(f *frame) { f.Stage = "correlate" }), 1, errForeign)
	f("other topic", other(func(f *frame) { f.Topic = "raw.zeek" }), 1, errForeign)
	f("other partition", other(func(f *frame) { f.Partition = 1 }), 1, errForeign)
	f("newer stage", other(func(f *frame) { f.Version = 2 }), 1, errNewer)
}

// damage appends a record to the state topic of partition 0 that is not ours.
func (r *rig) damage(value []byte) {
	r.t.Helper()
	rec := &kgo.Record{Topic: r.k.Topic(StateTopic("toy", "in")), Partition: 0, Value: value}
	cl, err := r.k.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		r.t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(r.t.Context(), rec).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

func TestDamagedStateTopicIsRefusedAndTheOthersAreServed(t *testing.T) {
	t.Parallel()
	foreign := newScript()
	foreign.f.Stage = "someone"
	foreign.add(frameDelta, 1, "")
	newer := newScript()
	newer.f.Version = 99
	newer.add(frameDelta, 1, "")
	cases := map[string]struct {
		harm func(*rig)
		want error
	}{
		"garbage": {func(r *rig) { r.damage([]byte("garbage")) }, errDamaged},
		"foreign": {func(r *rig) { r.damage(foreign.frames[0]) }, errForeign},
		"newer":   {func(r *rig) { r.damage(newer.frames[0]) }, errNewer},
		"truncated": {func(r *rig) {
			var to kadm.Offsets
			to.AddOffset(r.k.Topic(StateTopic("toy", "in")), 0, 1, -1)
			if _, err := r.adm.DeleteRecords(r.t.Context(), to); err != nil {
				r.t.Fatal(err)
			}
		}, errGap},
		"offsets reset": {func(r *rig) {
			var to kadm.Offsets
			to.AddOffset(r.k.Topic("in"), 0, 0, -1)
			if err := r.adm.CommitAllOffsets(r.t.Context(), Group(r.k, "toy"), to); err != nil {
				r.t.Fatal(err)
			}
		}, errOffset},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 2)
			for _, round := range [][2]int{{0, 100}, {100, 200}} {
				r.produce(lines(round[0], round[1], 40)...)
				c := r.config("w1")
				c.Leave = true // so that offsets may be reset
				l := r.start(c)
				r.drained(l)
				l.stop(t)
			}
			tc.harm(r)
			before := len(r.read("out")[0])
			r.produce(lines(200, 300, 40)...)
			l := r.start(r.config("w1"))
			eventually(t, func() string {
				if rs := l.Refused(); len(rs) == 1 && rs[0].Partition == 0 && errors.Is(rs[0].Err, tc.want) {
					return ""
				}
				return "partition 0 is not refused"
			})
			served := 0
			for _, rec := range r.records("in")[1] {
				_ = rec
				served++
			}
			eventually(t, func() string {
				if got := len(r.read("out")[1]); got != served {
					return "partition 1 is not served"
				}
				return ""
			})
			if got := len(r.read("out")[0]); got != before {
				t.Errorf("the refused partition made %d outputs", got-before)
			}
		})
	}
}

func TestSnapshotsKeepTheStateTopicShort(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	c := r.config("w1")
	c.SnapshotBytes = 2048
	var all []string
	for round := range 3 {
		l := r.start(c)
		for i := range 10 {
			batch := lines(round*1000+i*100, round*1000+i*100+100, 31)
			r.produce(batch...)
			all = append(all, batch...)
			r.drained(l)
		}
		l.stop(t)
	}
	equal(t, flat(r.read("out")), wantOut(all))
	starts, err := r.adm.ListStartOffsets(t.Context(), r.k.Topic(StateTopic("toy", "in")))
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := starts.Lookup(r.k.Topic(StateTopic("toy", "in")), 0); o.Offset == 0 {
		t.Error("the state topic was never trimmed")
	}
}
