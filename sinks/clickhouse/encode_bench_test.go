package clickhouse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/record"
)

// benchBlock is n process events with 26 vendor fields each.
func benchBlock(n int) *pipeline.Block {
	blk := &pipeline.Block{Topic: pipeline.TopicEvents, To: int64(n)}
	for i := range n {
		var vendor strings.Builder
		for f := range 26 {
			fmt.Fprintf(&vendor, `,"Field%d":"%s%d"`, f, strings.Repeat("v", 8+f), i%(f*10+1))
		}
		e := pipeline.Event{
			ID: pipeline.HashID("bench", fmt.Sprint(i)), Tenant: "acme", Source: "windows", Class: pipeline.ClassProcessActivity, At: 1, Ingested: 2,
			Attrs: []pipeline.Attr{
				{Field: pipeline.FieldDeviceHostname, Value: pipeline.Value{Kind: pipeline.KindString, Str: fmt.Sprintf("ws%d", i%500)}},
				{Field: pipeline.FieldProcessCmdLine, Value: pipeline.Value{Kind: pipeline.KindString, Str: strings.Repeat("arg ", 30)}},
				{Field: pipeline.FieldProcessName, Value: pipeline.Value{Kind: pipeline.KindString, Str: "x.exe"}},
			},
			Unmapped: []byte("{" + vendor.String()[1:] + "}"),
		}
		blk.Records = append(blk.Records, pipeline.Record{Offset: int64(i), Value: e.AppendJSON(nil)})
	}
	return blk
}

// BenchmarkEncodeEvents measures what the writer does with rows that are there already: the
// bytes of the block, without compression and network.
func BenchmarkEncodeEvents(b *testing.B) {
	const rows = 10_000
	tables := record.New().Convert(benchBlock(rows))
	var in proto.Input
	for i, c := range tables[0].Columns {
		in = append(in, proto.InputColumn{Name: tables[0].Names[i], Data: input{c}})
	}
	blk := proto.Block{Columns: len(in), Rows: rows}
	var buf proto.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := blk.EncodeBlock(&buf, proto.Version, in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/event")
	b.ReportMetric(float64(len(buf.Buf))/rows, "B/event")
}

func TestEncodingAllocatesNothingPerRow(t *testing.T) {
	tables := record.New().Convert(benchBlock(1000))
	var buf proto.Buffer
	encode := func() {
		buf.Reset()
		for _, c := range tables[0].Columns {
			in := input{c}
			in.EncodeState(&buf)
			in.EncodeColumn(&buf)
		}
	}
	encode()
	if got := testing.AllocsPerRun(10, encode); got > float64(len(tables[0].Columns)) {
		t.Errorf("got %v allocations for 1,000 rows, want at most one per column", got)
	}
}

// TestUnknownColumnTypeIsABug keeps a new column type from being sent as nothing.
func TestUnknownColumnTypeIsABug(t *testing.T) {
	t.Parallel()
	defer func() {
		if p := recover(); p == nil {
			t.Error("a column without an encoder was encoded")
		}
	}()
	input{strange{}}.EncodeColumn(new(proto.Buffer))
}

type strange struct{ columns.Column }
