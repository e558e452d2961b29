package decide

import (
	"math"
	"slices"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// judge sets verdict, reasons, approvals, length and mode of an intent: what the guard
// says, and below it the caps, which no policy can raise. The strictest word wins. An error
// is returned only when the evaluation was interrupted.
func (p *pass) judge(st *step, in *pipeline.Intent, spec *pipeline.ActionSpec) error {
	s, inc := p.stage, p.inc
	hits := s.protect.hits(in.Effect, in.Target, s.lookup(inc, in.Target).Asset)
	spent := s.spent(inc, in)
	if st.Counted {
		spent.Used = min(spent.Used, max(spent.Cap-1, 0)) // it was counted itself
	}
	r, err := p.ask(st, in, spec, hits, spent)
	if err != nil {
		return err
	}
	in.Reasons, in.Need = r.reasons, r.need
	deny := p.refused(st, in, r, hits)
	p.caps(st, in, spec, r, spent)
	p.stricter(st, in, r)
	switch {
	case deny:
		in.Verdict = pipeline.VerdictDeny
	case len(in.Got) < in.Need:
		in.Verdict = pipeline.VerdictApprove
	default:
		in.Verdict = pipeline.VerdictAllow
	}
	if in.Reasons == nil {
		in.Reasons = []pipeline.Reason{}
	}
	return nil
}

// refused reports whether guard, protected list, mode or a person says no.
func (p *pass) refused(st *step, in *pipeline.Intent, r *ruling, hits []hit) bool {
	deny := r.decision == guardDeny
	for _, h := range hits {
		deny = deny || h.Level == "never"
	}
	if p.stage.cfg.Mode == "off" || st.Refused != "" {
		deny = true
		in.Reasons = append(in.Reasons, pipeline.Reason{Code: "REFUSED", Text: "refused by " + nameOr(st.Refused, "the mode off")})
	}
	return deny
}

// caps raises the number of people that a containing intent needs, and bounds its length.
func (p *pass) caps(st *step, in *pipeline.Intent, spec *pipeline.ActionSpec, r *ruling, spent guardBudget) {
	if r.decision == guardApprove {
		in.Need = max(in.Need, 1)
	}
	if !in.Effect.Containing() {
		return
	}
	need := func(code, text string) {
		in.Need = max(in.Need, 1)
		in.Reasons = append(in.Reasons, pipeline.Reason{Code: code, Text: text})
	}
	if !spec.Undo {
		need("CAP_NO_UNDO", "there is no way back")
	}
	if spent.Used >= spent.Cap {
		need("CAP_HOURLY", spent.Name+" is spent")
	}
	if p.stage.cfg.Mode == "approve_all" || st.Doc.Mode == "approve_all" {
		need("MODE", "every effect needs a person")
	}
	in.TTL = lease(in.TTL, r.ttlMax)
}

func nameOr(name, other string) string {
	if name == "" {
		return other
	}
	return name
}

// lease is the shorter of the length that the step wants and the longest that the guard
// gives, in seconds.
func lease(seconds int64, most time.Duration) int64 {
	limit := int64(most / time.Second)
	if limit > 0 && (seconds == 0 || seconds > limit) {
		return limit
	}
	return seconds
}

// stricter merges what the step itself asks for: more approvals, fewer roles, a weaker mode.
func (p *pass) stricter(st *step, in *pipeline.Intent, r *ruling) {
	if rule := st.Doc.Approval; rule != nil {
		in.Need = max(in.Need, rule.Need)
		if len(r.roles) > 0 {
			merged := *rule
			merged.Roles = slices.Clone(r.roles)
			if len(rule.Roles) > 0 {
				merged.Roles = slices.DeleteFunc(slices.Clone(rule.Roles), func(x string) bool { return !slices.Contains(r.roles, x) })
			}
			st.Doc.Approval = &merged
		}
	} else if len(r.roles) > 0 {
		st.Doc.Approval = &pipeline.ApprovalRule{Roles: slices.Clone(r.roles)}
	}
	switch {
	case r.decision == guardShadow || st.Doc.Mode == guardShadow || p.stage.cfg.Mode == guardShadow:
		in.Mode = guardShadow
	case p.stage.cfg.DryRun:
		in.Mode = "dry_run"
	}
}

// ask evaluates the guard. Without an answer what notifies or reads passes, what can be
// undone waits for a person, and what destroys is refused (I9).
func (p *pass) ask(st *step, in *pipeline.Intent, spec *pipeline.ActionSpec, hits []hit, spent guardBudget) (*ruling, error) {
	doc, err := p.stage.guardInput(p.inc, st, in, spec, hits, spent)
	if err != nil {
		return nil, err
	}
	out, err := p.stage.parts.Guard.Eval(p.ctx, doc)
	if p.ctx.Err() != nil {
		return nil, p.ctx.Err()
	}
	var r *ruling
	if err == nil {
		r, err = decodeRuling(out)
	}
	if err == nil {
		return r, nil
	}
	r = &ruling{decision: guardAllow, reasons: []pipeline.Reason{{Code: "GUARD_ERROR", Text: clip(err.Error(), 256)}}}
	switch in.Effect {
	case pipeline.EffectRead, pipeline.EffectNotify:
	case pipeline.EffectBlock, pipeline.EffectContain, pipeline.EffectIdentity:
		r.decision, r.need = guardApprove, 1
	case pipeline.EffectDestroy:
		r.decision = guardDeny
	default:
		r.decision = guardDeny
	}
	return r, nil
}

const hour = pipeline.Millis(3_600_000)

func budgetKey(inc *incident, action string) string { return inc.Incident.Tenant + "\x1f" + action }

// spent returns how many containing intents of the action the tenant had in this hour.
func (s *Stage) spent(inc *incident, in *pipeline.Intent) guardBudget {
	limit, ok := s.cfg.HourlyCap[in.Action]
	if !ok {
		if limit, ok = s.cfg.HourlyCap["*"]; !ok {
			limit = math.MaxInt32
		}
	}
	out := guardBudget{Name: in.Action + "/1h", Cap: (limit + s.cfg.Partitions - 1) / s.cfg.Partitions}
	if b := s.budgets.Get(budgetKey(inc, in.Action)); b != nil {
		out.Used = (*b)[int64(inc.Now/hour)]
	}
	return out
}

// spend counts a containing intent that was let through, once.
func (s *Stage) spend(inc *incident, st *step) {
	if st.Counted || !st.Intent.Effect.Containing() {
		return
	}
	st.Counted = true
	b := s.budgets.Edit(budgetKey(inc, st.Intent.Action))
	if *b == nil {
		*b = budget{}
	}
	now := int64(inc.Now / hour)
	(*b)[now]++
	for h := range *b {
		if h < now-hoursKept {
			delete(*b, h)
		}
	}
	g := s.groups.Edit(groupKey(inc.Incident.Tenant, inc.Incident.Group))
	if g.Actions == nil {
		g.Actions = map[string]int{}
	}
	g.Actions[st.Intent.Action]++
}
