package correlate

import (
	"fmt"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// benchRules are one correlation of each kind that is judged at each signal. Their
// conditions are out of reach, so that windows stay full.
var benchRules = map[string]string{
	"event_count": "type: event_count; rules: [a]; timespan: 1h; condition: {gte: 4000}",
	"value_count": "type: value_count; rules: [a]; timespan: 1h; condition: {field: v, gte: 4000}",
	"value_sum":   "type: value_sum; rules: [a]; timespan: 1h; condition: {field: v, gte: 1000000000}",
	"temporal":    "type: temporal; rules: [a, b]; timespan: 1h",
	"ordered":     "type: temporal_ordered; rules: [a, b]; timespan: 1h",
	"value_avg":   "type: value_avg; rules: [a]; timespan: 1h; condition: {field: v, gte: 1000000000}",
}

// benchRecords are n signals, a second apart, over keys groups.
func benchRecords(n, keys int, values int) []pipeline.Record {
	recs := make([]pipeline.Record, n)
	for i := range recs {
		s := sig("n", fmt.Sprint("g", i%keys), i, time.Duration(i)*time.Second)
		s.Fields = map[string]string{"v": fmt.Sprint(i % values)}
		recs[i] = pipeline.Record{Offset: int64(i), Time: s.At, Value: s.AppendJSON(nil)}
	}
	return recs
}

// BenchmarkUpdate is the cost of one signal, decoding included, over 1,000 groups. The
// bare case decodes the signal and counts it in a map.
func BenchmarkUpdate(b *testing.B) {
	recs := benchRecords(20_000, 1000, 50)
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		counts := map[string]int{}
		var s pipeline.Signal
		var arena pipeline.Arena
		for i := 0; b.Loop(); i++ {
			if err := pipeline.DecodeSignal(recs[i%len(recs)].Value, &s, &arena); err != nil {
				b.Fatal(err)
			}
			counts[s.Group[0]]++
		}
	})
	for name, body := range benchRules {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			benchProcess(b, stageOf(b, nil, documentOf(b, "n", body)), recs)
		})
	}
}

// benchProcess feeds recs in batches of 100, as time goes on.
func benchProcess(b *testing.B, st *Stage, recs []pipeline.Record) {
	b.Helper()
	batch := &pipeline.Batch{Topic: pipeline.TopicSignals, Tenant: "acme"}
	shift, at := pipeline.Millis(0), 0
	for n := 0; b.Loop(); n++ {
		if n%100 != 0 {
			continue
		}
		if at+100 > len(recs) {
			b.StopTimer()
			shift, at = shift+recs[len(recs)-1].Time-recs[0].Time+1000, 0
			recs = shifted(b, recs, shift)
			b.StartTimer()
		}
		batch.Reset()
		batch.In = append(batch.In, recs[at:at+100]...)
		at += 100
		if err := st.Process(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		st.Commit()
	}
}

func shifted(b *testing.B, recs []pipeline.Record, by pipeline.Millis) []pipeline.Record {
	b.Helper()
	out := make([]pipeline.Record, len(recs))
	for i := range recs {
		var s pipeline.Signal
		if err := pipeline.DecodeSignal(recs[i].Value, &s, &pipeline.Arena{}); err != nil {
			b.Fatal(err)
		}
		s.At, s.Ingested = s.At+by, s.Ingested+by
		s.ID = pipeline.HashID("shift", s.ID.View())
		out[i] = pipeline.Record{Offset: recs[i].Offset, Time: s.At, Value: s.AppendJSON(nil)}
	}
	return out
}

// BenchmarkDistinct is the cost of one signal while the window holds that many different
// values.
func BenchmarkDistinct(b *testing.B) {
	for _, n := range []int{240, 1800} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			st := stageOf(b, nil, documentOf(b, "n", fmt.Sprintf("type: value_count; rules: [a]; timespan: %ds; condition: {field: v, gte: 4000}", n)))
			benchProcess(b, st, benchRecords(20_000, 1, n))
		})
	}
}

// BenchmarkHotKey compares one group that has nine of ten signals with a uniform load.
func BenchmarkHotKey(b *testing.B) {
	for name, hot := range map[string]bool{"uniform": false, "hot": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			recs := make([]pipeline.Record, 20_000)
			for i := range recs {
				g := fmt.Sprint("g", i%1000)
				if hot && i%10 != 0 {
					g = "hot"
				}
				s := sig("n", g, i, time.Duration(i)*100*time.Millisecond)
				recs[i] = pipeline.Record{Offset: int64(i), Time: s.At, Value: s.AppendJSON(nil)}
			}
			benchProcess(b, stageOf(b, nil, documentOf(b, "n", "type: event_count; rules: [a]; timespan: 10m; condition: {gte: 20}")), recs)
		})
	}
}

// BenchmarkRestore is the cost of one key, of 20,000 with one signal each; bare reads the
// pieces and sums their bytes.
func BenchmarkRestore(b *testing.B) {
	const keys = 20_000
	c := documentOf(b, "n", countOf3)
	st := stageOf(b, nil, c)
	batch := &pipeline.Batch{In: benchRecords(keys, keys, 1)}
	for i := range batch.In {
		s := sig("n", fmt.Sprint("g", i), i, time.Duration(i)*time.Millisecond)
		batch.In[i].Value = s.AppendJSON(nil)
	}
	if err := st.Process(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	st.Commit()
	pieces := snapshot(b, st)
	size := 0
	for _, p := range pieces {
		size += len(p)
	}
	b.ReportAllocs()
	for b.Loop() {
		again := stageOf(b, nil, c)
		for _, p := range pieces {
			if err := again.Restore(p); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(size)/keys, "B/key")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/keys, "ns/key")
}
