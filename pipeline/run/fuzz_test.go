package run

import (
	"testing"
)

// FuzzRestore reads any sequence of frames: it must end in an error or in a state that
// belongs to the offset, and never panic.
func FuzzRestore(f *testing.F) {
	f.Add([]byte{0, 2, 2, 4, 0}, int64(3), []byte("k\x01a\x01"))
	f.Add([]byte{1, 0, 3, 2, 4}, int64(1), []byte("v\x01a\x01"))
	f.Add([]byte{4, 4, 4}, int64(-1), []byte{})
	f.Fuzz(func(t *testing.T, kinds []byte, committed int64, payload []byte) {
		s := newScript()
		for i, k := range kinds {
			switch kind := frameKind(k%6 + 1); kind {
			case frameSeal:
				s.seal(int64(i), int(k)/6)
			case frameSeal + 1:
				s.f.Seq += uint64(k) / 6 // a gap
			default:
				s.add(kind, int64(i), string(payload))
			}
		}
		got, err := restoreFrames(s.frames, committed)
		if (err == nil) != (got != nil) {
			t.Errorf("got %v and %v, want one of them", got, err)
		}
		if err == nil && committed < 0 && len(s.frames) > 0 {
			t.Errorf("state without a commit was accepted: %d frames", len(s.frames))
		}
	})
}

func FuzzPlan(f *testing.F) {
	f.Add(int64(7), plan{7, 9}.String())
	f.Add(int64(7), planPrefix+"7--9")
	f.Add(int64(0), "member-1")
	f.Fuzz(func(t *testing.T, committed int64, metadata string) {
		p, err := parsePlan(committed, metadata)
		if err == nil && (p.from != committed || p.to != 0 && p.to <= p.from) {
			t.Errorf("%d %q: got %+v", committed, metadata, p)
		}
	})
}
