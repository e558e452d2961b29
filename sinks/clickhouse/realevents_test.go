package clickhouse_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"testing"

	"github.com/riposte-sec/riposte/internal/sharedata"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/sinks/clickhouse/chtest"
	"github.com/riposte-sec/riposte/sources/all"
	"github.com/riposte-sec/riposte/sources/file"
)

// perSource is how many lines of each source are stored.
const perSource = 4000

// realEvents normalises recorded events of all sources and returns them as blocks of the
// topic events, as ingest would write it, and what it knows of them.
func realEvents(t *testing.T) (blocks []*pipeline.Block, live []pipeline.Event) {
	t.Helper()
	r, err := file.Open([]string{sharedata.Dir(t)}, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	compiled, err := normalise.New(all.Formats())
	if err != nil {
		t.Fatal(err)
	}
	input := map[string][]pipeline.Record{}
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := len(input[line.Source]); n < perSource {
			input[line.Source] = append(input[line.Source], pipeline.Record{Offset: int64(n), Time: noon, Value: append([]byte(nil), line.Value...)})
		}
	}
	offset := int64(0)
	for _, source := range compiled.Sources() {
		if len(input[source]) == 0 {
			continue
		}
		b := &pipeline.Batch{Topic: pipeline.TopicRawPrefix + source, Tenant: "acme", In: input[source]}
		if err := compiled.Stage(source).Process(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		if err := new(pipeline.Publish).Process(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		blk := &pipeline.Block{Topic: pipeline.TopicEvents, From: offset}
		for _, m := range b.Out {
			blk.Records = append(blk.Records, pipeline.Record{Offset: offset, Time: noon, Key: m.Key, Value: m.Value, Headers: m.Headers})
			offset++
		}
		blk.To = offset
		blocks = append(blocks, blk)
		for i := range b.Events {
			if b.Events[i].Fate == pipeline.FateLive {
				live = append(live, b.Events[i])
			}
		}
	}
	return blocks, live
}

// leaves counts the pairs that an object is flattened to.
func leaves(v any) uint64 {
	object, ok := v.(map[string]any)
	if !ok {
		if v == nil {
			return 0
		}
		return 1
	}
	n := uint64(0)
	for _, e := range object {
		n += leaves(e)
	}
	return n
}

func TestRecordedEventsOfAllSourcesAreStoredWhole(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	blocks, live := realEvents(t)
	w := newWriter(s)
	for _, blk := range blocks {
		if err := w.Insert(t.Context(), blk); err != nil {
			t.Fatal(err)
		}
	}
	var hosts, users, addresses, pairs uint64
	for i := range live {
		e := &live[i]
		if e.Get(pipeline.FieldDeviceHostname).Str != "" {
			hosts++
		}
		if e.Get(pipeline.FieldActorUserName).Str != "" || e.Get(pipeline.FieldUserName).Str != "" {
			users++
		}
		if ip, err := netip.ParseAddr(e.Get(pipeline.FieldSrcEndpointIP).Str); err == nil && ip.Zone() == "" && !ip.IsUnspecified() {
			addresses++
		}
		var vendor any
		if len(e.Unmapped) > 0 {
			if err := json.Unmarshal(e.Unmapped, &vendor); err != nil {
				t.Fatal(err)
			}
		}
		pairs += leaves(vendor)
	}
	if len(live) < 5000 || hosts == 0 || users == 0 || addresses == 0 {
		t.Fatalf("only %d events, %d hosts, %d users, %d addresses: the test is broken", len(live), hosts, users, addresses)
	}
	expect(t, s, "recorded events", map[string]uint64{
		"(SELECT count() FROM riposte.events)":                                         uint64(len(live)),
		"(SELECT uniqExact(offset) FROM riposte.events)":                               uint64(len(live)),
		"(SELECT count() FROM riposte.rejects)":                                        0,
		"(SELECT countIf(host != '') FROM riposte.events)":                             hosts,
		"(SELECT countIf(user != '') FROM riposte.events)":                             users,
		"(SELECT countIf(NOT src_ip IN ('::', '::ffff:0.0.0.0')) FROM riposte.events)": addresses,
	})
	if got := count(t, s, "(SELECT sum(length(attrs)) FROM riposte.events)"); got < pairs {
		t.Errorf("attrs have %d pairs, the vendors' objects %d", got, pairs)
	}
	t.Logf("%d events, %d hosts, %d users, %d addresses, %d pairs", len(live), hosts, users, addresses, pairs)
}
