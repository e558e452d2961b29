package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/bench/kafka/kafkatest"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run/broker"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	k := DefaultKafka()
	k.SASL = SASL{Mechanism: SASLPlain, User: "u", Password: "hunter2"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "kafka", k, "password", k.SASL.Password)
	js, err := json.Marshal(k.SASL)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v %s", k, k.SASL, k.SASL.Password), string(js), log.String()} {
		if strings.Contains(out, "hunter2") {
			t.Errorf("the password is in %q", out)
		}
	}
}

func TestMistakesInTheConfigurationAreNamed(t *testing.T) {
	t.Parallel()
	f := func(change func(*Kafka), want string) {
		t.Helper()
		k := DefaultKafka()
		change(&k)
		if err := k.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to name %q", err, want)
		}
	}
	f(func(k *Kafka) { k.Brokers = nil }, "no brokers")
	f(func(k *Kafka) { k.Brokers = []string{"host"} }, "host:port")
	f(func(k *Kafka) { k.Prefix = "a b" }, "prefix")
	f(func(k *Kafka) { k.TLS.Cert = "x" }, "belong together")
	f(func(k *Kafka) { k.SASL.Mechanism = "GSSAPI" }, "GSSAPI")
	f(func(k *Kafka) { k.SASL.Mechanism = SASLPlain }, "password")
	c := DefaultLane(DefaultKafka(), "toy", "in")
	c.Worker, c.New = "w", tallyFactory
	c.TransactionTimeout = c.SessionTimeout
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "must be shorter") {
		t.Errorf("got %v, want the timeouts refused", err)
	}
}

func TestLanesWorkOverSASL(t *testing.T) {
	t.Parallel()
	kafkatest.EmbeddedOnly(t)
	for _, mechanism := range []string{SASLPlain, SASLScramSHA256, SASLScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			b, err := broker.Start(broker.Config{Options: []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(mechanism, "riposte", "secret")}})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			k := Kafka{Brokers: []string{b.Addr()}, SASL: SASL{Mechanism: mechanism, User: "riposte", Password: "secret"}}
			if err := EnsureTopics(t.Context(), k, TopicSpec{Name: "in", Partitions: 1}); err != nil {
				t.Error(err)
			}
			k.SASL.Password = "wrong"
			if err := EnsureTopics(t.Context(), k, TopicSpec{Name: "in", Partitions: 1}); err == nil {
				t.Error("a wrong password is taken")
			}
		})
	}
}

func TestChangedPartitionCountIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	if err := EnsureTopics(t.Context(), r.k, TopicSpec{Name: "in", Partitions: 2}, StateSpec("toy", TopicSpec{Name: "in", Partitions: 2})); err != nil {
		t.Fatalf("the same again: %v", err)
	}
	err := EnsureTopics(t.Context(), r.k, TopicSpec{Name: "in", Partitions: 3}, TopicSpec{Name: "new", Partitions: 3})
	if !errors.Is(err, ErrPartitions) {
		t.Errorf("got %v, want ErrPartitions", err)
	}
	if got, _ := Partitions(t.Context(), r.k, "new"); len(got) != 0 {
		t.Errorf("a topic was created beside the refused one")
	}
	// Somebody adds a partition to the input behind our back.
	if _, err := r.adm.CreatePartitions(t.Context(), 1, r.k.Topic("in")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if n, err := Partitions(t.Context(), r.k, "in"); err != nil || n["in"] != 3 {
			return fmt.Sprintf("the topic has %v, %v", n, err)
		}
		return ""
	})
	l := r.prepare(r.config("w1"))
	l.launch()
	if err := l.wait(t); !errors.Is(err, ErrPartitions) {
		t.Errorf("got %v, want the lane to refuse it", err)
	}
}

// A lane that runs hears of a new partition when the group gives it to the lane.
func TestPartitionThatIsAddedToARunningLaneStopsIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	l := r.start(r.config("w1"))
	r.produce(lines(0, 20, 5)...)
	r.drained(l)
	if _, err := r.adm.CreatePartitions(t.Context(), 1, r.k.Topic("in")); err != nil {
		t.Fatal(err)
	}
	// The client looks at the partitions again when one seems to have moved, or after minutes.
	r.cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: r.k.Topic("in"), Err: kerr.NotLeaderForPartition, Count: 1})
	r.produce("a next", "b next", "c next") // ends the fetch that waits
	err := l.wait(t)
	if fault, reason := pipeline.FaultOf(err); fault != pipeline.FaultStop || reason != reasonPartitions || !errors.Is(err, ErrPartitions) {
		t.Errorf("got %v, want the lane stopped with ErrPartitions", err)
	}
}

func TestMetricsOfTheTableAreWhatIsServed(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	r := newRig(t, 1)
	c := r.config("w1")
	c.Metrics = NewMetrics(reg)
	r.produce("a v1", "a bad", "a v1")
	l := r.start(c)
	r.drained(l)
	eventually(t, func() string {
		if l.Stats().Read != 3 {
			return "not read"
		}
		return ""
	})
	served, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range c.Metrics.table() {
		known[m.name] = true
		if !strings.HasPrefix(m.name, "riposte_run_") || !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s: name or help is not in the house's form", m.name)
		}
	}
	seen := map[string]bool{}
	for _, m := range served {
		seen[m.GetName()] = true
		if strings.HasPrefix(m.GetName(), "riposte_run_") && !known[m.GetName()] {
			t.Errorf("%s is served and not in the table", m.GetName())
		}
	}
	for _, name := range []string{"riposte_run_records_total", "riposte_run_transactions_total", "riposte_run_rejected_total", "riposte_run_end_seconds", "riposte_kafka_connects_total"} {
		if !seen[name] {
			t.Errorf("%s is not served", name)
		}
	}
}

func TestFeederAcknowledgesWhatItSent(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	f, err := NewFeeder(r.k)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range 100 {
		if err := f.Send(t.Context(), pipeline.Message{Topic: "in", Key: fmt.Appendf(nil, "k%d", i), Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := f.Progress(); p != (Progress{Sent: 100, Acked: 100, Bytes: 100}) {
		t.Errorf("got %+v, want 100 of each", p)
	}
	if err := f.Send(t.Context(), pipeline.Message{Topic: "nowhere", Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if err := f.Flush(t.Context()); err == nil {
		t.Error("a topic that does not exist takes records")
	}
}

// The first group of a cluster has no coordinator for a moment.
func TestLagWaitsForTheCoordinator(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.produce("a v1")
	h := r.cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: 3})
	lag, err := Lag(t.Context(), r.k, Input{Group: Group(r.k, "nobody"), Topics: []string{"in"}})
	if err != nil || lag != 1 {
		t.Errorf("got %d, %v; want 1", lag, err)
	}
	if h.Hits() == 0 {
		t.Error("the fault was not met")
	}
}

// Kafka answers CreateTopics before each of its brokers knows the topic: who makes it waits
// until it is known, and so does who finds it made by another.
func TestTopicsAreThereWhenTheyAreEnsured(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	f := func(name, made string) {
		t.Helper()
		if made != "" {
			if _, err := r.adm.CreateTopic(t.Context(), 2, 1, nil, r.k.Topic(made)); err != nil {
				t.Fatal(err)
			}
		}
		h := r.cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: r.k.Topic("late" + name), Err: kerr.UnknownTopicOrPartition, Count: 5})
		if err := EnsureTopics(t.Context(), r.k, TopicSpec{Name: "late" + name, Partitions: 2}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if h.Hits() != 5 {
			t.Errorf("%s: the fault was met %d times, want 5", name, h.Hits())
		}
	}
	f("own", "")
	f("other", "lateother")
}

// Kafka answers CreateTopics before each of its brokers knows the topic.
func TestTopicThatWasJustMadeTakesRecords(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	if err := EnsureTopics(t.Context(), r.k, TopicSpec{Name: "new", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	f, err := NewFeeder(r.k)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := r.cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: r.k.Topic("new"), Err: kerr.UnknownTopicOrPartition, Count: 20})
	if err := f.Send(t.Context(), pipeline.Message{Topic: "new", Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if err := f.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if h.Hits() != 20 {
		t.Errorf("the fault was met %d times, want 20", h.Hits())
	}
}
