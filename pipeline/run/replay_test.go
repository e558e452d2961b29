package run

import (
	"slices"
	"strconv"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestReplayGoesOnWhereItsLastCommitEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	const total = 2*replayChunk + 777
	var want []string
	for i := range total {
		want = append(want, strconv.Itoa(i))
	}
	// Each try sends a little more than the one before and dies with a transaction open.
	for try := range 4 {
		rp, err := NewReplay(t.Context(), r.k, "files")
		if err != nil {
			t.Fatal(err)
		}
		if try == 0 {
			if err := rp.Begin(t.Context(), []byte("note")); err != nil {
				t.Fatal(err)
			}
		}
		if string(rp.Note()) != "note" || try == 0 && rp.Done() != 0 {
			t.Errorf("try %d: note %q, done %d", try, rp.Note(), rp.Done())
		}
		sent := 0
		for i := int(rp.Done()); i < total && sent < 3000*(try+2); i++ {
			v := []byte(strconv.Itoa(i))
			if err := rp.Send(t.Context(), pipeline.Message{Topic: "in", Key: v[:1], Value: v}); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		if try == 3 {
			if err := rp.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if rp.Done() != total {
				t.Errorf("done = %d, want %d", rp.Done(), total)
			}
		}
		rp.Close()
	}
	got := r.values("in")
	slices.Sort(got)
	slices.Sort(want)
	equal(t, got, want)
}

func TestReplaysOfDifferentIDsDoNotKnowEachOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	for _, id := range []string{"a", "b"} {
		rp, err := NewReplay(t.Context(), r.k, id)
		if err != nil {
			t.Fatal(err)
		}
		if rp.Done() != 0 {
			t.Errorf("%s starts at %d, want 0", id, rp.Done())
		}
		if err := rp.Send(t.Context(), pipeline.Message{Topic: "in", Value: []byte(id)}); err != nil {
			t.Fatal(err)
		}
		if err := rp.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		rp.Close()
	}
	if _, err := NewReplay(t.Context(), r.k, "a b"); err == nil {
		t.Error("an id with a space is no error")
	}
}

// values returns the values of the committed records of a topic.
func (r *rig) values(topic string) []string {
	r.t.Helper()
	var out []string
	for _, partition := range r.records(topic) {
		for _, rec := range partition {
			out = append(out, string(rec.Value))
		}
	}
	return out
}
