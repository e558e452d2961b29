package broker

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func client(t *testing.T, b *tested, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addr()), kgo.MetadataMinAge(10 * time.Millisecond), kgo.FetchMaxWait(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	b.clients = append(b.clients, cl)
	return cl
}

// tested is a broker that closes its clients first: one whose broker is gone takes a second.
type tested struct {
	*Broker
	clients []*kgo.Client
}

func (b *tested) Close() error {
	for _, cl := range b.clients {
		cl.Close()
	}
	return b.Broker.Close()
}

func start(t *testing.T, cfg Config) *tested {
	t.Helper()
	b, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &tested{Broker: b}
}

func TestRecordsAreThereAgainAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	if _, err := kadm.NewClient(client(t, b)).CreateTopic(t.Context(), 1, 1, nil, "events"); err != nil {
		t.Fatal(err)
	}
	err := client(t, b).ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: []byte("one")}).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	b = start(t, Config{Dir: dir})
	defer b.Close()
	consumer := client(t, b, kgo.ConsumeTopics("events"), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	got := consumer.PollFetches(t.Context()).Records()
	if len(got) != 1 || string(got[0].Value) != "one" {
		t.Fatalf("got %v, want the record written before the restart", got)
	}
}

func TestASecondBrokerOnTheSameFolderIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	if _, err := Start(Config{Dir: dir}); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, Config{Dir: dir}).Close()
}

func TestRecordsCarryTheAppendTimeOfTheBroker(t *testing.T) {
	t.Parallel()
	b := start(t, Config{})
	defer b.Close()
	if _, err := kadm.NewClient(client(t, b)).CreateTopic(t.Context(), 1, 1, nil, "events"); err != nil {
		t.Fatal(err)
	}
	cl := client(t, b, kgo.ConsumeTopics("events"), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	r := &kgo.Record{Topic: "events", Value: []byte("x")}
	r.Timestamp = r.Timestamp.AddDate(2000, 0, 0) // a producer's clock that is wrong
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got := cl.PollFetches(t.Context()).Records()
	if len(got) != 1 || got[0].Timestamp.Year() < 2020 {
		t.Fatalf("got %v, want the broker's time", got)
	}
}
