// Package webhook is the connector that posts actions to a receiver of the user's own: a
// ticket system's inbound hook, a pager, an automation that suspends accounts.
//
// A delivery is a JSON object with the verb (apply, check or undo), the action and its
// target. Its headers are
//
//	Riposte-Id         id of the intent, "/<n>" behind it when its effect is wanted for the
//	                   n-th time anew, and "/undo" or "/check" behind that for these verbs
//	Idempotency-Key    the same, unless the receiver is declared not to know it
//	Riposte-Timestamp  seconds since 1970
//	Riposte-Signature  v1=<hex>;key=<id>, for each active key, separated by ", "
//
// where a signature is HMAC-SHA256 over the timestamp, a full stop and the body. A receiver
// checks it, refuses timestamps that are more than five minutes off, and answers a
// Riposte-Id that it has seen as it did before, without doing anything again. It answers
// 2xx, and may say more: {"state": "in_place" | "absent" | "pending", "vendor_ref": "..."}.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// maxAnswer is how much of an answer is read: it has two short members.
const maxAnswer = 64 << 10

// The headers of a delivery.
const (
	HeaderID        = "Riposte-Id"
	HeaderKey       = "Idempotency-Key"
	HeaderTimestamp = "Riposte-Timestamp"
	HeaderSignature = "Riposte-Signature"
)

// Sink is the connector. It is safe for concurrent use.
type Sink struct {
	cfg     Config
	keys    []signer
	actions map[string]Action
	client  *http.Client
	now     func() time.Time
}

type signer struct {
	id     string
	secret []byte
}

var _ pipeline.Responder = (*Sink)(nil)

// New returns the connector. It reads the keys once. now is the clock, time.Now in programs.
func New(cfg Config, now func() time.Time) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	s := &Sink{cfg: cfg, now: now, actions: map[string]Action{}, client: newClient(&cfg)}
	for _, k := range cfg.Keys {
		secret, err := k.Secret.Reveal()
		if err != nil {
			return nil, fmt.Errorf("webhook: key %s: %w", k.ID, err)
		}
		if len(secret) < minKey {
			return nil, fmt.Errorf("webhook: key %s: want at least %d bytes", k.ID, minKey)
		}
		s.keys = append(s.keys, signer{k.ID, []byte(secret)})
	}
	for _, a := range cfg.Actions {
		s.actions[a.Name] = a
	}
	return s, nil
}

// Close ends idle connections.
func (s *Sink) Close() { s.client.CloseIdleConnections() }

// Actions returns the configured actions, by name.
func (s *Sink) Actions() []pipeline.ActionSpec {
	var out []pipeline.ActionSpec
	for _, name := range slices.Sorted(maps.Keys(s.actions)) {
		a := s.actions[name]
		out = append(out, s.cfg.spec(&a))
	}
	return out
}

// The verbs of a delivery.
const (
	verbApply = "apply"
	verbCheck = "check"
	verbUndo  = "undo"
)

// delivery is the body of a request.
type delivery struct {
	V         int                        `json:"v"`
	Verb      string                     `json:"verb"`
	Intent    pipeline.ID                `json:"intent_id"`
	Attempt   uint16                     `json:"attempt"`
	Tenant    string                     `json:"tenant"`
	Incident  pipeline.ID                `json:"incident_id"`
	Action    string                     `json:"action"`
	Target    pipeline.EntityValue       `json:"target"`
	Params    map[string]json.RawMessage `json:"params,omitempty"`
	Text      map[string]string          `json:"text,omitempty"`
	Priority  uint8                      `json:"priority"`
	Expires   string                     `json:"expires,omitempty"` // RFC 3339; the receiver may let go then
	VendorRef string                     `json:"vendor_ref,omitempty"`
	Demo      bool                       `json:"demo,omitempty"` // of sample traffic: do nothing real
}

// answer is what a receiver may say.
type answer struct {
	State     string          `json:"state"`
	VendorRef string          `json:"vendor_ref"`
	Result    json.RawMessage `json:"result"`
}

// Check asks the receiver what is in place. Of an action without Check nothing is known.
func (s *Sink) Check(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	if spec, ok := s.actions[a.Name]; ok && !spec.Check {
		return pipeline.State{State: pipeline.StateUnknown}, nil
	}
	return s.deliver(ctx, verbCheck, &a, pipeline.StateUnknown)
}

// Apply posts the action. Without a word of the receiver's a 2xx means that it is done.
func (s *Sink) Apply(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	return s.deliver(ctx, verbApply, &a, pipeline.StateInPlace)
}

// Undo posts that the action shall be taken back.
func (s *Sink) Undo(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	if spec, ok := s.actions[a.Name]; ok && !spec.Undo {
		return pipeline.State{}, pipeline.AsReject(reasonUndo, fmt.Errorf("webhook: %s cannot be undone", a.Name))
	}
	return s.deliver(ctx, verbUndo, &a, pipeline.StateAbsent)
}

// deliver posts one verb. silence is the state that a 2xx without a word means.
func (s *Sink) deliver(ctx context.Context, verb string, a *pipeline.Action, silence string) (pipeline.State, error) {
	if _, ok := s.actions[a.Name]; !ok {
		return pipeline.State{}, pipeline.AsReject(reasonAction, fmt.Errorf("webhook: no action %q", a.Name))
	}
	body, err := encode(verb, a)
	if err != nil {
		return pipeline.State{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.cfg.Timeout))
	defer cancel()
	sent := &atomic.Bool{}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return pipeline.State{}, pipeline.AsReject(reasonRequest, fmt.Errorf("webhook: %w", err))
	}
	s.sign(req, verb, a, body)
	res, err := s.client.Do(req)
	if err != nil {
		return pipeline.State{}, classify(err, sent.Load())
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if fault := byStatus(res, s.now()); fault != nil {
		return pipeline.State{}, fault
	}
	if err != nil {
		return pipeline.State{}, classify(err, true)
	}
	return parse(text, silence), nil
}

func encode(verb string, a *pipeline.Action) ([]byte, error) {
	d := delivery{
		V: 1, Verb: verb, Intent: a.Intent, Attempt: a.Attempt, Tenant: a.Tenant, Incident: a.Incident, Action: a.Name,
		Target: a.Target, Params: a.Params, Text: a.Text, Priority: a.Priority, VendorRef: a.VendorRef, Demo: a.Demo,
	}
	if a.Expires != 0 {
		d.Expires = a.Expires.Time().Format(time.RFC3339)
	}
	body, err := json.Marshal(&d)
	if err != nil {
		return nil, pipeline.AsReject(reasonRequest, fmt.Errorf("webhook: delivery of %s: %w", a.Intent, err))
	}
	return body, nil
}

func (s *Sink) sign(req *http.Request, verb string, a *pipeline.Action, body []byte) {
	id := a.Intent.String()
	if a.Cycle > 0 {
		id += "/" + strconv.Itoa(int(a.Cycle))
	}
	if verb != verbApply {
		id += "/" + verb
	}
	at := strconv.FormatInt(s.now().Unix(), 10)
	var signatures []string
	for _, k := range s.keys {
		signatures = append(signatures, "v1="+Signature(k.secret, at, body)+";key="+k.id)
	}
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "riposte")
	h.Set(HeaderID, id)
	if !s.cfg.AtMostOnce { // with this header net/http itself repeats a request on a broken connection
		h.Set(HeaderKey, id)
	}
	h.Set(HeaderTimestamp, at)
	h.Set(HeaderSignature, strings.Join(signatures, ", "))
}

// Signature returns the signature of a delivery in hexadecimal, for senders and receivers.
func Signature(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Verify reports whether a delivery was signed with the key of that id no more than five
// minutes before or after now. Receivers written in Go can use it as it is.
func Verify(h http.Header, body []byte, keyID string, secret []byte, now time.Time) error {
	at := h.Get(HeaderTimestamp)
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return errors.New("webhook: no timestamp")
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > 5*time.Minute || d < -5*time.Minute {
		return errors.New("webhook: timestamp is more than five minutes off")
	}
	want := "v1=" + Signature(secret, at, body) + ";key=" + keyID
	for given := range strings.SplitSeq(h.Get(HeaderSignature), ",") {
		if hmac.Equal([]byte(strings.TrimSpace(given)), []byte(want)) {
			return nil
		}
	}
	return errors.New("webhook: no signature of this key fits")
}

// parse reads what the receiver said. Anything but our object, such as a page of HTML, says
// nothing.
func parse(text []byte, silence string) pipeline.State {
	out := pipeline.State{State: silence}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return out
	}
	if slices.Contains([]string{pipeline.StateInPlace, pipeline.StateAbsent, pipeline.StatePending}, a.State) {
		out.State = a.State
	}
	if len(a.VendorRef) <= 256 {
		out.VendorRef = a.VendorRef
	}
	out.Result = a.Result
	return out
}
