package oracle

// Position names a record of a topic.
type Position struct {
	Topic     string // without prefix
	Partition int32
	Offset    int64
}

// Observed is what became of a run: everything that lies committed on the topics, in
// ClickHouse and at the fake vendor. Records are in the order of their partition's offsets.
type Observed struct {
	Raw      []Raw
	Events   []Event
	Rejects  []Reject
	Signals  []Signal
	Alerts   []Alert
	Intents  []Intent
	Accounts []Account

	Committed []Position // every record of the topics that ClickHouse stores
	Rows      []Position // every row of the tables that store them; empty when not read
	RowsRead  bool       // false: no ClickHouse took part, nothing is said about rows
	Effects   []Effect
}

// Raw is an input record where it lies.
type Raw struct {
	Position
	Seq    uint64
	Digest Digest
}

// Event is a record of the topic events.
type Event struct {
	Position
	ID     string
	Key    string // of the record
	Raw    Position
	Digest Digest // of the vendor's object
	Late   bool
}

// Reject is a record of the topic rejects.
type Reject struct {
	Position
	Raw    Position
	Stage  string
	Reason string
	Digest Digest // of its value
}

// Signal is a record of the topic signals.
type Signal struct {
	Position
	ID, Event, Rule, Step string
}

// Alert is an alert revision on the topic facts.
type Alert struct {
	Position
	ID, Rule string
	Revision uint64
	Fate     string
	Signals  int
	Group    []string
	Evidence []string // ids of signals
	Trigger  string   // id of the signal that completed the condition
	Values   []string // group values and values of entities
}

// Intent is a record of the topic intents.
type Intent struct {
	Position
	ID, Action, Target, Want, Verdict string
	Revision                          uint64
}

// Account is a record of the topic ledger.
type Account struct {
	Position
	Stage                              string
	From                               Position // first offset read
	To                                 int64    // one past the last
	Records, Live, Duplicate, Rejected int
	Late                               int
}

// Effect is one line of the fake vendor's log: a request that it carried out.
type Effect struct {
	Key      string `json:"key"`      // idempotency key
	Verb     string `json:"verb"`     // apply or undo
	Action   string `json:"action"`   // what was done
	Target   string `json:"target"`   // to whom
	Repeated bool   `json:"repeated"` // the key was seen before and nothing was done
}

// Expect says what the policy under test makes of triggers.
type Expect struct {
	Rule string // detection that matches triggers and nothing else; empty: signals and alerts are not judged
	// Action is the effect that each target gets exactly once. Empty: intents and effects
	// are judged only for repetition.
	Action string
	// Correlations are those over the detections of Steps. None: episodes are not judged.
	Correlations []Correlation
}
