package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/oracle"
	"github.com/riposte-sec/riposte/bench/proc"
	"github.com/riposte-sec/riposte/pipeline"
)

// latencyPrefix keeps the topics of the latency measurement apart.
const latencyPrefix = "lat."

// load is what the latency is measured under.
type load struct {
	rate    int // events per second
	warm    int // seconds at the rate that are not measured
	seconds int
	targets int // triggers, spread over the run
}

// latencyRatio is n6: from a record that triggers a response, handed to the client, to the
// committed intent, seen by a reader, p99; against produce to consume of a record without
// anything between, p99, on the same broker at the same time.
func latencyRatio(ctx context.Context, s *suite) (float64, error) {
	// Caches and, of Apache Kafka, the compiler of the JVM need some seconds to settle.
	l := load{rate: 10_000, warm: 10, seconds: 20, targets: 600} // of one rule: below correlate's bound of 200 per hour and partition
	if s.o.smoke {
		l = load{rate: 1000, warm: 1, seconds: 4, targets: 100}
	}
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	log, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("stages%d.log", s.round)))
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }()
	prefix := fmt.Sprintf("%s%d.", latencyPrefix, s.round)
	worker, err := proc.Start(proc.Spec{
		Name: "stages", Path: exe, Log: log,
		Args: []string{"serve-stages", "-brokers", strings.Join(s.addrs, ","), "-prefix", prefix},
	})
	if err != nil {
		return 0, err
	}
	defer func() { _ = worker.Kill() }()
	m := &meter{s: s, prefix: prefix, sent: map[string]time.Time{}, worker: worker}
	intents, echoes, err := m.run(ctx, l)
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return 0, fmt.Errorf("%w\n%s", err, text[max(0, len(text)-2000):])
	}
	a, b := percentiles(intents), percentiles(echoes)
	fmt.Fprintf(s.out, "  latency at %d events/s: intent p50 %v p99 %v of %d; round trip p50 %v p99 %v of %d\n",
		l.rate, a[0], a[1], len(intents), b[0], b[1], len(echoes))
	return float64(a[1]) / float64(b[1]), nil
}

// percentiles returns p50 and p99 of at least one duration.
func percentiles(d []time.Duration) [2]time.Duration {
	slices.Sort(d)
	at := func(p float64) time.Duration {
		return d[min(len(d)-1, int(p*float64(len(d))))].Round(100 * time.Microsecond)
	}
	return [2]time.Duration{at(0.50), at(0.99)}
}

// meter sends records and sees intents and echoes come back.
type meter struct {
	s      *suite
	prefix string
	worker *proc.Process

	mu              sync.Mutex
	sent            map[string]time.Time // by target or echo
	intents, echoes []time.Duration
}

func (m *meter) run(ctx context.Context, l load) (intents, echoes []time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(l.seconds+90)*time.Second, errors.New("the stages do not keep up"))
	defer cancel()
	for _, t := range append([]string{rawTopic, "echo"}, pipelineTopics...) {
		if err := m.s.ensure(ctx, m.prefix+t); err != nil {
			return nil, nil, err
		}
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(m.s.addrs...), kgo.ConsumeTopics(m.prefix+"intents", m.prefix+"echo"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		return nil, nil, err
	}
	defer reader.Close()
	writer, err := kgo.NewClient(kgo.SeedBrokers(m.s.addrs...), kgo.MetadataMinAge(10*time.Millisecond), kgo.ProducerLinger(0))
	if err != nil {
		return nil, nil, err
	}
	defer writer.Close()
	var wg sync.WaitGroup
	readCtx, stopReading := context.WithCancel(ctx)
	wg.Go(func() { m.read(readCtx, reader) })
	if err = m.warmUp(ctx, writer, l); err == nil {
		err = m.write(ctx, writer, uint64(m.s.round)+1, l)
	}
	if err == nil {
		err = m.await(ctx, l.targets*99/100) // the target of the warm-up has its intent already
	}
	stopReading()
	wg.Wait()
	return m.intents, m.echoes, err
}

func (m *meter) seen() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.intents)
}

// warmUp sends one trigger and waits for its intent, which shows that the stages work, and
// then the load without triggers for a while. Nothing of it is measured.
func (m *meter) warmUp(ctx context.Context, cl *kgo.Client, l load) error {
	g, err := oracle.New(oracle.Plan{Seed: 1 << 32, Records: 1, Keys: 1, Back: 1, Targets: 1, Hits: 1})
	if err != nil {
		return err
	}
	r, _ := g.Next(time.Now())
	m.mark(r.Target)
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: m.prefix + rawTopic, Key: []byte(r.Key), Value: r.Value}).FirstErr(); err != nil {
		return err
	}
	if err := m.await(ctx, 1); err != nil {
		return err
	}
	if err := m.write(ctx, cl, 1<<33+uint64(m.s.round), load{rate: l.rate, seconds: l.warm}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.sent)
	m.intents, m.echoes = nil, nil
	return nil
}

// await waits until n intents came back.
func (m *meter) await(ctx context.Context, n int) error {
	for m.seen() < n {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-m.worker.Done():
			return fmt.Errorf("the stages ended: %w", m.worker.Err())
		case <-ctx.Done():
			return fmt.Errorf("%d of %d intents came back: %w", m.seen(), n, context.Cause(ctx))
		}
	}
	return nil
}

// write sends the load, with records that the seed decides.
func (m *meter) write(ctx context.Context, cl *kgo.Client, seed uint64, l load) error {
	g, err := oracle.New(oracle.Plan{Seed: seed, Records: l.rate * l.seconds, Keys: 2000, Duplicates: 0.05, Back: 1000, Targets: l.targets, Hits: 1})
	if err != nil {
		return err
	}
	const slice = 5 * time.Millisecond
	tick := time.NewTicker(slice)
	defer tick.Stop()
	owed := 0.0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		echo := fmt.Sprintf("echo%d", time.Now().UnixNano())
		m.mark(echo)
		cl.Produce(ctx, &kgo.Record{Topic: m.prefix + "echo", Key: []byte(echo)}, nil)
		for owed += float64(l.rate) * slice.Seconds(); owed >= 1; owed-- {
			r, more := g.Next(time.Now())
			if !more {
				return cl.Flush(ctx)
			}
			if r.Target != "" {
				m.mark(r.Target)
			}
			cl.Produce(ctx, &kgo.Record{Topic: m.prefix + rawTopic, Key: []byte(r.Key), Value: r.Value}, nil)
		}
	}
}

func (m *meter) mark(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[what] = time.Now()
}

func (m *meter) read(ctx context.Context, cl *kgo.Client) {
	for ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			now := time.Now()
			if r.Topic == m.prefix+"echo" {
				m.take(string(r.Key), now, &m.echoes)
				return
			}
			var v struct {
				Target pipeline.EntityValue `json:"target"`
			}
			if json.Unmarshal(r.Value, &v) == nil {
				m.take(v.Target.Value, now, &m.intents)
			}
		})
	}
}

// take notes how long something took that was sent, the first time that it comes back.
func (m *meter) take(what string, now time.Time, into *[]time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.sent[what]; ok {
		*into = append(*into, now.Sub(at))
		delete(m.sent, what)
	}
}
