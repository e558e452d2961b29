package journal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

type thing struct {
	N    int      `json:"n"`
	Tags []string `json:"tags"`
}

func cloneThing(t thing) thing { t.Tags = slices.Clone(t.Tags); return t }

func newPair() (*Journal, *Table[thing], *Table[int]) {
	j := New(1)
	return j, NewTable(j, cloneThing), NewTable(j, func(v int) int { return v })
}

func pieces(tb testing.TB, j *Journal) [][]byte {
	tb.Helper()
	var out [][]byte
	if err := j.Snapshot(func(p []byte) error { out = append(out, bytes.Clone(p)); return nil }); err != nil {
		tb.Fatalf("Snapshot: %v", err)
	}
	return out
}

func TestRollbackTakesBackEverySortOfChange(t *testing.T) {
	t.Parallel()
	j, things, _ := newPair()
	*things.Edit("kept") = thing{N: 1, Tags: []string{"a"}}
	*things.Edit("gone") = thing{N: 2}
	j.Commit()
	want := pieces(t, j)

	e := things.Edit("kept")
	e.Tags[0] = "changed"
	e.N = 9
	things.Edit("new").N = 3
	things.Delete("gone")
	things.Delete("new")
	things.Edit("gone").N = 7
	if got := pieces(t, j); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("a snapshot shows what is not committed: %q, want %q", got, want)
	}
	j.Rollback()
	if got := pieces(t, j); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("after rollback: %q, want %q", got, want)
	}
	if d := j.AppendDelta(nil); len(d) != 0 {
		t.Fatalf("delta after rollback: %q, want none", d)
	}
}

func TestSnapshotAndDeltasRestoreTheSameState(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	j, things, ints := newPair()
	other, _, _ := newPair()
	for range 400 {
		for range rnd.IntN(5) {
			k := fmt.Sprint(rnd.IntN(40))
			switch rnd.IntN(4) {
			case 0:
				things.Delete(k)
			case 1:
				*ints.Edit(k)++
			default:
				v := things.Edit(k)
				v.N++
				v.Tags = append(v.Tags, k)
			}
		}
		if rnd.IntN(3) == 0 {
			j.Rollback()
			continue
		}
		d := j.AppendDelta(nil)
		j.Commit()
		if len(d) == 0 {
			continue
		}
		if err := other.Restore(d); err != nil {
			t.Fatalf("Restore(delta): %v", err)
		}
	}
	want := pieces(t, j)
	if got := pieces(t, other); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("state from deltas differs from the original")
	}
	third, _, _ := newPair()
	for _, p := range want {
		if err := third.Restore(p); err != nil {
			t.Fatalf("Restore(snapshot): %v", err)
		}
	}
	if got := pieces(t, third); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("state from the snapshot differs from the original")
	}
	if j.Bytes() != other.Bytes() || j.Bytes() != third.Bytes() {
		t.Fatalf("Bytes %d, %d, %d, want the same", j.Bytes(), other.Bytes(), third.Bytes())
	}
}

func TestSnapshotIsCutIntoPieces(t *testing.T) {
	t.Parallel()
	j, things, _ := newPair()
	for i := range 3000 {
		*things.Edit(fmt.Sprint(i)) = thing{N: i, Tags: []string{string(bytes.Repeat([]byte("x"), 500))}}
	}
	j.Commit()
	got := pieces(t, j)
	if len(got) < 3 {
		t.Fatalf("%d pieces, want at least 3", len(got))
	}
	for _, p := range got {
		if len(p) > pieceSize {
			t.Fatalf("piece of %d bytes, want at most %d", len(p), pieceSize)
		}
	}
}

func TestADamagedFrameChangesNothing(t *testing.T) {
	t.Parallel()
	j, things, _ := newPair()
	things.Edit("a").N = 1
	things.Edit("b").N = 2
	frame := j.AppendDelta(nil)
	f := func(name string, damage func(p []byte) []byte, want error) {
		t.Helper()
		into, rows, _ := newPair()
		if err := into.Restore(damage(bytes.Clone(frame))); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
		if n := len(maps.Collect(rows.All())); n != 0 {
			t.Errorf("%s: %d rows after the error, want 0", name, n)
		}
	}
	f("cut", func(p []byte) []byte { return p[:len(p)-1] }, ErrChecksum)
	f("empty", func([]byte) []byte { return nil }, ErrFrame)
	f("a bit turned", func(p []byte) []byte { p[len(p)-3] ^= 1; return p }, ErrChecksum)
	f("newer version", func(p []byte) []byte { p[3] = 2; return p }, ErrVersion)
	f("table not known", func(p []byte) []byte { p[headSize] = 9; seal(p, 0); return p }, ErrFrame)
	f("value not JSON", func(p []byte) []byte { p[len(p)-1] = '!'; seal(p, 0); return p }, ErrFrame)
}

func TestScheduleGivesPairsInOrderAndBackAfterRollback(t *testing.T) {
	t.Parallel()
	var s Schedule
	s.Add(5, "b")
	s.Add(5, "a")
	s.Add(9, "z")
	s.Add(1, "c")
	take := func(now int64) (out []string) {
		for {
			_, k, ok := s.Due(now)
			if !ok {
				return out
			}
			out = append(out, k)
		}
	}
	want := []string{"c", "a", "b"}
	if got := take(5); !slices.Equal(got, want) {
		t.Fatalf("due at 5: %v, want %v", got, want)
	}
	s.Rollback()
	if got := take(5); !slices.Equal(got, want) {
		t.Fatalf("due at 5 after rollback: %v, want %v", got, want)
	}
	s.Commit()
	s.Rollback()
	if got := take(8); got != nil {
		t.Fatalf("due at 8 after commit: %v, want none", got)
	}
}

func FuzzRestore(f *testing.F) {
	j, things, _ := newPair()
	things.Edit("a").Tags = []string{"x"}
	f.Add(j.AppendDelta(nil))
	f.Add([]byte("RJ\x01\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		into, _, _ := newPair()
		sealed := bytes.Clone(p)
		if len(sealed) >= headSize {
			seal(sealed, 0) // so that the fuzzer gets past the checksum
		}
		if into.Restore(sealed) != nil {
			return
		}
		again, _, _ := newPair()
		for _, piece := range pieces(t, into) {
			if err := again.Restore(piece); err != nil {
				t.Fatalf("own snapshot refused: %v", err)
			}
		}
	})
}
