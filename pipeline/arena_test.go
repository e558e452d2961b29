package pipeline

import (
	"bytes"
	"strings"
	"testing"
)

func TestArenaKeepsWhatWasAppended(t *testing.T) {
	t.Parallel()
	var a Arena
	var views [][]byte
	var want [][]byte
	for i := range 4000 {
		n := (i * 37) % 900
		if i%500 == 0 {
			n = arenaBlock - 1 + i/500 // around and above the size of a block
		}
		p := bytes.Repeat([]byte{byte(i)}, n)
		want = append(want, p)
		switch i % 3 {
		case 0:
			views = append(views, a.Copy(p))
		case 1:
			views = append(views, []byte(a.CopyString(string(p))))
		default:
			views = append(views, a.Append(n/2, func(dst []byte) []byte { return append(dst, p...) }))
		}
	}
	for i := range views {
		if !bytes.Equal(views[i], want[i]) {
			t.Fatalf("view %d of %d bytes changed", i, len(want[i]))
		}
	}
}

func TestArenaIsReusedAfterReset(t *testing.T) {
	var a Arena
	text := strings.Repeat("x", 100)
	fill := func() {
		a.Reset()
		for range 5000 {
			a.CopyString(text)
		}
	}
	fill()
	if n := testing.AllocsPerRun(10, fill); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	size := a.Size()
	fill()
	if a.Size() != size {
		t.Errorf("the arena grew from %d to %d bytes for the same work", size, a.Size())
	}
}

func TestBytesAreZeroedAfterReset(t *testing.T) {
	t.Parallel()
	var a Arena
	copy(a.Bytes(64), strings.Repeat("x", 64))
	a.Reset()
	if got := a.Bytes(64); !bytes.Equal(got, make([]byte, 64)) {
		t.Errorf("bytes after reset: %q", got)
	}
}
