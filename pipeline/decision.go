package pipeline

import "encoding/json"

// Decision is what the policy wants now, given all facts of the incident: it is total, a
// step that is not in it is not wanted.
type Decision struct {
	ID          ID          `json:"decision_id"` // hash(incident, revision, bundle)
	Mode        string      `json:"mode"`        // live, shadow, replay
	Bundle      string      `json:"bundle"`      // revision of riposte.decide
	Guard       string      `json:"guard"`       // revision of riposte.guard
	Engine      string      `json:"engine"`      // riposte, topdown, fallback (static severity)
	Priority    uint8       `json:"priority"`
	Score       float64     `json:"score,omitempty"`
	Playbook    PlaybookRef `json:"playbook"`
	Reasons     []Reason    `json:"reasons"`
	Steps       []Step      `json:"steps"`
	Added       uint16      `json:"added"`             // steps new against what was wanted before
	Removed     uint16      `json:"removed"`           // steps no longer wanted
	Denied      uint16      `json:"denied"`            // steps that guard or caps refused
	InputDigest string      `json:"input_digest"`      // SHA-256 of the policy input, hexadecimal
	Context     *ContextUse `json:"context,omitempty"` // what was looked up in; nil: nothing was loaded
	Error       string      `json:"error,omitempty"`   // why the fallback was taken
	WakeAt      Millis      `json:"wake_at,omitempty"`
	Close       string      `json:"close,omitempty"`
}

// ContextUse names the revision of the context that a decision looked things up in.
type ContextUse struct {
	Revision string `json:"revision"`
	Age      int64  `json:"age_s"` // seconds from the load of its oldest source to the decision, in event time
}

// PlaybookRef names the playbook that decided.
type PlaybookRef struct {
	ID       string   `json:"id"`
	Version  string   `json:"version"`
	Controls []string `json:"controls,omitempty"`
}

// Reason is one reason of a decision or a guard verdict, as a code for grouping and a text
// for people.
type Reason struct {
	Code     string   `json:"code"`
	Text     string   `json:"text"`
	Weight   float64  `json:"weight,omitempty"`
	Evidence []string `json:"evidence,omitempty"`
}

// Step is one wanted effect on one entity. Target is a reference ("e:3"), never a value.
// The document form is the step of reference schema decision v1.
type Step struct {
	ID         string                     `json:"id"`
	Action     string                     `json:"action"`
	Connector  string                     `json:"connector,omitempty"`
	Target     string                     `json:"target"`
	Params     map[string]json.RawMessage `json:"params,omitempty"`
	Text       map[string]string          `json:"text,omitempty"`
	After      []string                   `json:"after,omitempty"`
	AfterAny   []string                   `json:"after_any,omitempty"`
	Deadline   string                     `json:"deadline,omitempty"`
	TTL        string                     `json:"ttl,omitempty"`
	OnExpiry   string                     `json:"on_expiry,omitempty"`
	WhenAbsent string                     `json:"when_absent,omitempty"`
	OnFailure  string                     `json:"on_failure,omitempty"`
	RetryFor   string                     `json:"retry_for,omitempty"`
	Approval   *ApprovalRule              `json:"approval,omitempty"`
	Mode       string                     `json:"mode,omitempty"`
}

// ApprovalRule is how many people of which roles must approve a step.
type ApprovalRule struct {
	Need      int      `json:"need"`
	Roles     []string `json:"roles,omitempty"`
	TTL       string   `json:"ttl,omitempty"`
	OnTimeout string   `json:"on_timeout,omitempty"`
}
