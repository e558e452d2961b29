// Package run is the runtime of the pipeline: it moves records through stages with Kafka
// transactions, keeps the stages' state, makes the calls that the respond stage asks for,
// and feeds row stores. Clocks, goroutines, retries and recover live here and not in
// stages.
//
// # Lanes
//
// A [Lane] runs one stage over the partitions that its consumer group gives it. Any number
// of lanes, in any number of processes, share a stage's input:
//
//	cfg := run.DefaultLane(kafka, "ingest", "raw.zeek", "raw.suricata")
//	cfg.Worker = "host-1"
//	cfg.New = func(topic string, partition int32) (pipeline.Stage, error) { return ingest.New(topic) }
//	lane, err := run.NewLane(cfg)
//	err = lane.Run(ctx) // until ctx is done, then at most cfg.DrainTimeout longer
//
// One Kafka transaction holds the outputs of some records, one frame with the change of
// state per partition, and the input offsets: all of it becomes visible, or nothing. The
// state of stage S for input topic T lies on the topic state.S.T, partition by partition
// (see [StateTopic]); the lane creates it. It is restored before a partition's first record
// is read, and only if it belongs exactly to the committed offset; otherwise the partition
// is refused (see [Lane.Refused]) and its records wait.
//
// Whatever is doubtful ends the lane's session with Kafka. The next session starts from
// what is committed, so a doubt costs time and never a record.
//
// # Effects
//
// With [LaneConfig.Responders] set, the calls of a committed batch are made by workers, not
// two at once for a target, not before their time; what became of them comes back as
// Returns of a later batch of the same partition, which the lane is woken for. A worker that
// was frozen for longer than its session may find calls in its queue that are another
// worker's by now: it makes none before the group has confirmed its membership.
//
// # Recorders
//
// A [Recorder] copies committed records into a row store: it plans a block, stores the plan
// with the committed offset, inserts the block, and after a crash inserts exactly the same
// block again under the same name.
//
// # Around it
//
// [Kafka] says how to reach the cluster, [EnsureTopics] creates topics, [Feed] produces
// records into raw topics, [Drained] waits until groups are at the end of their input.
// Package broker holds a Kafka broker inside the process.
package run
