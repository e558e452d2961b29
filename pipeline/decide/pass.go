package decide

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// pass compares the steps that the policy wants now with those that were wanted before, and
// emits what follows. It does nothing where nothing changed.
type pass struct {
	stage *Stage
	ctx   context.Context //nolint:containedctx // a pass lives as long as the call that made it
	b     *pipeline.Batch
	inc   *incident
}

// maxFlips is how often a step may be wanted again before the incident is frozen: a policy
// that cannot make up its mind must not move a firewall rule in and out.
const maxFlips = 3

// run takes the document, or nil when the policy had no answer: then what is wanted stays,
// and no new step is taken.
func (p *pass) run(doc *document) error {
	before := map[pipeline.ID]bool{}
	if doc != nil {
		for i := range p.inc.Steps {
			st := &p.inc.Steps[i]
			before[st.Intent.ID], st.Wanted = st.Wanted, false
		}
		for i := range doc.steps {
			p.want(&doc.steps[i], before)
		}
	}
	return p.settleAll(before)
}

// settleAll proposes what is wanted, then takes back what is not, later steps first.
func (p *pass) settleAll(before map[pipeline.ID]bool) error {
	for i := range p.inc.Steps {
		if st := &p.inc.Steps[i]; p.stands(st) {
			if err := p.propose(st); err != nil {
				return err
			}
		}
	}
	for i := range slices.Backward(p.inc.Steps) {
		st := &p.inc.Steps[i]
		if p.stands(st) {
			continue
		}
		if before[st.Intent.ID] && !st.Wanted {
			p.inc.Decision.Removed++
		}
		if err := p.retract(st); err != nil {
			return err
		}
	}
	return nil
}

// stands reports whether policy and people want the step.
func (p *pass) stands(st *step) bool { return st.Wanted && !st.Never && !p.inc.undoing() }

// refuse notes a step that cannot become an intent.
func (p *pass) refuse(s *pipeline.Step, code, text string) {
	d := &p.inc.Decision
	d.Denied++
	if len(d.Reasons) < 32 {
		d.Reasons = append(slices.Clip(d.Reasons), pipeline.Reason{Code: code, Text: clip("step "+s.ID+": "+text, 256)})
	}
}

// want finds or makes the record of a wanted step.
func (p *pass) want(s *pipeline.Step, before map[pipeline.ID]bool) {
	inc := p.inc
	connector, spec, ok := p.stage.route(s.Action, s.Connector)
	if !ok {
		p.refuse(s, "NO_CONNECTOR", "no connector offers "+s.Action)
		return
	}
	target, ok := inc.resolve(s.Target)
	if !ok {
		p.refuse(s, "NO_TARGET", s.Target+" is no entity of this incident")
		return
	}
	if !slices.Contains(spec.Targets, pipeline.EntityKindOf(target.Kind)) {
		p.refuse(s, "BAD_TARGET", s.Action+" does not apply to a "+target.Kind)
		return
	}
	if bad := badParam(spec.Params, s.Params); bad != "" {
		p.refuse(s, "BAD_PARAM", bad)
		return
	}
	id := pipeline.IntentID(inc.Incident.Tenant, inc.Incident.ID, inc.Playbook, s.ID, s.Action, target)
	st := inc.find(id)
	if st == nil {
		if len(inc.Steps) >= p.stage.cfg.MaxSteps {
			p.refuse(s, "STEP_LIMIT", "the incident had as many steps as it may")
			return
		}
		inc.Decision.Added++
		inc.Steps = append(inc.Steps, step{
			Doc: *s, Status: statusPending, Since: inc.Now,
			Intent: pipeline.Intent{ID: id, Target: target, Effect: spec.Effect, Action: s.Action, Connector: connector, Playbook: inc.Playbook},
		})
		st = &inc.Steps[len(inc.Steps)-1]
	} else {
		p.again(st, s, connector, before[id])
	}
	st.Wanted = true
}

// again updates a step that is wanted still, or once more. What was let through stays as it
// was; what waits is proposed anew if it would do something else.
func (p *pass) again(st *step, s *pipeline.Step, connector string, before bool) {
	if !before && st.Emitted == pipeline.VerdictAllow && st.Intent.Want == pipeline.WantAbsent {
		st.Flips++
		if st.Flips >= maxFlips {
			p.inc.Stopped = "step " + st.Doc.ID + " keeps being wanted and unwanted"
			p.inc.flag("oscillation")
			p.inc.Incident.WantsHuman = true
			return
		}
		st.Emitted, st.Status = "", statusPending
	}
	if st.Emitted == pipeline.VerdictAllow {
		return
	}
	text := st.Doc.Text
	if connector != st.Intent.Connector || s.TTL != st.Doc.TTL || s.OnExpiry != st.Doc.OnExpiry || !sameParams(s.Params, st.Doc.Params) {
		st.Intent.Got, text = nil, s.Text
	}
	st.Doc, st.Intent.Connector = *s, connector
	st.Doc.Text = text
}

func sameParams(a, b map[string]json.RawMessage) bool {
	return maps.EqualFunc(a, b, func(x, y json.RawMessage) bool { return bytes.Equal(x, y) })
}

// resolve returns the entity that a reference names. user:, asset: and msg: name it by value.
func (inc *incident) resolve(ref string) (pipeline.EntityValue, bool) {
	kind, value, _ := strings.Cut(ref, ":")
	byValue := map[string]string{"user": "user", "asset": "host", "msg": "mail"}
	for i, e := range inc.Incident.Entities {
		if ref == reference(i) || e.Kind == byValue[kind] && e.Value == value {
			return e, true
		}
	}
	return pipeline.EntityValue{}, false
}

// badParam says what is wrong with the parameters, empty if nothing is.
func badParam(specs map[string]pipeline.ParamSpec, params map[string]json.RawMessage) string {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		spec, ok := specs[name]
		if !ok {
			return "parameter " + name + " is not known"
		}
		if !accepts(spec, params[name]) {
			return fmt.Sprintf("parameter %s is no %s", name, spec.Type)
		}
	}
	return ""
}

// accepts reports whether the value is of the parameter's type.
func accepts(spec pipeline.ParamSpec, raw json.RawMessage) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	switch v := v.(type) {
	case bool:
		return spec.Type == "bool"
	case float64:
		return spec.Type == "number"
	case string:
		return spec.Type == "enum" && slices.Contains(spec.Enum, v) || spec.Type == "duration" && reDuration.MatchString(v)
	}
	return false
}

// ready reports whether the steps that st waits for have come to what it waits for.
func (p *pass) ready(st *step) bool {
	for _, id := range st.Doc.After {
		if o := p.inc.named(id); o == nil || o.Status != statusDone {
			return false
		}
	}
	if len(st.Doc.AfterAny) == 0 {
		return true
	}
	return slices.ContainsFunc(st.Doc.AfterAny, func(want string) bool {
		id, status, _ := strings.Cut(want, ":")
		o := p.inc.named(id)
		return o != nil && o.Status == status
	})
}

// propose emits the intent of a step that waits for nothing, if its verdict is news.
func (p *pass) propose(st *step) error {
	if !st.Renew && (st.inPlace() || p.held(st) || !p.ready(st)) {
		return nil
	}
	in, err := p.intent(st)
	if err != nil {
		return err
	}
	if in.Verdict == pipeline.VerdictDeny {
		p.inc.Decision.Denied++
	}
	old := &st.Intent
	if st.Emitted == in.Verdict && old.Want == in.Want && old.Digest == in.Digest && old.Need == in.Need && old.Mode == in.Mode {
		return nil
	}
	if st.Renew && in.Verdict != pipeline.VerdictAllow {
		st.Renew = false // not without more approvals: it stays as long as it was to
		return nil
	}
	st.Renew = false
	st.Intent, st.Emitted = *in, in.Verdict
	p.settle(st)
	return emitIntent(p.b, in)
}

// held reports whether the incident takes no new step, and this would be one.
func (p *pass) held(st *step) bool {
	return p.inc.Stopped != "" && (st.Emitted == "" || st.Intent.Want == pipeline.WantAbsent)
}

// settle notes what follows from a proposal for the step and its timers.
func (p *pass) settle(st *step) {
	inc, in := p.inc, &st.Intent
	inc.unset(timerApproval + ":" + in.ID.String())
	switch in.Verdict {
	case pipeline.VerdictAllow:
		if st.Status != statusDone && st.Status != statusRunning {
			st.Status = statusPending
		}
		if d := span(st.Doc.Deadline); d > 0 {
			inc.set(inc.Now.Add(d), timerDeadline+":"+in.ID.String())
		}
		p.stage.spend(inc, st)
	case pipeline.VerdictApprove:
		st.Status, inc.Incident.WantsHuman = statusApproval, true
		if rule := st.Doc.Approval; rule != nil && rule.TTL != "" {
			inc.set(inc.Now.Add(span(rule.TTL)), timerApproval+":"+in.ID.String())
		}
	case pipeline.VerdictDeny:
		if st.Status != statusExpired {
			st.Status = statusFailed
		}
	}
}

// retract takes back a step that is not wanted any more.
func (p *pass) retract(st *step) error {
	effect := st.Intent.Effect
	switch {
	case st.Emitted == "":
		st.Status = statusAbsent
		return nil
	case st.Emitted == pipeline.VerdictDeny, st.Intent.Want == pipeline.WantAbsent:
		return nil
	case st.Emitted == pipeline.VerdictApprove:
		st.Status = statusAbsent
		p.inc.unset(timerApproval + ":" + st.Intent.ID.String())
	case !p.undone(st):
		return nil
	case effect.Containing() && st.Status != statusFailed && st.Status != statusUndone:
		st.Status = statusRunning
	}
	in := st.Intent
	in.Want, in.Decision, in.Revision, in.Created = pipeline.WantAbsent, p.inc.Decision.ID, p.inc.Incident.Revision, p.inc.Now
	st.Intent = in
	return emitIntent(p.b, &in)
}

// undone reports whether taking the step back undoes its effect.
func (p *pass) undone(st *step) bool {
	switch {
	case st.Never || p.inc.undoing():
		return st.Intent.Effect.Containing()
	case st.Doc.WhenAbsent != "":
		return st.Doc.WhenAbsent == "undo"
	}
	return st.Intent.Effect.Containing() && st.Intent.Effect != pipeline.EffectDestroy
}

// intent builds the intent of a step and judges it.
func (p *pass) intent(st *step) (*pipeline.Intent, error) {
	inc, old := p.inc, &st.Intent
	_, spec, ok := p.stage.route(old.Action, old.Connector)
	if !ok {
		spec = pipeline.ActionSpec{Name: old.Action, Effect: old.Effect} // the connector is gone: no undo, so a person is asked
	}
	ttl := st.Doc.TTL
	if st.Extended != "" {
		ttl = st.Extended
	}
	in := &pipeline.Intent{
		ID: old.ID, Tenant: inc.Incident.Tenant, Incident: inc.Incident.ID, Group: inc.Incident.Group,
		Decision: inc.Decision.ID, Revision: inc.Incident.Revision, Want: pipeline.WantPresent,
		Playbook: old.Playbook, Step: st.Doc.ID, Action: old.Action, Effect: old.Effect, Connector: old.Connector,
		Target: old.Target, Params: st.Doc.Params, Text: st.Doc.Text, TTL: int64(span(ttl) / time.Second),
		Got: slices.Clone(old.Got), Mode: "live", Created: inc.Now, OnExpiry: st.Doc.OnExpiry,
		Priority: inc.Decision.Priority, Flags: slices.Clone(inc.Incident.Flags),
	}
	if in.OnExpiry == "" {
		in.OnExpiry = "keep"
		if in.Effect.Containing() && spec.Undo {
			in.OnExpiry = "undo"
		}
	}
	if err := p.judge(st, in, &spec); err != nil {
		return nil, err
	}
	var err error
	in.Digest, err = in.DigestOf()
	return in, err
}
