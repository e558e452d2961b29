package run

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// work is a batch with the memory around it. The client holds on to produced records until
// the transaction has ended, so a transaction uses a work per batch and gives them all
// back at its end.
type work struct {
	part    *part
	batch   pipeline.Batch
	bytes   int64 // of the input
	newest  pipeline.Millis
	in      []pipeline.Header
	out     []kgo.RecordHeader
	records []kgo.Record
}

// work returns an empty work for p.
func (s *session) work(p *part) *work {
	var w *work
	if n := len(s.pool); n > 0 {
		w = s.pool[n-1]
		s.pool = s.pool[:n-1]
	} else {
		w = &work{}
	}
	w.part = p
	w.batch.Topic, w.batch.Partition = p.topic, p.id.partition
	w.batch.Tenant = s.l.cfg.Tenant
	w.batch.Now = s.l.now()
	w.batch.Context = s.context
	return w
}

// maxPooled bounds the memory that a pooled work keeps.
const maxPooled = 16 << 20

// put takes a work back.
func (s *session) put(w *work) {
	if w.batch.Arena.Size() > maxPooled {
		return
	}
	w.batch.Reset()
	clear(w.in)
	clear(w.out)
	clear(w.records)
	w.part, w.bytes, w.newest = nil, 0, 0
	w.in, w.out, w.records = w.in[:0], w.out[:0], w.records[:0]
	s.pool = append(s.pool, w)
}

// recycle takes back the memory of a transaction that has ended. If ending it failed, the
// client may still be sending from that memory: it is left to the collector then.
func (s *session) recycle(t *txn) {
	if t.pending.Load() != 0 {
		return
	}
	for _, u := range t.touched {
		for _, w := range u.works {
			s.put(w)
		}
	}
}

// read fills the batch with fetched records. Their bytes stay where they are.
func (w *work) read(rs []*kgo.Record) {
	for _, r := range rs {
		at := pipeline.MillisOf(r.Timestamp)
		from := len(w.in)
		for _, h := range r.Headers {
			w.in = append(w.in, pipeline.Header{Key: h.Key, Value: h.Value})
		}
		w.batch.In = append(w.batch.In, pipeline.Record{
			Offset: r.Offset, Time: at, Key: r.Key, Value: r.Value, Headers: w.in[from:len(w.in):len(w.in)],
		})
		w.bytes += int64(len(r.Key) + len(r.Value))
		w.newest = max(w.newest, at)
	}
}

// recordOverhead is more than what a record takes beside its key, value and headers.
const recordOverhead = 1 << 10

// fits reports an output that the cluster would refuse. Found here, it is a fault of the
// input that led to it; found by the cluster, it would be one of the whole transaction.
func (w *work) fits() error {
	for i := range w.batch.Out {
		m := &w.batch.Out[i]
		n := len(m.Key) + len(m.Value)
		for _, h := range m.Headers {
			n += len(h.Key) + len(h.Value)
		}
		if n > MaxRecordBytes-recordOverhead {
			return fmt.Errorf("output to %s has %d bytes, at most %d fit", m.Topic, n, MaxRecordBytes-recordOverhead)
		}
	}
	return nil
}

// produce hands the outputs and rejects of a work to the client.
func (t *txn) produce(w *work) {
	b := &w.batch
	n := len(b.Out) + len(b.Rejects)
	for i := range b.Out {
		if m := &b.Out[i]; m.Everywhere {
			n += int(t.s.partitions[m.Topic])
		}
	}
	// The slab must not grow once the client holds pointers into it.
	if cap(w.records) < n {
		w.records = make([]kgo.Record, 0, n+n/2)
	}
	k := t.s.l.cfg.Kafka
	for i := range b.Out {
		m := &b.Out[i]
		r := kgo.Record{Topic: k.Topic(m.Topic), Key: m.Key, Value: m.Value, Headers: w.headers(m.Headers)}
		if !m.Everywhere {
			t.send(w, r)
			continue
		}
		if t.s.partitions[m.Topic] == 0 {
			t.fail(&r, errors.New("it did not exist when the session began"))
		}
		for n := range t.s.partitions[m.Topic] {
			r.Partition = n + 1 // see everywhere
			t.send(w, r)
		}
	}
	for i := range b.Rejects {
		t.send(w, w.reject(k, &b.Rejects[i]))
	}
}

func (t *txn) send(w *work, r kgo.Record) {
	w.records = append(w.records, r)
	t.produceOne(&w.records[len(w.records)-1])
}

// produceOne hands one record to the client.
func (t *txn) produceOne(r *kgo.Record) {
	t.pending.Add(1)
	t.s.gts.Produce(t.s.gts.Client().Context(), r, t.produced)
}

// produced is called by the client's goroutines.
func (t *txn) produced(r *kgo.Record, err error) {
	defer t.pending.Add(-1)
	if err != nil {
		t.fail(r, err)
	}
}

func (t *txn) fail(r *kgo.Record, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = fmt.Errorf("produce to %s: %w", r.Topic, err)
	}
}

// failure returns why a record could not be produced, nil if all were.
func (t *txn) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

func (w *work) headers(hs []pipeline.Header) []kgo.RecordHeader {
	from := len(w.out)
	for _, h := range hs {
		w.out = append(w.out, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return w.out[from:len(w.out):len(w.out)]
}

// reject makes the record that puts an input record on the rejects topic: its key, value
// and headers as they were, and headers that say where it came from and why.
func (w *work) reject(k Kafka, r *pipeline.Reject) kgo.Record {
	in := &w.batch.In[r.Record]
	from := len(w.out)
	for _, h := range in.Headers {
		w.out = append(w.out, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	text := func(key, value string) {
		w.out = append(w.out, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	number := func(key string, n int64) {
		w.out = append(w.out, kgo.RecordHeader{Key: key, Value: strconv.AppendInt(nil, n, 10)})
	}
	text(pipeline.HeaderRejectTopic, w.batch.Topic)
	number(pipeline.HeaderRejectPartition, int64(w.batch.Partition))
	number(pipeline.HeaderRejectOffset, in.Offset)
	number(pipeline.HeaderRejectTime, int64(in.Time))
	text(pipeline.HeaderRejectStage, r.Stage)
	text(pipeline.HeaderRejectReason, r.Reason)
	text(pipeline.HeaderRejectDetail, r.Detail)
	return kgo.Record{
		Topic: k.Topic(pipeline.TopicRejects), Partition: w.batch.Partition,
		Key: in.Key, Value: in.Value, Headers: w.out[from:len(w.out):len(w.out)],
	}
}
