package oracle

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/kafka/kafkatest"
)

func produce(t *testing.T, b kafkatest.Broker, commit kgo.TransactionEndTry, records ...*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs...), kgo.TransactionalID(b.Prefix+"oracle"), kgo.MetadataMinAge(10*time.Millisecond), kgo.UnknownTopicRetries(200))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := cl.EndTransaction(t.Context(), commit); err != nil {
		t.Fatal(err)
	}
}

func seed(t *testing.T, b kafkatest.Broker, topics ...string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	made, err := kadm.NewClient(cl).CreateTopics(t.Context(), 1, -1, nil, topics...)
	if err := errors.Join(err, made.Error()); err != nil {
		t.Fatal(err)
	}
}

func TestReadSeesCommittedRecordsAlone(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t)
	x := b.Prefix + "x."
	foreign := b.Prefix + "foreign"
	seed(t, b, x+"raw.suricata", x+"events", x+"rejects", x+"signals", x+"state.ingest", foreign)
	raw := &kgo.Record{Topic: x + "raw.suricata", Value: []byte(`{"a":1}`), Headers: []kgo.RecordHeader{{Key: HeaderSeq, Value: []byte("7")}}}
	event := &kgo.Record{Topic: x + "events", Key: []byte("k"), Value: []byte(`{"metadata":{"uid":"e1","log_name":"suricata","labels":["late"]},"raw_ref":{"partition":0,"offset":3},"unmapped":{"a":1}}`)}
	reject := &kgo.Record{Topic: x + "rejects", Value: []byte("junk"), Headers: []kgo.RecordHeader{
		{Key: "reject-topic", Value: []byte("raw.suricata")},
		{Key: "reject-partition", Value: []byte("0")},
		{Key: "reject-offset", Value: []byte("4")},
		{Key: "reject-stage", Value: []byte("ingest")},
		{Key: "reject-reason", Value: []byte("malformed")},
	}}
	produce(t, b, kgo.TryAbort, event)
	produce(t, b, kgo.TryCommit, raw, event, reject, &kgo.Record{Topic: x + "state.ingest", Value: []byte("not ours")}, &kgo.Record{Topic: foreign, Value: []byte("not ours")})
	produce(t, b, kgo.TryAbort, event)

	got, err := Read(t.Context(), Topics{Brokers: b.Addrs, Prefix: x})
	if err != nil {
		t.Fatal(err)
	}
	at := Position{"events", 0, 2} // the aborted one and its marker come first
	want := &Observed{
		Raw:       []Raw{{Position{"raw.suricata", 0, 0}, 7, DigestOf(raw.Value)}},
		Events:    []Event{{at, "e1", "k", Position{"raw.suricata", 0, 3}, DigestOf([]byte(`{"a":1}`)), true}},
		Rejects:   []Reject{{Position{"rejects", 0, 0}, Position{"raw.suricata", 0, 4}, "ingest", "malformed", DigestOf(reject.Value)}},
		Committed: got.Committed,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(got.Committed) != 2 {
		t.Errorf("committed records: got %v, want the event and the reject", got.Committed)
	}
}

func TestTornLastLineOfTheVendorIsNoEffect(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "effects.jsonl")
	if err := os.WriteFile(path, []byte(`{"key":"a","action":"block","target":"x"}`+"\n"+`{"key":"b","act`), 0o600); err != nil {
		t.Fatal(err)
	}
	var o Observed
	if err := o.ReadEffects(path); err != nil {
		t.Fatal(err)
	}
	if want := []Effect{{Key: "a", Action: "block", Target: "x"}}; !reflect.DeepEqual(o.Effects, want) {
		t.Errorf("got %+v, want %+v", o.Effects, want)
	}
}

func FuzzDecodeNeverPanics(f *testing.F) {
	for _, topic := range stored {
		f.Add(topic, []byte(`{"metadata":{"uid":"x"},"alert":{"group":["a"]},"target":{"value":"v"}}`))
	}
	f.Fuzz(func(_ *testing.T, topic string, value []byte) {
		var o Observed
		_ = o.add(topic, &kgo.Record{Value: value})
	})
}

func FuzzRow(f *testing.F) {
	f.Add("events\t3\t99")
	f.Fuzz(func(t *testing.T, line string) {
		p, err := row(line)
		if err == nil && p.Topic == "" && line[0] != '\t' {
			t.Errorf("row %q gave %v", line, p)
		}
	})
}
