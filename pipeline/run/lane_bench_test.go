package run

import (
	"context"
	"fmt"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

// BenchmarkLane runs records of 800 bytes through a stage that copies them, broker and
// client in this process: what the runtime and the protocol cost together.
func BenchmarkLane(b *testing.B) {
	r := newRig(b, 4)
	value := make([]byte, 800)
	for i := range value {
		value[i] = "abcdefghijklmnop"[i*7%16]
	}
	f, err := NewFeeder(r.k)
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		if err := f.Send(b.Context(), pipeline.Message{Topic: "in", Key: fmt.Appendf(nil, "k%d", i%1000), Value: value}); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	f.Close()
	c := DefaultLane(r.k, "toy", "in")
	c.Worker = "bench"
	c.New = func(string, int32) (pipeline.Stage, error) { return passStage{}, nil }
	l, err := NewLane(c)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	b.ReportAllocs()
	b.ResetTimer()
	go func() { done <- l.Run(ctx) }()
	for l.Stats().Read < int64(b.N) {
		if !sleep(ctx, 1e6) {
			break
		}
	}
	b.StopTimer()
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
