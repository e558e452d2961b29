package pipeline

// Record is one record of a Kafka partition. Key, Value and the header values are views
// that read right until the batch is reset.
type Record struct {
	Offset  int64
	Time    Millis // broker append time (the topic has LogAppendTime)
	Key     []byte
	Value   []byte
	Headers []Header
}

// Header is one header of a Record or a Message.
type Header struct {
	Key   string
	Value []byte
}

// Header returns the value of the first header named key, nil if there is none.
func (r *Record) Header(key string) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value
		}
	}
	return nil
}

// Offset names one record: where in Kafka something came from.
type Offset struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Message is one record to be produced in the batch's transaction. Topic is one of the
// Topic constants, without prefix. Key decides the partition; Everywhere means one copy for
// each partition, and is for TopicSignals alone.
type Message struct {
	Topic      string
	Key        []byte
	Value      []byte
	Headers    []Header
	Everywhere bool
}

// Reject is an input record that a stage cannot process. It ends on TopicRejects with the
// record's bytes. Reason is from a closed set of the stage and labels a metric; Detail is
// for people and holds no payload beyond a short quote.
type Reject struct {
	Record int // index into Batch.In
	Stage  string
	Reason string
	Detail string
}

// Counts is the account of a batch (I1): In = Live + Duplicate + Rejected, always, for
// the stage that reads raw topics. The other stages count In, Live and Rejected.
type Counts struct {
	In, Live, Duplicate, Rejected int
	Late, Skewed                  int // of the live ones
	Bytes                         int // of the values read
	FirstAt, LastAt               Millis
}

// Batch is the unit of work: consecutive records of one partition, and everything that a
// stage made of them. One goroutine owns a batch at a time. The runtime fills the upper
// part; stages append to the lower part and never keep a reference into either.
type Batch struct {
	Topic     string // input topic without prefix, such as "raw.zeek"
	Partition int32
	Tenant    string   // tenant of records that name none; never empty
	In        []Record // in offset order; empty for a tick
	Now       Millis   // the runtime's clock when the batch was built; only respond may read it
	Returns   []Return // results of calls that earlier batches asked for; respond only
	Context   Context  // one revision for all batches of a transaction; nil: nothing is known

	Events  []Event   // ingest: one per record of In that could be normalised
	Signals []Signal  // ingest: what matched
	Out     []Message // records to produce
	Rejects []Reject
	Calls   []Call // to be made after the batch is committed (I3); respond only
	Counts  Counts

	Arena Arena // owns the bytes of everything above
}

// Reset empties the batch and keeps its memory. Under the invariants build tag the arena
// is overwritten first, so that a view kept by mistake is seen at once.
func (b *Batch) Reset() {
	clear(b.In)
	clear(b.Returns)
	clear(b.Events)
	clear(b.Signals)
	clear(b.Out)
	clear(b.Rejects)
	clear(b.Calls)
	*b = Batch{
		Tenant: b.Tenant,
		In:     b.In[:0], Returns: b.Returns[:0], Events: b.Events[:0], Signals: b.Signals[:0],
		Out: b.Out[:0], Rejects: b.Rejects[:0], Calls: b.Calls[:0], Arena: b.Arena,
	}
	b.Arena.Reset()
}

// Reject records that record i of the batch cannot be processed.
func (b *Batch) Reject(i int, stage, reason, detail string) {
	b.Rejects = append(b.Rejects, Reject{Record: i, Stage: stage, Reason: reason, Detail: detail})
}

// Emit appends a message to be produced.
func (b *Batch) Emit(m Message) { b.Out = append(b.Out, m) }

// From returns where record i of the batch came from.
func (b *Batch) From(i int) Offset {
	return Offset{Topic: b.Topic, Partition: b.Partition, Offset: b.In[i].Offset}
}
