package run

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/kafka/kafkatest"
	"github.com/riposte-sec/riposte/pipeline/run/broker"
)

// A broker that was killed with a transaction open aborts it without a control record. A
// restore must not wait for the last offset, which no reader of committed records sees.
func TestReadEndsBehindATransactionThatACrashLeftOpen(t *testing.T) {
	t.Parallel()
	kafkatest.EmbeddedOnly(t)
	live := t.TempDir()
	b, err := broker.Start(broker.Config{Dir: live})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	k := Kafka{Brokers: []string{b.Addr()}}
	if err := EnsureTopics(t.Context(), k, TopicSpec{Name: "s", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	cl, err := k.client(kgo.TransactionalID("x"), kgo.DefaultProduceTopic("s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	for _, value := range []string{"committed", "open"} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if value == "committed" {
			if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
		}
	}
	crashed := t.TempDir() // what lies on the disk now is what kill -9 would leave
	if err := os.CopyFS(crashed+"/log", os.DirFS(live+"/log")); err != nil {
		t.Fatal(err)
	}
	again, err := broker.Start(broker.Config{Dir: crashed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	at := tp{"s", 0}
	_, err = readSpans(ctx, Kafka{Brokers: []string{again.Addr()}}, map[tp]span{at: {0, 3}}, func(_ tp, r *kgo.Record) error {
		got = append(got, string(r.Value))
		return nil
	})
	if err != nil || len(got) != 1 || got[0] != "committed" {
		t.Errorf("read %q, %v; want the committed record and an end", got, err)
	}
}

// A slow reader asks about a tail that it only has not got yet. What a producer committed
// after it had aborted is not aborted.
func TestCommittedAfterAbortedIsNotAnAbortedTail(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	cl, err := r.k.client(kgo.TransactionalID("x"), kgo.DefaultProduceTopic(r.k.Topic("in")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	for _, commit := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	for from := range int64(4) { // aborted record, its mark, committed record, its mark
		aborted, err := abortedTail(t.Context(), cl, tp{r.k.Topic("in"), 0}, span{from, 4})
		if err != nil || aborted {
			t.Errorf("tail from %d: aborted = %v, %v; want false", from, aborted, err)
		}
	}
}
