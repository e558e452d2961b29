package pipeline

import "encoding/json"

// TopicLedger carries the accounts of the stages: one record per transaction and input
// partition, in the same transaction as the outputs, so that nothing can be counted that
// was not committed, nor the reverse. Key: stage, input topic, partition.
const TopicLedger = "ledger"

// Account is the value of a record on TopicLedger (schemas/json/account.v1.json): what a
// stage read from one partition in one transaction and what became of it. For the stage
// that reads raw topics Records = Live + Duplicate + Rejected (I1). Accounts of one
// partition neither overlap nor leave a gap, but for offsets that Kafka itself uses or
// removed: To of one is at most From of the next.
type Account struct {
	Tenant    string `json:"tenant"`
	Stage     string `json:"stage"` // ingest, correlate, decide, respond
	Topic     string `json:"topic"` // input topic without prefix
	Partition int32  `json:"partition"`
	From      int64  `json:"from_offset"` // first offset read
	To        int64  `json:"to_offset"`   // one past the last offset read
	Records   int    `json:"records"`
	Bytes     int    `json:"bytes"`
	Live      int    `json:"live"`
	Duplicate int    `json:"duplicate"`
	Rejected  int    `json:"rejected"`
	Late      int    `json:"late"`
	Skewed    int    `json:"skewed"`
	FirstAt   Millis `json:"first_time"`  // lowest event time of the live ones, 0 = none
	LastAt    Millis `json:"last_time"`   // highest event time of the live ones, 0 = none
	OldestAt  Millis `json:"oldest_time"` // append time of the oldest record read, for the lag
	// Context is the revision of the context that the stage looked things up in, empty if it
	// looks up nothing.
	Context string `json:"context,omitempty"`
}

// AppendJSON appends the JSON form.
func (a *Account) AppendJSON(dst []byte) []byte {
	out, err := json.Marshal(a)
	if err != nil {
		panic("BUG: an account is only numbers and names: " + err.Error())
	}
	return append(dst, out...)
}
