package pipeline

import "context"

// Stage turns the input records of a batch into its outputs. One instance serves one
// partition and is called by one goroutine at a time. It has no clock, does no I/O, starts
// no goroutine and keeps no reference into b. Bad input is a Reject on the batch; an error
// always means FaultStop.
type Stage interface {
	Process(ctx context.Context, b *Batch) error
}

// Stateful is a Stage that remembers. The runtime finds it by assertion and keeps its
// state in the state topic of the stage, one frame per transaction, so that state and
// committed offset always agree (I2).
//
// Between two calls of Commit or Rollback the stage may change its state at will and must
// be able to take all of it back.
type Stateful interface {
	Stage
	// Tick lets time pass: now is the broker's append time of the newest record seen, or the
	// runtime's clock when the partition idles. What is due appends its outputs to b, whose In
	// is empty. Due outputs depend on the state and the deadline alone, never on now itself.
	Tick(ctx context.Context, now Millis, b *Batch) error
	// AppendDelta appends what changed since the last Commit, in the stage's own versioned
	// form, and nothing if nothing changed. It changes no state.
	AppendDelta(dst []byte) []byte
	// Commit tells that the transaction with the delta is committed.
	Commit()
	// Rollback takes back everything since the last Commit.
	Rollback()
	// Snapshot calls emit with the whole committed state in pieces of at most about 512 KiB.
	// A piece reads right only during the call.
	Snapshot(emit func(piece []byte) error) error
	// Restore applies a snapshot piece or a delta, in the order in which they were written,
	// to a new instance. An error means the state is unusable: the partition is refused.
	Restore(piece []byte) error
	// StateBytes is the memory that the state takes, for back-pressure and metrics.
	StateBytes() int
}

// Counted is a Stateful that counts things of its own. The runtime finds it by assertion and
// adds what committed transactions counted to a metric.
type Counted interface {
	Stateful
	// Counters calls emit with each counter, always the same names in the same order. They
	// count since the instance was made and never go back.
	Counters(emit func(name string, n uint64))
}

// Unsettled is a Stateful that begins things which come to their end later without further
// input, such as an effect that is tried again after a while.
type Unsettled interface {
	Stateful
	// Unsettled returns how many those are. What only waits for its expiry is not among them.
	Unsettled() int
}

// Warmer is a Stateful that may need its input a second time: of a rule that means something
// else than when the state was written there is no state yet, but the input that made it may
// still be there. The runtime finds it by assertion and asks after each restore, before the
// first record. What it changed is committed before the first record; if that fails the
// instance is not used any more.
type Warmer interface {
	Stateful
	// Cold tells what has no state. now is the runtime's clock; mine reports whether a record
	// of the input with that key lies in the stage's partition.
	Cold(now Millis, mine func(key []byte) bool) Cold
	// Await takes records that Process will get later, before the first call of Warm: what is
	// made anew of the same events must not count twice. Only if Cold.Anew is not empty.
	Await(ctx context.Context, b *Batch) error
	// Warm takes records that were processed before, and those that were made anew, in the
	// order of their time. It gives no outputs and leaves the state as it is.
	Warm(ctx context.Context, b *Batch) error
	// Warmed ends it: the input up to the committed offset was read. What came of it becomes
	// part of the state, or with an error nothing does. What happened after the time that the
	// state had come to is told with the next Tick.
	Warmed(ctx context.Context) error
}

// Cold is what a Warmer needs.
type Cold struct {
	Rules []string // that are warmed
	Since Millis   // append time from which on the input is needed; 0: not at all
	// Anew are rules for which signals must be made anew of what they are made of, because
	// those that lie in the input were made for other rules; AnewSince is from when on.
	Anew      []string
	AnewSince Millis
	Wide      bool // also what is made for other partitions is wanted
}

// Matcher finds the detections that match an event. It is the seam behind which the policy
// engine works. An instance is used by one goroutine at a time.
type Matcher interface {
	// Match appends the indexes, into the rules it was built with, of those that match.
	// event is the event's JSON form as it lies on TopicEvents. An error is that of one rule
	// and is counted; the rules that could be evaluated are in the result (I9).
	Match(ctx context.Context, event []byte, dst []int) ([]int, error)
}

// RowSink stores blocks of records as rows. Insert is idempotent: the same block, told by
// its token, inserted again changes nothing. Errors carry a Fault.
type RowSink interface {
	Insert(ctx context.Context, blk *Block) error
}

// Block is the committed records of one partition in [From, To): what one insert stores.
type Block struct {
	Topic     string // without prefix
	Partition int32
	From, To  int64
	Records   []Record // only committed data records, in offset order; control records are not among them
}

// Format is a source as data: how the bytes of one raw topic become events. Sources
// export one each and sources/all lists them.
type Format struct {
	Name    string // the <source> of raw.<source>
	Mapping []byte // YAML document, compiled by pipeline/normalise
	// Decode, if set, turns a record that is not one JSON object into JSON before the mapping
	// is applied. It appends to dst and returns an error marked Reject for bad input.
	Decode func(dst, record []byte) ([]byte, error)
}
