package pipeline

// Topics of the pipeline, without the configured prefix. What lies on them is an
// interface: JSON values with a schema in schemas/json, read with read_committed.
const (
	TopicRawPrefix = "raw."      // raw.<source>: bytes as the vendor wrote them
	TopicEvents    = "events"    // key: tenant, primary entity
	TopicSignals   = "signals"   // key: tenant, values of the group
	TopicFacts     = "facts"     // key: tenant, incident group
	TopicDecisions = "decisions" // key: tenant, incident group
	TopicIntents   = "intents"   // key: tenant, canonical target
	TopicOutcomes  = "outcomes"  // key: tenant, canonical target
	TopicRejects   = "rejects"   // key: topic and partition of the input; value: its bytes

	// TopicSinkPrefix and the name of a connector make the topic on which that keeps its
	// effects, see Sharing. It is the connector's own and no interface.
	TopicSinkPrefix = "sink."
)

// Names of the headers that our records carry.
const (
	HeaderSchema = "schema" // kind and version of the value, such as "event/1"
	HeaderTenant = "tenant" // who owns the data
	HeaderID     = "id"     // id of the value, 36 characters
	HeaderTimes  = "times"  // append times of earlier records, see Times
)

// Headers of a record on TopicRejects: where it came from and why it is here. The key and
// the value are those of the rejected record, byte for byte.
const (
	HeaderRejectTopic     = "reject-topic"
	HeaderRejectPartition = "reject-partition"
	HeaderRejectOffset    = "reject-offset"
	HeaderRejectTime      = "reject-time" // broker append time, milliseconds
	HeaderRejectStage     = "reject-stage"
	HeaderRejectReason    = "reject-reason"
	HeaderRejectDetail    = "reject-detail"
)

// Headers that a producer may set on a record of a raw topic.
const (
	// HeaderDemo marks sample traffic; everything derived from it carries FlagDemo.
	HeaderDemo = "riposte-demo"
	// HeaderReplay says which times a record of a replay gets, see ReplayClock.
	HeaderReplay = "riposte-replay"
)

// AppendKey appends a record key made of parts, joined by U+001F, which canonical values
// cannot contain. Records with equal keys go to the same partition in order.
func AppendKey(dst []byte, parts ...string) []byte {
	for i, p := range parts {
		if i > 0 {
			dst = append(dst, 0x1f)
		}
		dst = append(dst, p...)
	}
	return dst
}
