package pipeline

// The context topics: what an organisation knows about its entities, and what others know
// about those of attackers. They are compacted and have one partition each. The key of a
// record is (tenant, source, kind, canonical value[, further value]); a record without a
// value takes the entry back. The key (tenant, source) holds the ContextLoad that ends each
// load: readers see the entries of a load all at once, when they have read it.
const (
	TopicAssets          = "context.assets"
	TopicIdentities      = "context.identities"
	TopicVulnerabilities = "context.vulnerabilities"
	TopicIndicators      = "context.indicators"
)

// ContextTopics returns the context topics in a fixed order.
func ContextTopics() []string {
	return []string{TopicAssets, TopicIdentities, TopicVulnerabilities, TopicIndicators}
}

// Values of HeaderSchema of records on the context topics (schemas/json).
const (
	SchemaAsset     = "asset/1"
	SchemaIdentity  = "identity/1"
	SchemaFinding   = "vulnerability/1"
	SchemaExploited = "exploited/1"
	SchemaIndicator = "indicator/1"
	SchemaLoad      = "context-load/1"
)

// ContextRef names one revision of the context and says how old it is. The zero value is no
// context at all.
type ContextRef struct {
	// Revision is a hash of everything that is known: equal contents have equal revisions.
	Revision string
	// AsOf is when the load that is oldest among the newest ones of each source was as the
	// source has it; zero without any source.
	AsOf Millis
	// Topics are the same for each of ContextTopics.
	Topics [4]ContextTopicRef
}

// ContextTopicRef says what is known on one of the context topics.
type ContextTopicRef struct {
	Topic   string
	Entries int
	AsOf    Millis // of the source that was loaded longest ago; zero without a source
}

// Age is how much older than now what was known at asOf is, in seconds; 0 for what is newer
// and for what is unknown. now is a time of the data, never a clock.
func Age(now, asOf Millis) int64 {
	if asOf == 0 || now <= asOf {
		return 0
	}
	return int64(now-asOf) / 1000
}

// Context is one revision of what is known. It never changes and is safe for concurrent
// use. What it answers depends on the revision and the arguments alone.
type Context interface {
	// Ref names the revision.
	Ref() ContextRef
	// Look fills k with what is known of an entity, which must be in canonical form, at a time
	// of the data: what k held before is gone, its memory is used again. It allocates nothing
	// once k has room. What k points to belongs to the context and must not be changed.
	Look(k *Known, tenant string, kind EntityKind, value string, at Millis)
}

// Known is what a Context knows of one entity. Nil members are not known.
type Known struct {
	Asset      *Asset
	Identity   *Identity
	Exposure   *Exposure
	Indicators []*Indicator // valid at the time asked for, the surest first
}

// IsZero reports whether nothing is known.
func (k *Known) IsZero() bool {
	return k.Asset == nil && k.Identity == nil && k.Exposure == nil && len(k.Indicators) == 0
}

// The criticalities of an asset, the highest first.
const (
	CriticalityCrown  = "crown" // the organisation cannot do without it for a day
	CriticalityHigh   = "high"
	CriticalityMedium = "medium"
	CriticalityLow    = "low"
)

// KindNetwork is the kind of entries that are about all addresses of a prefix; the other
// kinds are those of entities.
const KindNetwork = "network"

// Asset is a device, or all devices of a network (schemas/json/asset.v1.json).
type Asset struct {
	Tenant      string   `json:"tenant"`
	Source      string   `json:"source"`
	Kind        string   `json:"kind"` // host, ip, network
	Value       string   `json:"value"`
	Hosts       []string `json:"hosts,omitempty"` // further names
	IPs         []string `json:"ips,omitempty"`   // its addresses
	Criticality string   `json:"criticality,omitempty"`
	Class       string   `json:"class,omitempty"` // domain_controller, server, workstation, ...: the organisation's own words
	Owner       string   `json:"owner,omitempty"`
	Exposure    string   `json:"exposure,omitempty"` // internet, partner, internal
}

// Identity is an account, of a person or of a program (schemas/json/identity.v1.json).
type Identity struct {
	Tenant     string   `json:"tenant"`
	Source     string   `json:"source"`
	Kind       string   `json:"kind"` // user, mail, key, account
	Value      string   `json:"value"`
	Aliases    []string `json:"aliases,omitempty"` // "<kind>:<value>" of the same identity
	Name       string   `json:"name,omitempty"`
	Owner      string   `json:"owner,omitempty"` // who answers for it
	Privileged bool     `json:"privileged,omitempty"`
	VIP        bool     `json:"vip,omitempty"`
	Service    bool     `json:"service,omitempty"`
}

// Finding is a vulnerability that a scanner found open on an asset
// (schemas/json/vulnerability.v1.json).
type Finding struct {
	Tenant   string  `json:"tenant"`
	Source   string  `json:"source"`
	Kind     string  `json:"kind"` // host, ip
	Value    string  `json:"value"`
	ID       string  `json:"id"`                 // CVE-..., GHSA-..., nessus-<plugin>
	Severity uint8   `json:"severity_id"`        // OCSF severity_id
	Score    float64 `json:"score,omitempty"`    // CVSS base score, 0 to 10
	Package  string  `json:"package,omitempty"`  // what has it, with its version
	Fixed    string  `json:"fixed_in,omitempty"` // version without it
	Title    string  `json:"title,omitempty"`
}

// Exploited is a vulnerability that is known to be exploited (schemas/json/exploited.v1.json).
type Exploited struct {
	Tenant     string `json:"tenant"`
	Source     string `json:"source"`
	ID         string `json:"id"`
	Name       string `json:"name,omitempty"`
	Added      Millis `json:"added,omitempty"`
	Ransomware bool   `json:"ransomware,omitempty"`
}

// Exposure sums up the open findings of one asset.
type Exposure struct {
	Open      int      `json:"open"`      // findings
	Critical  int      `json:"critical"`  // of severity critical
	Exploited int      `json:"exploited"` // known to be exploited
	IDs       []string `json:"ids"`       // the first 16, exploited ones first, then by severity
}

// Indicator is something that others have seen attackers use
// (schemas/json/indicator.v1.json).
type Indicator struct {
	Tenant     string   `json:"tenant"`
	Source     string   `json:"source"`
	Kind       string   `json:"kind"` // ip, network, domain, url, hash, mail
	Value      string   `json:"value"`
	Confidence uint8    `json:"confidence"` // 0 to 100
	Title      string   `json:"title,omitempty"`
	Labels     []string `json:"labels,omitempty"`
	Ref        string   `json:"ref,omitempty"` // the source's own id of it
	ValidFrom  Millis   `json:"valid_from,omitempty"`
	ValidUntil Millis   `json:"valid_until,omitempty"` // 0: for as long as the load's TTL says
}

// ContextLoad ends a load of one source (schemas/json/context-load.v1.json).
type ContextLoad struct {
	Tenant  string `json:"tenant"`
	Source  string `json:"source"`
	Format  string `json:"format"`
	AsOf    Millis `json:"as_of"`           // when things were as the source says
	TTL     int64  `json:"ttl_s,omitempty"` // seconds after AsOf until which its indicators hold; 0: for ever
	Entries int    `json:"entries"`         // of the source after the load
	Added   int    `json:"added"`
	Changed int    `json:"changed"`
	Removed int    `json:"removed"`
}
