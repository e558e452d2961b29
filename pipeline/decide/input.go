package decide

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// rfc3339 is the form of times in the input of policies: fixed width, UTC.
const rfc3339 = "2006-01-02T15:04:05.000Z"

// input is what riposte.decide reads (reference: response.md 3.4).
type input struct {
	Now      string               `json:"now"`
	Tenant   string               `json:"tenant"`
	Mode     string               `json:"mode"`
	Rev      uint64               `json:"rev"`
	Incident inputIncident        `json:"incident"`
	Alerts   []alert              `json:"alerts"`
	Entities []inputEntity        `json:"entities"`
	Steps    map[string]inputStep `json:"steps"`
	Facts    inputFacts           `json:"facts"`
	History  inputHistory         `json:"history"`
	Context  *inputContext        `json:"context,omitempty"`
}

// inputContext says where what is known of the entities comes from, and how old it is.
type inputContext struct {
	pipeline.ContextUse
	Topics map[string]inputTopic `json:"topics"` // assets, identities, vulnerabilities, indicators
}

type inputTopic struct {
	Entries int   `json:"entries"`
	Age     int64 `json:"age_s"`
}

type inputIncident struct {
	ID          pipeline.ID     `json:"id"`
	Group       string          `json:"group"`
	Status      string          `json:"status"`
	Title       string          `json:"title"`
	Rules       []string        `json:"rules"`
	Tactics     []string        `json:"tactics"`
	Techniques  []string        `json:"techniques"`
	Sources     []inputSource   `json:"sources"`
	AlertCount  uint32          `json:"alert_count"`
	Flags       []string        `json:"flags"`
	Disposition string          `json:"disposition"`
	Owner       string          `json:"owner"`
	Playbook    string          `json:"playbook"`
	Occurred    pipeline.Millis `json:"occurred"`
	Triggered   pipeline.Millis `json:"triggered"`
	Reopened    uint16          `json:"reopened"`
}

type inputSource struct {
	Name  string `json:"name"`
	Trust string `json:"trust"` // authenticated or spoofable
}

// inputEntity is an entity with what the organisation knows about it.
type inputEntity struct {
	Ref    string `json:"ref"`
	Kind   string `json:"kind"`
	Value  string `json:"value"`
	Role   string `json:"role"`
	Origin string `json:"origin"` // sensor, or content: an attacker may have chosen the value
	inventory
}

// inventory is what is known of an entity.
type inventory struct {
	Asset    *pipeline.Asset       `json:"asset,omitempty"`
	Identity *pipeline.Identity    `json:"identity,omitempty"`
	TI       []*pipeline.Indicator `json:"ti,omitempty"` // the surest first
	Vulns    *pipeline.Exposure    `json:"vulns,omitempty"`
}

type inputStep struct {
	Status     string          `json:"status"`
	Action     string          `json:"action"`
	Target     string          `json:"target"`
	Attempts   uint16          `json:"attempts"`
	Since      string          `json:"since"`
	ApprovedBy []string        `json:"approved_by"`
	Already    bool            `json:"already"`
	Expires    pipeline.Millis `json:"expires"`
	Fault      string          `json:"fault"`
	Result     json.RawMessage `json:"result,omitempty"`
}

type inputFacts struct {
	Approvals    []string `json:"approvals"`    // "<step>:<subject>" that count
	Dispositions []string `json:"dispositions"` // the last one, if any
}

type inputHistory struct {
	PriorIncidents int            `json:"prior_incidents"` // of this group, still remembered
	PriorActions   map[string]int `json:"prior_actions"`   // containing ones, by action
}

// input builds the policy's input and its digest.
func (s *Stage) input(inc *incident) ([]byte, string, error) {
	in := &inc.Incident
	doc := input{
		Now: inc.Now.Time().Format(rfc3339), Tenant: in.Tenant, Mode: s.cfg.Mode, Rev: in.Revision,
		Incident: inputIncident{
			ID: in.ID, Group: in.Group, Status: in.Status, Title: in.Title, Rules: in.Rules, Tactics: list(in.Tactics),
			Techniques: list(in.Techniques), Sources: s.sources(in), AlertCount: in.AlertCount, Flags: list(in.Flags),
			Disposition: in.Disposition, Owner: in.Owner, Playbook: inc.Playbook, Occurred: in.Occurred,
			Triggered: in.Triggered, Reopened: in.Reopened,
		},
		Alerts: inc.standing(), Entities: []inputEntity{}, Steps: map[string]inputStep{},
		Facts:   inputFacts{Approvals: []string{}, Dispositions: []string{}},
		History: inputHistory{PriorIncidents: inc.Prior.Count, PriorActions: inc.Prior.Actions},
		Context: s.context(inc.Now),
	}
	for i := range in.Entities {
		doc.Entities = append(doc.Entities, s.entity(inc, i))
	}
	for i := range inc.Steps {
		st := &inc.Steps[i]
		doc.Steps[st.Doc.ID] = inputStep{
			Status: st.Status, Action: st.Intent.Action, Target: st.Doc.Target, Attempts: st.Attempts,
			Since: st.Since.Time().Format(rfc3339), ApprovedBy: list(st.Intent.Got), Already: st.Already,
			Expires: st.Expires, Fault: st.Fault, Result: st.Result,
		}
		for _, who := range st.Intent.Got {
			doc.Facts.Approvals = append(doc.Facts.Approvals, st.Doc.ID+":"+who)
		}
	}
	if in.Disposition != "" {
		doc.Facts.Dispositions = append(doc.Facts.Dispositions, in.Disposition)
	}
	if doc.History.PriorActions == nil {
		doc.History.PriorActions = map[string]int{}
	}
	p, err := json.Marshal(&doc)
	if err != nil {
		return nil, "", fmt.Errorf("input of %s: %w", in.ID, err)
	}
	sum := sha256.Sum256(p)
	return p, hex.EncodeToString(sum[:]), nil
}

// standing are the alerts that were not withdrawn.
func (inc *incident) standing() []alert {
	out := make([]alert, 0, len(inc.Alerts))
	for i := range inc.Alerts {
		if !inc.Alerts[i].Withdrawn {
			out = append(out, inc.Alerts[i])
		}
	}
	return out
}

// list gives policies an empty list instead of null.
func list(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

func (s *Stage) sources(in *pipeline.Incident) []inputSource {
	out := []inputSource{}
	for _, name := range in.Sources {
		out = append(out, inputSource{name, s.trust(name)})
	}
	return out
}

const (
	trustAuthenticated = "authenticated"
	trustSpoofable     = "spoofable"
)

func (s *Stage) trust(source string) string {
	if slices.Contains(s.cfg.Spoofable, source) {
		return trustSpoofable
	}
	return trustAuthenticated
}

// reference returns the name of the n-th entity (from 0) in policies.
func reference(n int) string { return "e:" + strconv.Itoa(n+1) }

func (s *Stage) entity(inc *incident, n int) inputEntity {
	e := inc.Incident.Entities[n]
	out := inputEntity{Ref: reference(n), Kind: e.Kind, Value: e.Value, Role: e.Role, Origin: origin(e)}
	out.inventory = s.lookup(inc, e)
	return out
}

func origin(e pipeline.EntityValue) string {
	if e.Content {
		return "content"
	}
	return "sensor"
}

// lookup returns what is known of an entity at the incident's time.
func (s *Stage) lookup(inc *incident, e pipeline.EntityValue) inventory {
	if s.known == nil {
		return inventory{}
	}
	var k pipeline.Known
	s.known.Look(&k, inc.Incident.Tenant, pipeline.EntityKindOf(e.Kind), e.Value, inc.Now)
	return inventory{Asset: k.Asset, Identity: k.Identity, TI: k.Indicators, Vulns: k.Exposure}
}

// contextUse names what is looked up in, nil if nothing is loaded.
func (s *Stage) contextUse(now pipeline.Millis) *pipeline.ContextUse {
	if s.known == nil {
		return nil
	}
	ref := s.known.Ref()
	return &pipeline.ContextUse{Revision: ref.Revision, Age: pipeline.Age(now, ref.AsOf)}
}

func (s *Stage) context(now pipeline.Millis) *inputContext {
	use := s.contextUse(now)
	if use == nil {
		return nil
	}
	out := &inputContext{ContextUse: *use, Topics: map[string]inputTopic{}}
	for _, t := range s.known.Ref().Topics {
		out.Topics[strings.TrimPrefix(t.Topic, "context.")] = inputTopic{Entries: t.Entries, Age: pipeline.Age(now, t.AsOf)}
	}
	return out
}

// guardInput is what riposte.guard reads (reference: response.md 5.4).
type guardInput struct {
	Mode     string        `json:"mode"`
	Intent   guardIntent   `json:"intent"`
	Playbook string        `json:"playbook"`
	Priority uint8         `json:"priority"`
	Alert    guardAlert    `json:"alert"`
	Budgets  []guardBudget `json:"budgets"`
	Hits     []hit         `json:"protected_hits"`
	Calendar struct {
		Freeze bool `json:"freeze"`
	} `json:"calendar"`
	Approvals []string `json:"approvals"`
	Age       guardAge `json:"age"`
	// Context says how old what is known of the target is.
	Context *pipeline.ContextUse `json:"context,omitempty"`
}

type guardIntent struct {
	Action    string          `json:"action"`
	Effect    pipeline.Effect `json:"effect"`
	Connector string          `json:"connector"`
	TTL       int64           `json:"ttl_s"`
	Undo      bool            `json:"undo"`
	Target    inputEntity     `json:"target"`
}

type guardAlert struct {
	Trust   string        `json:"src_trust"` // of the best source
	Sources []inputSource `json:"sources"`
	Rules   []string      `json:"rules"`
}

type guardBudget struct {
	Name string `json:"name"`
	Used int    `json:"used"`
	Cap  int    `json:"cap"`
}

// guardAge says how old things are in event time. An intent is as young as the decision that
// makes it; how long it lay on its topic is the responder's to judge.
type guardAge struct {
	Intent int64 `json:"intent_s"`
	Alert  int64 `json:"alert_s"`
}

func (s *Stage) guardInput(inc *incident, st *step, in *pipeline.Intent, spec *pipeline.ActionSpec, hits []hit, b guardBudget) ([]byte, error) {
	doc := guardInput{
		Mode: s.cfg.Mode, Playbook: in.Playbook, Priority: in.Priority, Hits: hits, Approvals: list(in.Got),
		Intent: guardIntent{
			Action: in.Action, Effect: in.Effect, Connector: in.Connector, TTL: in.TTL, Undo: spec.Undo,
			Target: inputEntity{Ref: st.Doc.Target, Kind: in.Target.Kind, Value: in.Target.Value, Role: in.Target.Role},
		},
		Alert:   guardAlert{Trust: trustSpoofable, Sources: s.sources(&inc.Incident), Rules: inc.Incident.Rules},
		Budgets: []guardBudget{b},
		Age:     guardAge{Alert: int64((inc.Now - inc.Incident.Triggered) / 1000)},
		Context: s.contextUse(inc.Now),
	}
	doc.Calendar.Freeze = s.cfg.Freeze
	doc.Intent.Target.Origin = origin(inc.entity(in.Target))
	doc.Intent.Target.inventory = s.lookup(inc, in.Target)
	for _, src := range doc.Alert.Sources {
		if src.Trust == trustAuthenticated {
			doc.Alert.Trust = trustAuthenticated
		}
	}
	p, err := json.Marshal(&doc)
	if err != nil {
		return nil, fmt.Errorf("guard input of %s: %w", in.ID, err)
	}
	return p, nil
}

// entity returns the entity as the incident knows it now: what one source took from an
// attacker's text another may have measured since.
func (inc *incident) entity(e pipeline.EntityValue) pipeline.EntityValue {
	for _, o := range inc.Incident.Entities {
		if o.Kind == e.Kind && o.Value == e.Value {
			return o
		}
	}
	return e
}
