package pipeline

import "slices"

// Class is an OCSF class_uid.
type Class uint32

// The classes that the shipped sources normalise into (OCSF 1.8).
const (
	ClassBase             Class = 0
	ClassFileActivity     Class = 1001
	ClassKernelExtension  Class = 1002
	ClassModuleActivity   Class = 1005
	ClassScheduledJob     Class = 1006
	ClassProcessActivity  Class = 1007
	ClassEventLogActivity Class = 1008
	ClassScriptActivity   Class = 1009
	ClassDetectionFinding Class = 2004
	ClassIncidentFinding  Class = 2005
	ClassAccountChange    Class = 3001
	ClassAuthentication   Class = 3002
	ClassAuthorizeSession Class = 3003
	ClassUserAccess       Class = 3005
	ClassGroupManagement  Class = 3006
	ClassNetworkActivity  Class = 4001
	ClassHTTPActivity     Class = 4002
	ClassDNSActivity      Class = 4003
	ClassDHCPActivity     Class = 4004
	ClassRDPActivity      Class = 4005
	ClassSMBActivity      Class = 4006
	ClassSSHActivity      Class = 4007
	ClassFTPActivity      Class = 4008
	ClassEmailActivity    Class = 4009
	ClassAPIActivity      Class = 6003
	ClassRegistryKey      Class = 201001
	ClassRegistryValue    Class = 201002
)

// Kind is the type of a Value.
type Kind uint8

// The kinds of values. The zero Kind is no value.
const (
	KindNone   Kind = iota
	KindString      // Str
	KindInt         // Int
	KindFloat       // Float
	KindBool        // Int is 0 or 1
	KindList        // Str is a JSON array of strings, as bytes that are already valid
)

// Value is a scalar, or a list of strings. Str is a view into the batch's memory.
type Value struct {
	Kind  Kind
	Int   int64
	Float float64
	Str   string
}

// Attr is one normalised attribute of an event.
type Attr struct {
	Field Field
	Value Value
}

// Fate is what became of an input record. A record has exactly one (I1).
type Fate uint8

// The fates. The zero fate is invalid.
const (
	FateNone Fate = iota
	FateLive
	FateDuplicate
	FateRejected
)

// Flags mark an event, and what is derived from it, as remarkable. On topics they are the
// names of Names, in that order.
type Flags uint16

// The flags.
const (
	FlagDemo              Flags = 1 << iota // sample traffic of riposte itself
	FlagLate                                // arrived behind the watermark
	FlagClockSkew                           // the source's clock was outside the band of Clamp
	FlagTruncated                           // a value was cut to the size limit
	FlagInvalidUTF8                         // invalid UTF-8 was replaced
	FlagDuplicateKeys                       // a JSON object had a key twice; the last one won
	FlagSuspiciousUnicode                   // bidi, zero-width or control characters in an entity
	flagEnd
)

var flagNames = [...]string{"demo", "late", "clock_skew", "truncated", "invalid_utf8", "duplicate_keys", "suspicious_unicode"}

// Has reports whether all of g are set.
func (f Flags) Has(g Flags) bool { return f&g == g }

// AppendNames appends the names of the flags that are set, in a fixed order.
func (f Flags) AppendNames(dst []string) []string {
	for i, n := range flagNames {
		if f&(1<<i) != 0 {
			dst = append(dst, n)
		}
	}
	return dst
}

// FlagOf returns the flag with that name, zero if there is none.
func FlagOf(name string) Flags {
	if i := slices.Index(flagNames[:], name); i >= 0 {
		return 1 << i
	}
	return 0
}

// EntityKind says what an entity is. Only entities can be targets of a response.
type EntityKind uint8

// The kinds of entities. Zero is none.
const (
	EntityNone    EntityKind = iota
	EntityHost               // device: host name, lower case
	EntityUser               // account name, lower case, without domain
	EntityIP                 // netip text form; IPv4-mapped as IPv4
	EntityDomain             // DNS name, lower case A-labels, no final dot
	EntityHash               // lower-case hexadecimal digest of a file
	EntityURL                // as seen
	EntityMail               // mail address, lower case
	EntityKey                // cloud access key id
	EntityAccount            // cloud account id
)

var entityNames = [...]string{"", "host", "user", "ip", "domain", "hash", "url", "mail", "key", "account"}

// String returns the name that stands on topics: host, user, ip, domain, hash, url, mail,
// key, account.
func (k EntityKind) String() string {
	if int(k) >= len(entityNames) {
		return "?"
	}
	return entityNames[k]
}

// EntityKindOf returns the kind with that name, EntityNone if there is none.
func EntityKindOf(name string) EntityKind {
	if i := slices.Index(entityNames[:], name); i > 0 {
		return EntityKind(i)
	}
	return EntityNone
}

// Entity is something that an event is about, in canonical form: comparable byte by byte
// and fit to be the target of a response. Its reference in policies is "e:<n>", n being
// its position from 1.
type Entity struct {
	Kind  EntityKind
	Value string
	// Role says where it stood: "device", "src", "dst", "actor", "user", "file", ...
	Role string
	// Content is true when an attacker may have chosen the value (a name in a request, a
	// subject, a user name tried), false when a sensor measured it.
	Content bool
}

// Event is one normalised record. Strings and slices are views into the batch's arena or
// into the record's bytes.
type Event struct {
	ID ID
	// Exact is true when ID comes from the vendor's own id of the event, false when it comes
	// from where the record lies. Print is a hash of the vendor's object without what differs
	// between two deliveries; zero where the source has no usable one. Both serve dedupe alone
	// and do not travel.
	Exact bool
	Print ID

	Record    int   // index into Batch.In
	Partition int32 // of raw.<source>, with Offset where the record lies
	Offset    int64

	Tenant   string // never empty
	Source   string // <source> of raw.<source>
	Class    Class
	Activity uint8 // OCSF activity_id
	Severity uint8 // OCSF severity_id that the source gave, 0 unknown to 6 fatal
	Flags    Flags
	Fate     Fate
	First    ID       // of a duplicate: the first event
	At       Millis   // event time, clamped
	Ingested Millis   // broker append time on raw.<source>
	Attrs    []Attr   // sorted by Field, unique
	Entities []Entity // canonical, unique by kind and value, most specific first
	Unmapped []byte   // the vendor's JSON object, unchanged and validated
}

// Get returns the attribute f, the zero Value if the event has none.
func (e *Event) Get(f Field) Value {
	lo, hi := 0, len(e.Attrs)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if e.Attrs[mid].Field < f {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(e.Attrs) && e.Attrs[lo].Field == f {
		return e.Attrs[lo].Value
	}
	return Value{}
}
