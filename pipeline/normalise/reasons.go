package normalise

// The reasons of rejects: a closed set, which labels a metric. Each is final for the record;
// its bytes lie on the rejects topic.
const (
	ReasonEmpty         = "empty"           // no value (a tombstone), or white space alone
	ReasonTooLarge      = "too_large"       // more than MaxRecord bytes, packed or unpacked
	ReasonCompression   = "compression"     // a gzip or zstd value that does not unpack
	ReasonBomb          = "bomb"            // a value that unpacks to more than MaxUnpacked bytes
	ReasonDecode        = "decode"          // the source's own decoder refused it
	ReasonNotObject     = "not_object"      // JSON, but no object
	ReasonSyntax        = "syntax"          // no JSON (RFC 8259), or more than one value
	ReasonTooDeep       = "too_deep"        // nested deeper than MaxDepth
	ReasonTooManyNodes  = "too_many_nodes"  // more than MaxNodes values
	ReasonKeyTooLong    = "key_too_long"    // a member name of more than MaxKey bytes
	ReasonNumber        = "number"          // a number beyond MaxDigits digits or exponent MaxExponent
	ReasonBatch         = "batch"           // many events in one record: split them before they are produced
	ReasonNotThisSource = "not_this_source" // lacks what every event of the source has
	ReasonTenant        = "tenant"          // the tenant header is no name: 1 to 64 of a-z 0-9 . _ -
	ReasonReplay        = "replay"          // the replay header is no clock, see pipeline.ReplayClock
	ReasonUnknownSource = "unknown_source"  // no mapping for the topic
)

// Reasons returns every reason that this package rejects with.
func Reasons() []string {
	return []string{
		ReasonEmpty, ReasonTooLarge, ReasonCompression, ReasonBomb, ReasonDecode, ReasonNotObject, ReasonSyntax, ReasonTooDeep,
		ReasonTooManyNodes, ReasonKeyTooLong, ReasonNumber, ReasonBatch, ReasonNotThisSource, ReasonTenant, ReasonReplay, ReasonUnknownSource,
	}
}

// The limits of a record. They hold before anything is built from it.
const (
	MaxRecord   = 1 << 20  // bytes of a record, packed and unpacked
	MaxUnpacked = 8 << 20  // bytes at which unpacking stops
	MaxDepth    = 32       // nested objects and lists
	MaxNodes    = 10_000   // values of all kinds
	MaxString   = 64 << 10 // bytes of a string as written; longer ones are cut and flagged
	MaxKey      = 256      // bytes of a member name as written
	MaxDigits   = 32       // digits of a number before its exponent
	MaxExponent = 308
)
