package broker

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// producer sends batches with sequence numbers of the test's choice.
type producer struct {
	t     *testing.T
	cl    *kgo.Client
	id    int64
	epoch int16
	topic [16]byte
}

// newProducer takes over the number of a former producer, or gets a new one for 0.
func newProducer(t *testing.T, b *tested, id int64) *producer {
	t.Helper()
	p := &producer{t: t, cl: client(t, b), id: id}
	topics, err := kadm.NewClient(p.cl).ListTopics(t.Context(), "raw")
	if err != nil {
		t.Fatal(err)
	}
	p.topic = topics["raw"].ID
	if id == 0 {
		got, err := kmsg.NewPtrInitProducerIDRequest().RequestWith(t.Context(), p.cl)
		if err != nil {
			t.Fatal(err)
		}
		p.id, p.epoch = got.ProducerID, got.ProducerEpoch
	}
	return p
}

// send sends a batch of values, the first of which has the number seq.
func (p *producer) send(seq int32, values ...string) (offset int64, failed error) {
	p.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID = "raw", p.topic
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = batchOf(p.id, p.epoch, seq, values...)
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	got, err := req.RequestWith(p.t.Context(), p.cl)
	if err != nil {
		p.t.Fatal(err)
	}
	answer := got.Topics[0].Partitions[0]
	return answer.BaseOffset, kerr.ErrorForCode(answer.ErrorCode)
}

// batchOf returns the bytes of a batch.
func batchOf(id int64, epoch int16, seq int32, values ...string) []byte {
	b := kmsg.RecordBatch{Magic: 2, ProducerID: id, ProducerEpoch: epoch, FirstSequence: seq, NumRecords: int32(len(values)), LastOffsetDelta: int32(len(values)) - 1}
	for i, v := range values {
		r := kmsg.Record{OffsetDelta: int32(i), Value: []byte(v)}
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		b.Records = r.AppendTo(b.Records)
	}
	b.Length = int32(len(b.AppendTo(nil)) - batchCounted)
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[batchCRC:], crc32.Checksum(raw[batchChecked:], castagnoli))
	return raw
}

// expect sends a batch and compares the answer.
func (p *producer) expect(what string, seq int32, offset int64, failed error, values ...string) {
	p.t.Helper()
	at, err := p.send(seq, values...)
	if err != failed || err == nil && at != offset { //nolint:errorlint // kerr has one value for each code
		p.t.Errorf("%s: got offset %d, error %v, want %d, %v", what, at, err, offset, failed)
	}
}

func TestProducerCannotGoOnAfterACrashButWhereItWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir, NoSync: true})
	t.Cleanup(func() { _ = b.Close() })
	if _, err := kadm.NewClient(client(t, b)).CreateTopic(t.Context(), 1, 1, nil, "raw"); err != nil {
		t.Fatal(err)
	}
	p := newProducer(t, b, 0)
	p.expect("first", 0, 0, nil, "a", "b")
	p.expect("second", 2, 2, nil, "c")
	// The broker is killed with three batches under way. The first was taken, and nobody was
	// told; of the others, which come again in any order, none was.
	p.expect("under way", 3, 3, nil, "d")
	again := start(t, Config{Dir: crash(t, dir), NoSync: true})
	t.Cleanup(func() { _ = again.Close() })
	p = newProducer(t, again, p.id)
	p.expect("the one after the next", 5, 0, kerr.OutOfOrderSequenceNumber, "f")
	p.expect("the one that was taken", 3, 3, nil, "d")
	p.expect("the next", 4, 4, nil, "e")
	p.expect("the one after it", 5, 5, nil, "f")
	if got, want := committed(t, again, "raw"), []string{"a", "b", "c", "d", "e", "f"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNumbersOfAnOrderlyEndAreNotThoseAfterALaterCrash ends in order, goes on, and crashes:
// what was written at the end is old by then.
func TestNumbersOfAnOrderlyEndAreNotThoseAfterALaterCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir, NoSync: true})
	if _, err := kadm.NewClient(client(t, b)).CreateTopic(t.Context(), 1, 1, nil, "raw"); err != nil {
		t.Fatal(err)
	}
	p := newProducer(t, b, 0)
	p.expect("before the end", 0, 0, nil, "a")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	second := start(t, Config{Dir: dir, NoSync: true})
	t.Cleanup(func() { _ = second.Close() })
	p = newProducer(t, second, p.id)
	for i := range int32(7) {
		p.expect("after the end", 1+i, int64(1+i), nil, "x")
	}
	p.epoch++ // the client gave up a batch
	p.expect("of a new epoch", 0, 8, nil, "y")
	third := start(t, Config{Dir: crash(t, dir), NoSync: true})
	t.Cleanup(func() { _ = third.Close() })
	epoch := p.epoch
	p = newProducer(t, third, p.id)
	p.expect("of the old epoch", 8, 0, kerr.OutOfOrderSequenceNumber, "z")
	p.epoch = epoch
	p.expect("taken already", 0, 8, nil, "y")
	p.expect("next", 1, 9, nil, "z")
}

func TestSegmentIsReadUpToTheFirstBatchThatIsNotWhole(t *testing.T) {
	t.Parallel()
	first, second := batchOf(7, 0, 0, "a", "b"), batchOf(7, 0, 2, "c")
	f := func(name string, want int, segment []byte) {
		t.Helper()
		var got []header
		if err := eachBatch(bytes.NewReader(segment), func(h header) { got = append(got, h) }); err != nil {
			t.Fatal(err)
		}
		if len(got) != want {
			t.Errorf("%s: got %+v, want %d batches", name, got, want)
		}
	}
	f("both", 2, slices.Concat(first, second))
	for cut := range second {
		f("cut off", 1, slices.Concat(first, second[:cut]))
	}
	second[len(second)-1]++
	f("altered", 1, slices.Concat(first, second, first))
}

func FuzzEachBatch(f *testing.F) {
	f.Add(slices.Concat(batchOf(7, 0, 0, "a", "b"), batchOf(8, 1, 2, "c")))
	f.Add(make([]byte, 2*batchMinBytes))
	f.Fuzz(func(t *testing.T, segment []byte) {
		n := 0
		if err := eachBatch(bytes.NewReader(segment), func(header) { n++ }); err != nil {
			t.Fatal(err)
		}
		if n > len(segment)/batchMinBytes {
			t.Errorf("%d batches in %d bytes", n, len(segment))
		}
	})
}
