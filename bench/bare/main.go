// Command bare is the loop that a stage of riposte is measured against: it consumes a raw
// topic, parses each record with riposte's parser and produces a record as large as
// riposte's event, at-least-once. It has no dedupe, no state, no transaction.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/line"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/sources/all"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	brokers := flag.String("brokers", "127.0.0.1:9092", "host:port, separated by commas")
	topic := flag.String("topic", "raw.suricata", "topic to consume")
	out := flag.String("out", "bare", "topic to produce to")
	group := flag.String("group", "bare", "consumer group")
	records := flag.Int("records", 0, "end after so many")
	interval := flag.Duration("interval", 200*time.Millisecond, "between commits")
	flag.Parse()
	l, err := newLoop(strings.Split(*brokers, ","), *topic, *out, *group)
	if err != nil {
		return err
	}
	defer l.cl.Close()
	return l.run(ctx, *records, *interval)
}

// loop is the consumer and what it needs for one batch after the other.
type loop struct {
	cl    *kgo.Client
	parse pipeline.Stage
	out   string
	batch pipeline.Batch
	pad   []byte // what riposte's event has beside the vendor's object
	bytes int64

	failed atomic.Pointer[error] // the first record that was not taken
}

func newLoop(brokers []string, topic, out, group string) (*loop, error) {
	compiled, err := normalise.New(all.Formats())
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.FetchMaxBytes(32<<20), kgo.MetadataMinAge(10*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	l := &loop{cl: cl, parse: compiled.Stage(strings.TrimPrefix(topic, pipeline.TopicRawPrefix)), out: out}
	l.batch.Topic, l.batch.Tenant = topic, "default"
	return l, nil
}

// run reads n records. The clock starts with the first of them: joining a group is no work.
func (l *loop) run(ctx context.Context, n int, interval time.Duration) error {
	var clock line.Clock
	read := 0
	committed := time.Now()
	for read < n {
		fetches := l.cl.PollRecords(ctx, 512)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		if read == 0 {
			clock, committed = line.Start(), time.Now()
		}
		records := fetches.Records()
		if err := l.process(ctx, records); err != nil {
			return err
		}
		read += len(records)
		if time.Since(committed) >= interval || read >= n {
			if err := l.flush(ctx); err != nil {
				return err
			}
			if err := l.cl.CommitUncommittedOffsets(ctx); err != nil {
				return err
			}
			committed = time.Now()
		}
	}
	return clock.Print(os.Stdout, read, l.bytes)
}

// process parses records and produces one as large as riposte's event for each of them.
func (l *loop) process(ctx context.Context, records []*kgo.Record) error {
	b := &l.batch
	b.Reset()
	b.Topic = "raw.suricata"
	for _, r := range records {
		b.In = append(b.In, pipeline.Record{Offset: r.Offset, Time: pipeline.MillisOf(r.Timestamp), Key: r.Key, Value: r.Value})
	}
	if err := l.parse.Process(ctx, b); err != nil {
		return err
	}
	for i := range b.Events {
		e := &b.Events[i]
		if l.pad == nil {
			whole := e.AppendJSON(nil)
			l.pad = append(l.pad, whole[:len(whole)-len(e.Unmapped)]...)
		}
		value := make([]byte, 0, len(l.pad)+len(e.Unmapped))
		value = append(append(value, l.pad...), e.Unmapped...)
		l.bytes += int64(len(value))
		in := records[e.Record]
		l.cl.Produce(ctx, &kgo.Record{Topic: l.out, Key: in.Key, Value: value}, l.produced)
	}
	return nil
}

func (l *loop) produced(_ *kgo.Record, err error) {
	if err != nil {
		l.failed.CompareAndSwap(nil, &err)
	}
}

// flush waits until everything that was produced is acknowledged.
func (l *loop) flush(ctx context.Context) error {
	if err := l.cl.Flush(ctx); err != nil {
		return err
	}
	if err := l.failed.Load(); err != nil {
		return *err
	}
	return nil
}
