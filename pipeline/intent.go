package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Effect is what an action does to the world, from harmless to irreversible.
type Effect string

// The effects.
const (
	EffectRead     Effect = "read"
	EffectNotify   Effect = "notify"
	EffectBlock    Effect = "block"
	EffectContain  Effect = "contain"
	EffectIdentity Effect = "identity"
	EffectDestroy  Effect = "destroy"
)

// Containing reports whether the effect takes something away from an attacker and must be
// verified before an incident counts as contained: block, contain, identity, destroy.
func (e Effect) Containing() bool {
	return e == EffectBlock || e == EffectContain || e == EffectIdentity || e == EffectDestroy
}

// The verdicts on an intent, from guard and caps.
const (
	VerdictAllow   = "allow"
	VerdictApprove = "approve" // waits for people
	VerdictDeny    = "deny"
)

// What an intent wants of its lease.
const (
	WantPresent = "present" // the effect shall be in place
	WantAbsent  = "absent"  // it shall be undone: the step is no longer wanted
)

// Intent is a step that passed the guard, or that the guard held back (Verdict), durable
// before anything is done. Its JSON form (schemas/json/intent.v1.json) lies on TopicIntents
// under the key (tenant, canonical target).
type Intent struct {
	ID        ID     `json:"intent_id"` // hash(tenant, incident, playbook, step, action, canonical target)
	Tenant    string `json:"tenant"`
	Incident  ID     `json:"incident_id"`
	Group     string `json:"group"` // of the incident: the key for facts that come back
	Decision  ID     `json:"decision_id"`
	Revision  uint64 `json:"revision"` // of the incident when it was last wanted; grows
	Want      string `json:"want"`
	Playbook  string `json:"playbook"`
	Step      string `json:"step"`
	Action    string `json:"action"`
	Effect    Effect `json:"effect"`
	Connector string `json:"connector"`

	Target   EntityValue                `json:"target"`
	Params   map[string]json.RawMessage `json:"params,omitempty"`
	Text     map[string]string          `json:"text,omitempty"`
	TTL      int64                      `json:"ttl_s"`     // lease length, seconds; 0 = until retracted
	Verdict  string                     `json:"verdict"`   // only "allow" is carried out
	Reasons  []Reason                   `json:"reasons"`   // of guard and caps
	Need     int                        `json:"approvals"` // approvals needed
	Got      []string                   `json:"approved_by,omitempty"`
	Mode     string                     `json:"mode"`      // live, dry_run, shadow
	Created  Millis                     `json:"time"`      // input.now of the decision
	Digest   string                     `json:"digest"`    // see DigestOf
	OnExpiry string                     `json:"on_expiry"` // undo, keep, ask
	Priority uint8                      `json:"priority"`
	Flags    []string                   `json:"flags,omitempty"`
}

// IntentID is the identity of an effect that an incident wants. No bundle revision is in
// it: a policy edit that still wants the same effect does not repeat it.
func IntentID(tenant string, incident ID, playbook, step, action string, target EntityValue) ID {
	return HashID("intent", tenant, incident.View(), playbook, step, action, target.Kind, target.Value)
}

// DigestOf is what an approval binds to: everything that decides what will happen to whom.
// It is the SHA-256 of a canonical JSON form, in hexadecimal.
func (i *Intent) DigestOf() (string, error) {
	form, err := json.Marshal(struct {
		ID        ID                         `json:"id"`
		Action    string                     `json:"action"`
		Connector string                     `json:"connector"`
		Target    EntityValue                `json:"target"`
		Params    map[string]json.RawMessage `json:"params"`
		Text      map[string]string          `json:"text"`
		TTL       int64                      `json:"ttl"`
		OnExpiry  string                     `json:"on_expiry"`
	}{i.ID, i.Action, i.Connector, i.Target, i.Params, i.Text, i.TTL, i.OnExpiry})
	if err != nil {
		return "", fmt.Errorf("digest of intent %s: %w", i.ID, err)
	}
	sum := sha256.Sum256(form)
	return hex.EncodeToString(sum[:]), nil
}

// The phases of a lease, in the order of its life.
const (
	PhaseCheck      = "check"
	PhaseApply      = "apply"
	PhasePoll       = "poll"
	PhaseVerify     = "verify"
	PhaseRenew      = "renew"
	PhaseUndo       = "undo"
	PhaseVerifyUndo = "verify_undo"
	PhaseExpire     = "expire"
	PhaseRefuse     = "refuse" // nothing was tried: stale, dry run, no such connector, kill switch
)

// The states in which a phase of a lease ended.
const (
	StateInPlace = "in_place"
	StateAbsent  = "absent"
	StatePending = "pending"
	StateFailed  = "failed"
	StateUnknown = "unknown" // it may have happened; a person must look
	StateRefused = "refused"
)

// Outcome is what became of a phase of an intent's lease. Its JSON form
// (schemas/json/outcome.v1.json) lies on TopicOutcomes; it comes back as a fact.
type Outcome struct {
	Intent    ID              `json:"intent_id"`
	Seq       uint32          `json:"seq"` // step of the lease, from 1
	Tenant    string          `json:"tenant"`
	Incident  ID              `json:"incident_id"`
	Group     string          `json:"group"`
	Connector string          `json:"connector"`
	Action    string          `json:"action"`
	Effect    Effect          `json:"effect"`
	Step      string          `json:"step"`
	Target    EntityValue     `json:"target"`
	Phase     string          `json:"phase"`
	State     string          `json:"state"`
	Attempt   uint16          `json:"attempt"`
	Started   Millis          `json:"started"` // call began, responder's clock; 0 when there was no call
	Done      Millis          `json:"done"`    // call ended, responder's clock
	Expires   Millis          `json:"expires,omitempty"`
	VendorRef string          `json:"vendor_ref,omitempty"`
	Already   bool            `json:"already,omitempty"` // the effect was in place before us: not ours to undo
	Fault     string          `json:"fault,omitempty"`   // reason of the fault
	Detail    string          `json:"detail,omitempty"`  // for people, no secrets, at most 512 bytes
	Actor     string          `json:"actor"`             // engine, user:<name>
	Flags     []string        `json:"flags,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"` // of read actions: what was learned
}
