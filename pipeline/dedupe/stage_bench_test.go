package dedupe

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// hashed is an id like that of a vendor: bits without order.
func hashed(i int) pipeline.ID {
	var id pipeline.ID
	x := uint64(i)
	for k := 0; k < 16; k += 8 {
		x += 0x9e3779b97f4a7c15
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(id[k:], z^z>>31)
	}
	return id
}

func fill(tb testing.TB, s *Stage, from, to int) {
	tb.Helper()
	b := &pipeline.Batch{Events: make([]pipeline.Event, 512)}
	for i := from; i < to; i += len(b.Events) {
		for k := range b.Events {
			at := start.Add(time.Duration(i+k) * time.Millisecond)
			b.Events[k] = pipeline.Event{ID: hashed(i + k), Print: hashed(-i - k), Exact: true, Fate: pipeline.FateLive, Ingested: at, At: at}
		}
		if err := s.Process(context.Background(), b); err != nil {
			tb.Fatal(err)
		}
		s.Commit()
	}
}

// residentBytes is what the process takes in memory, by Linux's account.
func residentBytes(tb testing.TB) int {
	tb.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Skipf("no account of memory here: %v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		tb.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestAMillionKeysTakeAtMost96MB measures the whole process, not the table alone.
func TestAMillionKeysTakeAtMost96MB(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	cfg := Default()
	cfg.Budget = 128 << 20
	s := newStage(t, cfg)
	before := residentBytes(t)
	const keys = 1_000_000
	fill(t, s, 0, keys)
	delta := residentBytes(t) - before
	st := s.Stats()
	t.Logf("%d keys: process grew by %.1f MB, table %.1f MB, %.1f bytes a key", st.Keys, float64(delta)/1e6, float64(st.Bytes)/1e6, float64(st.Bytes)/float64(st.Keys))
	if st.Keys < keys || st.Shed != 0 {
		t.Fatalf("got %+v, want %d keys", st, keys)
	}
	if delta > 96_000_000 {
		t.Errorf("process grew by %d bytes, want at most 96 MB", delta)
	}
	runtime.KeepAlive(s)
}

func BenchmarkNewKey(b *testing.B) {
	cfg := Default()
	cfg.Budget = 1 << 30
	s := newStage(b, cfg)
	fill(b, s, 0, 1_000_000)
	b.ReportAllocs()
	b.ResetTimer()
	fill(b, s, 1_000_000, 1_000_000+b.N)
}

func BenchmarkSeenKey(b *testing.B) {
	cfg := Default()
	cfg.Budget = 1 << 30
	s := newStage(b, cfg)
	fill(b, s, 0, 1_000_000)
	batch := &pipeline.Batch{Events: make([]pipeline.Event, 1)}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		k := i % 1_000_000
		batch.Events[0] = pipeline.Event{ID: hashed(k), Print: hashed(-k), Exact: true, Fate: pipeline.FateLive, Ingested: start, At: start}
		if err := s.Process(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRestore restores 100,000 keys, from a snapshot and from the deltas of 13
// transactions.
func BenchmarkRestore(b *testing.B) {
	cfg := Default()
	cfg.Budget = 1 << 30
	s := newStage(b, cfg)
	const keys, perDelta = 100_000, 8192
	var deltas, pieces [][]byte
	for at := 0; at < keys; at += perDelta {
		batch := &pipeline.Batch{Events: make([]pipeline.Event, perDelta)}
		for k := range batch.Events {
			batch.Events[k] = pipeline.Event{ID: hashed(at + k), Print: hashed(-at - k), Exact: true, Fate: pipeline.FateLive, Ingested: start, At: start}
		}
		if err := s.Process(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		deltas = append(deltas, s.AppendDelta(nil))
		s.Commit()
	}
	if err := s.Snapshot(func(p []byte) error { pieces = append(pieces, bytes.Clone(p)); return nil }); err != nil {
		b.Fatal(err)
	}
	for name, from := range map[string][][]byte{"deltas": deltas, "snapshot": pieces} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				fresh := newStage(b, cfg)
				for _, p := range from {
					if err := fresh.Restore(p); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(deltas)*perDelta), "ns/key")
		})
	}
}
