// Package pipeline is the contract of riposte: the values that flow between stages, the
// small interfaces that stages, sources and sinks implement, and the classes of faults.
// It imports the standard library alone, and everything else imports it.
//
// Data flows one way:
//
//	raw.<source> -> ingest -> events, signals, rejects
//	signals      -> correlate -> facts
//	facts        -> decide -> decisions, intents
//	intents      -> respond -> outcomes, facts
//	all of them  -> record -> ClickHouse
//
// The unit of work is a [Batch]: the records of one partition, and what a stage made of
// them. A batch has one owner at a time; computing, producing and committing it is one
// Kafka transaction. Strings and byte slices inside a batch are views into its [Arena] or
// into the records' bytes and read right only until the batch is reset: clone to keep.
//
// Identity is derived, never random (see [HashID]): the same input gives the same ids in
// every run, for any number of lanes, batch size and crash point. Record values contain
// no clock of ours: a transition's time is the broker's append time of the record that
// carries it. Where a later table needs such a time it travels in the header
// [HeaderTimes], never in the value, so that a replay is byte-equal.
package pipeline
