package pipeline

import (
	"context"
	"encoding/json"
	"time"
)

// Idempotency says what a connector's action can promise, and so what may be done after a
// crash or a timeout (reference: response.md 2.1).
type Idempotency string

// The idempotency classes.
const (
	IdemState      Idempotency = "state"       // readable state; apply is a set
	IdemExternalID Idempotency = "external_id" // the vendor dedupes by an id that we choose
	IdemLookup     Idempotency = "look_up"     // search for our mark before creating
	IdemVersion    Idempotency = "version"     // whole-object replace under a version lock
	IdemAsync      Idempotency = "async"       // returns an operation to poll
	IdemNone       Idempotency = "none"        // at most once; a doubt ends in unknown
)

// ActionSpec is what a connector declares about one of its actions.
type ActionSpec struct {
	Name        string // "ip.block"
	Effect      Effect
	Idempotency Idempotency
	Targets     []EntityKind // kinds of entities that it accepts
	Undo        bool         // false: there is no way back, approval is forced
	Params      map[string]ParamSpec
	// Volatile is true when the connector keeps the effect itself instead of having a vendor
	// do so (a served block list): after every start of a partition its leases in place are
	// applied to it again, so that what it kept may be lost.
	Volatile bool
	Timeout  time.Duration // of one call; default 30 s
}

// ParamSpec is what a parameter may be. Free text is not among it.
type ParamSpec struct {
	Type string   // bool, number, enum, duration
	Enum []string // of an enum
}

// Action is one call to a connector: what, on whom, for how long.
type Action struct {
	Intent    ID // idempotency key for the vendor
	Attempt   uint16
	Cycle     uint16 // of the intent's life: grows when its effect is wanted anew or for longer; with Intent the key of one effect
	Tenant    string
	Incident  ID
	Name      string
	Target    EntityValue
	Params    map[string]json.RawMessage
	Text      map[string]string
	Priority  uint8
	Expires   Millis // end of the lease, 0 = open; set natively where the vendor can
	VendorRef string // what Apply returned, for Check and Undo
	Demo      bool   // of sample traffic
}

// State is what a connector sees.
type State struct {
	State     string // StateInPlace, StateAbsent, StatePending or StateUnknown
	VendorRef string
	Result    json.RawMessage // of read actions
}

// Responder is a connector. Its methods are called by many goroutines at once, never two
// at once for the same target. Errors carry a Fault: Reject (this will never work), Retry
// (later), Unknown (it may have happened); unmarked means Stop and is counted as Unknown.
type Responder interface {
	// Actions returns what the connector can do. The result is constant.
	Actions() []ActionSpec
	// Check reads what is in place now and changes nothing.
	Check(ctx context.Context, a Action) (State, error)
	// Apply brings the effect about. Applying what is in place already is no error.
	Apply(ctx context.Context, a Action) (State, error)
	// Undo takes the effect back. Undoing what is absent is no error.
	Undo(ctx context.Context, a Action) (State, error)
}

// Sharing is a Responder that keeps its effects itself, on a compacted topic of its own that
// every worker follows ([TopicSinkPrefix]). So all workers know all effects, whoever brought
// them about, and a worker that goes takes nothing with it. It is optional, found by
// assertion; a connector that nobody calls Share on keeps its effects for this process alone.
// One goroutine calls Learn and Learned, while others call the methods of Responder.
type Sharing interface {
	Responder
	// Share is called at most once, before any call. From then on the connector changes what
	// it keeps with put alone.
	Share(put Put)
	// Learn takes the next record of the topic; of a key, the last one counts, and one without
	// a value takes the key away. It may keep what it is given. An error means that the record
	// is none of the connector's; it is logged, and the next one follows.
	Learn(r *Record) error
	// Learned tells that Learn was given everything that had been written when the worker
	// started. It is called once.
	Learned()
}

// Put makes value the one of key for all workers; a nil value takes the key away. It returns
// when that is durable and this worker's Learn was given it, or something later of the topic.
// An error means that it may have happened. It is safe for concurrent use, and keeps neither
// key nor value.
type Put func(ctx context.Context, key, value []byte) error

// Op is an operation of a Responder.
type Op uint8

// The operations.
const (
	OpCheck Op = iota + 1
	OpApply
	OpUndo
	// OpRestore applies a lease that is in place to a Volatile connector after a start.
	OpRestore
	// OpRestored tells a Volatile connector that every lease of the partition was restored.
	OpRestored
)

// Call is an operation that the respond stage wants made after its batch is committed.
type Call struct {
	Connector string
	Op        Op
	Action    Action
	NotBefore Millis // 0 = at once
	Seq       uint64 // the stage's own number, comes back in Return
}

// Return is what became of a Call.
type Return struct {
	Call    Call
	State   State
	Err     error
	Started Millis
	Done    Millis
}
