package pipeline

// The kinds of facts.
const (
	FactAlert       = "alert"       // Fact.Alert is set
	FactOutcome     = "outcome"     // Fact.Outcome is set
	FactApproval    = "approval"    // Fact.Approval is set
	FactDisposition = "disposition" // Fact.Disposition is set; closes the incident
	FactAck         = "ack"         // a person took notice
	FactComment     = "comment"     // Fact.Summary is the comment
	FactTimer       = "timer"       // a time that a decision asked for was reached
	FactOverride    = "override"    // Fact.Override is set
)

// Fact is anything that an incident can learn. Its JSON form (schemas/json/fact.v1.json)
// lies on TopicFacts under the key (tenant, group). A fact does not know its incident: the
// decide stage folds it into the open incident of its group, or opens one. The header
// HeaderTimes of an alert fact names "normalised", the append time of the triggering signal.
type Fact struct {
	ID      ID     `json:"fact_id"` // folding the same id twice changes nothing
	Tenant  string `json:"tenant"`
	Group   string `json:"group"` // "<kind>:<value>" of the entity that incidents group by
	Kind    string `json:"kind"`
	Ref     ID     `json:"ref"`     // alert, intent, ... by kind
	Time    Millis `json:"time"`    // event time of what it tells; drives input.now of policies
	Actor   string `json:"actor"`   // user:<name>, engine, connector:<name>
	Summary string `json:"summary"` // one line for the timeline

	Alert       *Alert    `json:"alert,omitempty"`
	Outcome     *Outcome  `json:"outcome,omitempty"`
	Approval    *Approval `json:"approval,omitempty"`
	Disposition string    `json:"disposition,omitempty"` // true_positive, benign, false_positive, duplicate, test
	Override    *Override `json:"override,omitempty"`
}

// Approval is a person's word on an intent. It binds to the intent's digest: if anything
// about the intent changed since the person saw it, it does not count.
type Approval struct {
	Intent  ID     `json:"intent_id"`
	Digest  string `json:"digest"` // Intent.Digest that the person saw
	Subject string `json:"subject"`
	Role    string `json:"role"`
	Granted bool   `json:"granted"` // false: denied
	Reason  string `json:"reason,omitempty"`
}

// Override is a person's act on a lease: release it, extend it, or never do it again.
type Override struct {
	Intent ID     `json:"intent_id"`
	Verb   string `json:"verb"` // release, extend, never
	For    string `json:"for,omitempty"`
}

// The kinds of alerts.
const (
	AlertSingle    = "single"
	AlertThreshold = "threshold"
	AlertDistinct  = "distinct"
	AlertSequence  = "sequence"
	AlertAbsence   = "absence"
	AlertFirstSeen = "first_seen"
	AlertRisk      = "risk"
	AlertAggregate = "aggregate"
)

// Alert is what correlation makes of signals. An episode opens with revision 1; later
// signals raise the revision and never open a second alert.
type Alert struct {
	ID         ID            `json:"alert_id"` // hash(tenant, rule, group key, first signal of the episode)
	Tenant     string        `json:"tenant"`
	Rule       string        `json:"rule"` // detection or correlation id
	Kind       string        `json:"kind"`
	Revision   uint64        `json:"revision"`
	Severity   uint8         `json:"severity_id"`
	Title      string        `json:"title"`
	Tactics    []string      `json:"tactics,omitempty"`
	Techniques []string      `json:"techniques,omitempty"`
	Sources    []string      `json:"sources"`
	Group      []string      `json:"group"`    // values of the group-by fields
	Entities   []EntityValue `json:"entities"` // union over the evidence, e:1 first
	Signals    uint32        `json:"signals"`  // folded so far
	Evidence   []ID          `json:"evidence"` // signal ids, the first 64
	Trigger    ID            `json:"trigger"`  // signal that completed the condition
	Event      ID            `json:"event_id"` // event of the trigger
	Risk       float64       `json:"risk,omitempty"`
	Fate       string        `json:"fate"` // incident, waiting, silenced, inhibited, folded, budget, withdrawn
	Flags      []string      `json:"flags,omitempty"`
	Occurred   Millis        `json:"occurred"`    // event time of the first evidence
	Triggered  Millis        `json:"triggered"`   // event time of the trigger
	Ingested   Millis        `json:"logged_time"` // append time of the trigger on raw.<source>
}

// AlertID is the identity of the episode that first, the first signal, opened.
func AlertID(tenant, rule, groupKey string, first ID) ID {
	return HashID("alert", tenant, rule, groupKey, first.View())
}

// Times are broker append times of the records that carried an incident's transitions, in
// milliseconds; zero is "not yet". They travel in HeaderTimes as a JSON object, never in a
// value, because they differ from run to run.
type Times struct {
	Normalised   Millis `json:"normalised,omitempty"`   // triggering signal on TopicSignals
	Detected     Millis `json:"detected,omitempty"`     // first alert on TopicFacts
	Decided      Millis `json:"decided,omitempty"`      // first decision on TopicDecisions, once a fact told it
	Acknowledged Millis `json:"acknowledged,omitempty"` // first fact of a person
	Approved     Millis `json:"approved,omitempty"`     // last approval that the first containing step needed
	Verified     Millis `json:"verified,omitempty"`     // every containing step then wanted is verified
	Closed       Millis `json:"closed,omitempty"`       // last close, zero while open
	FirstClosed  Millis `json:"first_closed,omitempty"` // first close, kept over reopening
}
