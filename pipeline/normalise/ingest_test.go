package normalise_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
)

// chain is ingest without matching: normalise, dedupe, publish.
type chain struct {
	normalise pipeline.Stage
	dedupe    *dedupe.Stage
	publish   pipeline.Publish
}

func newChain(tb testing.TB, source string) *chain {
	tb.Helper()
	d, err := dedupe.New(dedupe.Default())
	if err != nil {
		tb.Fatal(err)
	}
	return &chain{normalise: compile(tb).Stage(source), dedupe: d}
}

func (c *chain) process(tb testing.TB, b *pipeline.Batch) {
	tb.Helper()
	ctx := context.Background()
	if err := c.normalise.Process(ctx, b); err != nil {
		tb.Fatal(err)
	}
	if err := c.dedupe.Process(ctx, b); err != nil {
		tb.Fatal(err)
	}
	if err := c.publish.Process(ctx, b); err != nil {
		tb.Fatal(err)
	}
}

// fixtures are two records of each source, one of them with escapes.
var fixtures = map[string][]string{
	"suricata": {
		`{"timestamp":"2026-09-21T13:30:00.533101+0000","flow_id":1258832998001901,"event_type":"alert","src_ip":"203.0.113.7","src_port":52812,"dest_ip":"10.1.0.80","dest_port":80,"proto":"TCP","alert":{"action":"allowed","signature_id":2034125,"signature":"ET \"x\"","category":"Admin","severity":1},"http":{"hostname":"Shop.Example.COM","url":"\/a?b","http_method":"POST","status":400},"app_proto":"http"}`,
		`{"timestamp":"2026-09-21T13:30:00Z","event_type":"smtp","src_ip":"2001:DB8::1","email":{"from":"Bob <B@example.com>","to":["a@example.org","c\u0040example.net"]}}`,
	},
	"zeek": {
		`{"_path":"conn","ts":1789997400.713879,"uid":"CiB1v6","id.orig_h":"10.1.0.5","id.orig_p":58444,"id.resp_h":"203.0.113.9","id.resp_p":443,"proto":"tcp","duration":1.25,"conn_state":"SF"}`,
		`{"@stream":"dns","ts":1789997400,"id_orig_h":"::ffff:10.1.0.5","query":"A.Example\u002e","answers":["a",1]}`,
	},
	"windows": {
		`{"EventID":1,"SourceName":"Microsoft-Windows-Sysmon","Hostname":"WS1","Channel":"S","RecordNumber":7,"UtcTime":"2026-09-21 13:31:04.728","Image":"C:\\Windows\\cmd.exe","CommandLine":"cmd \"x\"","User":"CORP\\Alice","ProcessId":"0x1f4","Hashes":"SHA256=AA097FD0386A42779F2B6CA23BDAEBBCA99C589B477E0C7AC63C2678214D242E"}`,
		`{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Security-Auditing"}},"EventID":4625,"Computer":"DC1","TimeCreated":{"#attributes":{"SystemTime":"2026-09-21T13:31:02Z"}}},"EventData":{"TargetUserName":"bob","IpAddress":"198.51.100.7"}}}`,
	},
	"cloudtrail": {
		`{"eventTime":"2026-09-21T13:30:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","recipientAccountId":"123456789012","eventID":"11111111-2222-3333-4444-555555555555","sourceIPAddress":"198.51.100.7","userIdentity":{"type":"IAMUser","userName":"Al\u00ecce","accessKeyId":"AKIAIOSFODNN7EXAMPLE"},"requestParameters":{"userName":"x"}}`,
	},
	"okta": {
		`{"uuid":"0b1c2d3e-1111-2222-3333-444455556666","published":"2026-09-21T13:30:00.225Z","eventType":"user.session.start","severity":"INFO","actor":{"id":"00u1","alternateId":"Homer@Example.com"},"client":{"ipAddress":"203.0.113.8"},"outcome":{"result":"FAILURE"},"target":[{"type":"User","alternateId":"x@example.com"}]}`,
	},
	"ocsf": {
		`{"class_uid":1007,"activity_id":1,"severity_id":4,"time":1789997400123,"metadata":{"uid":"0f8fad5b-d9cb-469f","log_name":"edr"},"device":{"hostname":"WS9"},"process":{"cmd_line":"a \"b\"","pid":77}}`,
	},
}

func TestIngestAllocatesNothingPerEvent(t *testing.T) {
	for source, lines := range fixtures {
		c, topic := newChain(t, source), pipeline.TopicRawPrefix+source
		b := &pipeline.Batch{}
		values := make([][]byte, 0, 100)
		for i := range 90 {
			line := lines[i%len(lines)]
			values = append(values, fmt.Appendf(nil, `{"n":%d,%s`, i, line[1:]))
		}
		values = append(values, values[:10]...)
		var delta []byte
		live := 0
		run := func() {
			b.Reset()
			b.Topic, b.Tenant = topic, "acme"
			for i, v := range values {
				b.In = append(b.In, pipeline.Record{Offset: int64(i), Time: now, Value: v})
			}
			c.process(t, b)
			delta = c.dedupe.AppendDelta(delta[:0])
			c.dedupe.Rollback()
			live = b.Counts.Live
			if b.Counts.Live != len(b.Out) || b.Counts.Live != 90 || b.Counts.Duplicate != 10 {
				t.Fatalf("%s: got %+v and %d messages, rejects %v", source, b.Counts, len(b.Out), b.Rejects)
			}
		}
		run()
		if n := testing.AllocsPerRun(50, run); n != 0 {
			t.Errorf("%s: %v allocations per batch of %d records (%d live), want 0", source, n, len(values), live)
		}
	}
}

func TestWhatIngestWritesDoesNotDependOnTheBatches(t *testing.T) {
	t.Parallel()
	for folder, source := range sampleSources {
		var lines [][]byte
		files := samples(t, folder)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			lines = append(lines, files[name]...)
		}
		lines = lines[:min(len(lines), 600)]
		lines = append(lines, lines[:len(lines)/2]...) // delivered again
		b := new(pipeline.Batch)
		write := func(size int) (out []string, counts pipeline.Counts) {
			c := newChain(t, source)
			offset := int64(0)
			for part := range slices.Chunk(lines, size) {
				b.Reset()
				b.Topic, b.Tenant = pipeline.TopicRawPrefix+source, "acme"
				for _, line := range part {
					b.In = append(b.In, pipeline.Record{Offset: offset, Time: now + pipeline.Millis(offset), Value: line})
					offset++
				}
				c.process(t, b)
				c.dedupe.Commit()
				for _, m := range b.Out {
					out = append(out, string(m.Key)+" "+string(m.Value))
				}
				counts.In += b.Counts.In
				counts.Live += b.Counts.Live
				counts.Duplicate += b.Counts.Duplicate
				counts.Rejected += b.Counts.Rejected
			}
			return out, counts
		}
		want, counts := write(1)
		t.Logf("%s: %+v", source, counts)
		if counts.In != len(lines) || counts.In != counts.Live+counts.Duplicate+counts.Rejected || counts.Duplicate == 0 || counts.Live != len(want) {
			t.Errorf("%s: counts %+v, %d messages", source, counts, len(want))
		}
		for _, size := range []int{17, 5000} {
			got, _ := write(size)
			if len(got) != len(want) {
				t.Fatalf("%s: %d messages with batches of %d, %d with batches of 1", source, len(got), size, len(want))
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%s: message %d with batches of %d:\ngot  %s\nwant %s", source, i, size, got[i], want[i])
				}
			}
		}
	}
}

func BenchmarkIngest(b *testing.B) {
	for _, c := range corpora(b) {
		b.Run(c.source, func(b *testing.B) {
			ch, batch, delta, topic := newChain(b, c.source), &pipeline.Batch{}, []byte(nil), pipeline.TopicRawPrefix+c.source
			run := func() {
				for part := range slices.Chunk(c.lines, 256) {
					batch.Reset()
					batch.Topic, batch.Tenant = topic, "acme"
					for i, line := range part {
						batch.In = append(batch.In, pipeline.Record{Offset: int64(i), Time: now, Value: line})
					}
					ch.process(b, batch)
					delta = ch.dedupe.AppendDelta(delta[:0])
					ch.dedupe.Rollback()
				}
			}
			run()
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(c.lines)), "ns/event")
		})
	}
}
