package run

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/kafka/kafkatest"
	"github.com/riposte-sec/riposte/pipeline"
)

// rig is a broker with the topics in and out, for one test.
type rig struct {
	t    testing.TB
	k    Kafka
	fake *kfake.Cluster // nil on a real Kafka
	cl   *kgo.Client
	adm  *kadm.Client
}

// newRig is on the broker that the environment names.
func newRig(tb testing.TB, partitions int32) *rig {
	tb.Helper()
	return rigOn(tb, kafkatest.Start(tb), partitions)
}

func rigOn(tb testing.TB, b kafkatest.Broker, partitions int32, secure ...func(*Kafka)) *rig {
	tb.Helper()
	r := &rig{t: tb, fake: b.Cluster, k: Kafka{Brokers: b.Addrs, Prefix: b.Prefix}}
	for _, s := range secure {
		s(&r.k)
	}
	specs := []TopicSpec{
		{Name: "in", Partitions: partitions},
		{Name: "out", Partitions: partitions},
		{Name: pipeline.TopicRejects, Partitions: partitions},
	}
	if err := EnsureTopics(tb.Context(), r.k, specs...); err != nil {
		tb.Fatal(err)
	}
	cl, err := r.k.client(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cl.Close)
	r.cl = cl
	r.adm = kadm.NewClient(r.cl)
	return r
}

// cluster is where faults are injected. On a real Kafka it skips the test.
func (r *rig) cluster() *kfake.Cluster {
	r.t.Helper()
	kafkatest.EmbeddedOnly(r.t)
	return r.fake
}

// produce writes records "key value" to the topic in.
func (r *rig) produce(lines ...string) {
	r.t.Helper()
	rs := make([]*kgo.Record, 0, len(lines))
	for _, l := range lines {
		key, value, _ := strings.Cut(l, " ")
		rs = append(rs, &kgo.Record{Topic: r.k.Topic("in"), Key: []byte(key), Value: []byte(value)})
	}
	if err := r.cl.ProduceSync(r.t.Context(), rs...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// config is that of a lane with short times.
func (r *rig) config(worker string) LaneConfig {
	c := DefaultLane(r.k, "toy", "in")
	c.New = tallyFactory
	c.Worker = worker
	c.MinInterval, c.MaxInterval = 5*time.Millisecond, 20*time.Millisecond
	c.SessionTimeout, c.TransactionTimeout = 6*time.Second, 4*time.Second
	c.TickEvery = 50 * time.Millisecond
	if os.Getenv("RUN_LOG") != "" {
		c.Log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("worker", worker, "test", r.t.Name())
	}
	return c
}

// running is a lane that runs in the background.
type running struct {
	*Lane
	launch func()
	cancel context.CancelFunc
	done   chan error
}

func (r *rig) start(c LaneConfig) *running {
	r.t.Helper()
	run := r.prepare(c)
	run.launch()
	return run
}

// prepare makes a lane that is not running yet.
func (r *rig) prepare(c LaneConfig) *running {
	r.t.Helper()
	l, err := NewLane(c)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	run := &running{Lane: l, cancel: cancel, done: make(chan error, 1)}
	run.launch = func() { go func() { run.done <- l.Run(ctx) }() }
	r.t.Cleanup(func() { run.cancel(); run.wait(r.t) })
	return run
}

// wait returns how the lane ended.
func (r *running) wait(tb testing.TB) error {
	tb.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(30 * time.Second):
		tb.Fatal("the lane does not end")
		return nil
	}
}

// stop ends the lane the clean way.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := r.wait(t); err != nil {
		t.Fatalf("lane ended with %v", err)
	}
}

// eventually waits until check gives "".
func eventually(t *testing.T, check func() string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		why := check()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(why)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// read returns the committed records of a topic, each as "key value", by partition in order.
func (r *rig) read(topic string) [][]string {
	r.t.Helper()
	var out [][]string
	for _, rs := range r.records(topic) {
		var lines []string
		for _, rec := range rs {
			lines = append(lines, string(rec.Value))
		}
		out = append(out, lines)
	}
	return out
}

// records returns the committed records of a topic by partition, in order.
func (r *rig) records(topic string) [][]*kgo.Record {
	r.t.Helper()
	full := r.k.Topic(topic)
	n, err := Partitions(r.t.Context(), r.k, topic)
	if err != nil {
		r.t.Fatal(err)
	}
	parts := make([]tp, n[topic])
	for i := range parts {
		parts[i] = tp{full, int32(i)}
	}
	spans, err := settle(r.t.Context(), r.adm, parts, 20*time.Second)
	if err != nil {
		r.t.Fatal(err)
	}
	out := make([][]*kgo.Record, len(parts))
	_, err = readSpans(r.t.Context(), r.k, spans, func(p tp, rec *kgo.Record) error {
		out[p.partition] = append(out[p.partition], rec)
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// flat returns the values of all partitions, sorted.
func flat(parts [][]string) []string {
	all := slices.Concat(parts...)
	slices.Sort(all)
	return all
}

// lines makes "k<i%keys> v<i>" for i in [from, to).
func lines(from, to, keys int) []string {
	var ls []string
	for i := from; i < to; i++ {
		ls = append(ls, fmt.Sprintf("k%d v%d", i%keys, i))
	}
	return ls
}

// wantOut is what the tally stage makes of lines, in any order of keys.
func wantOut(ls []string) []string {
	count, seen := map[string]int{}, map[string]bool{}
	var want []string
	for _, l := range ls {
		key, value, _ := strings.Cut(l, " ")
		if seen[value] {
			continue
		}
		seen[value] = true
		count[key]++
		want = append(want, fmt.Sprintf("%s %s %d", key, value, count[key]))
	}
	slices.Sort(want)
	return want
}

// behind is how many records no transaction of the stage has taken yet.
func (r *rig) behind(ctx context.Context) int {
	r.t.Helper()
	lag, err := Lag(ctx, r.k, Input{Group: Group(r.k, "toy"), Topics: []string{"in"}})
	if err != nil {
		r.t.Fatal(err)
	}
	return lag
}

// drained waits until the lanes read everything.
func (r *rig) drained(lanes ...*running) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 40*time.Second)
	defer cancel()
	for {
		lag := r.behind(ctx)
		if lag == 0 {
			return
		}
		for _, l := range lanes {
			if rs := l.Refused(); len(rs) > 0 {
				r.t.Fatalf("refused: %v", rs[0].Err)
			}
		}
		if !sleep(ctx, 10*time.Millisecond) {
			r.t.Fatalf("still %d records behind", lag)
		}
	}
}

// measured returns the value of a counter or gauge, of its series that has a label with that
// value, and false before it is set.
func measured(t *testing.T, reg *prometheus.Registry, name, label string) (float64, bool) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == label {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue(), true // one of them is 0
				}
			}
		}
	}
	return 0, false
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	missing, extra := diff(want, got), diff(got, want)
	t.Errorf("got %d records, want %d; missing %d %.200q, too many %d %.200q", len(got), len(want), len(missing), missing, len(extra), extra)
}

// diff returns what is in a more often than in b.
func diff(a, b []string) []string {
	n := map[string]int{}
	for _, s := range b {
		n[s]++
	}
	var d []string
	for _, s := range a {
		if n[s]--; n[s] < 0 {
			d = append(d, s)
		}
	}
	return d
}
