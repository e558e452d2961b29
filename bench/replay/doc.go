// Package replay proves determinism (I6): it runs the same log through the same stage with
// different numbers of lanes, batch sizes and crashes between, each time on a fresh broker
// in memory, and compares what lies committed byte by byte.
//
// A stage is a function of its input log. The topic between two stages has several
// producers: in which order signals of different raw partitions reach a partition of
// `signals`, or alerts, outcomes and timers one of `facts`, is a matter of which producer was
// faster, and no function of the raw log. That order is part of what a stage is given: it
// decides which revisions of an alert are told on the way to the last one, and what an
// incident knew when it was decided about. So each stage is run by itself:
//
//   - ingest over the raw log. Events, signals and rejects must be the same;
//   - correlate over those signals, brought into an order that is a function of the signals
//     alone. Alerts, and the signals that correlations make, must be the same;
//   - decide over those alerts, brought into such an order. Decisions and intents must be
//     the same;
//   - and, where they are given, correlate and decide over the signals and facts as they lie
//     recorded, with outcomes, timers, the words of people and what partitions told each
//     other between them.
//
// Records are compared as sets for each topic: a record says itself which revision of what
// it is, and key by key the order follows from the partition's.
//
// Time is the log's own. The records keep the append times that they had; everything the
// stages write is appended at the log's end, and that is also what the runtime's clock
// shows until the input is drained. Then the clock moves on, so that what waits for a
// deadline fires. The respond stage takes no part: its effects are in the world, and what
// it reported lies among the recorded facts.
package replay
