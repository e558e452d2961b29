package pipeline

// The states of an incident.
const (
	IncidentOpen      = "open"
	IncidentContained = "contained"
	IncidentClosed    = "closed"
	IncidentMerged    = "merged"
)

// Incident is alerts on the same entity that are handled together, after folding all facts
// so far: one whole revision per fold, on TopicDecisions together with the Decision that
// answers the fact (schemas/json/decision.v1.json). The times it needs travel in HeaderTimes.
type Incident struct {
	ID          ID            `json:"incident_id"` // hash(tenant, group, first alert)
	Tenant      string        `json:"tenant"`
	Group       string        `json:"group"`
	Revision    uint64        `json:"revision"` // number of facts folded
	Status      string        `json:"status"`
	Priority    uint8         `json:"priority"` // 1 critical to 5 informational
	Title       string        `json:"title"`
	Rules       []string      `json:"rules"` // of its alerts, first alert first
	Tactics     []string      `json:"tactics,omitempty"`
	Techniques  []string      `json:"techniques,omitempty"`
	Sources     []string      `json:"sources"`
	Entities    []EntityValue `json:"entities"`
	Alerts      []ID          `json:"alerts"` // the first 64
	AlertCount  uint32        `json:"alert_count"`
	Owner       string        `json:"owner,omitempty"`
	Mode        string        `json:"mode,omitempty"` // how it was contained: auto, approved, manual
	Disposition string        `json:"disposition,omitempty"`
	WantsAction bool          `json:"wants_action"`
	WantsHuman  bool          `json:"wants_human"`
	Flags       []string      `json:"flags,omitempty"`
	Reopened    uint16        `json:"reopened,omitempty"`
	MergedInto  ID            `json:"merged_into"`
	Occurred    Millis        `json:"occurred"`
	Triggered   Millis        `json:"triggered"`
	Ingested    Millis        `json:"logged_time"`

	ActionStarted Millis `json:"action_started,omitempty"` // responder's clock
	ActionDone    Millis `json:"action_done,omitempty"`    // responder's clock
}

// IncidentID is the identity of the incident that alert opened in group.
func IncidentID(tenant, group string, alert ID) ID {
	return HashID("incident", tenant, group, alert.View())
}

// Revision is the value of a record on TopicDecisions: the incident after a fact, and the
// decision that answers it.
type Revision struct {
	Incident Incident `json:"incident"`
	Decision Decision `json:"decision"`
	Fact     FactRef  `json:"fact"`
}

// FactRef names the fact that a revision answers. Where that fact lies is not part of it:
// offsets count the markers of transactions and differ from run to run.
type FactRef struct {
	ID   ID     `json:"fact_id"`
	Kind string `json:"kind"`
	Ref  ID     `json:"ref"`
}
