package decide

import (
	"context"
	"slices"
	"strconv"

	"github.com/riposte-sec/riposte/pipeline"
)

// fallbackEngine is the engine of a decision that no policy made.
const fallbackEngine = "fallback"

// answer asks the policy if ask says so and the bounds allow it, acts on what it wants, and
// emits the revision.
func (s *Stage) answer(ctx context.Context, b *pipeline.Batch, r *pipeline.Record, inc *incident, fact *pipeline.Fact, ask bool) error {
	d := &inc.Decision
	d.Added, d.Removed, d.Denied, d.ID = 0, 0, 0, s.decisionID(inc)
	if ask && s.mayAsk(inc, byPerson(fact)) {
		doc, err := s.consult(ctx, inc)
		if err != nil {
			return err
		}
		p := &pass{stage: s, ctx: ctx, b: b, inc: inc}
		if err := p.run(doc); err != nil {
			return err
		}
		if doc != nil && doc.close != "" && inc.Incident.Status != pipeline.IncidentClosed {
			inc.learnDisposition(doc.close, r.Time)
		}
	}
	inc.conclude(r.Time)
	return emitRevision(b, inc, fact)
}

func (s *Stage) decisionID(inc *incident) pipeline.ID {
	return pipeline.HashID("decision", inc.Incident.ID.View(),
		strconv.FormatUint(inc.Incident.Revision, 10), s.parts.Decide.Revision())
}

func byPerson(fact *pipeline.Fact) bool {
	return slices.Contains([]string{pipeline.FactApproval, pipeline.FactDisposition, pipeline.FactOverride}, fact.Kind)
}

const minute = pipeline.Millis(60_000)

// mayAsk applies the bounds that make every incident come to rest. A person's word is never
// held back: people tire by themselves.
func (s *Stage) mayAsk(inc *incident, person bool) bool {
	if person {
		return true
	}
	if inc.Asked >= s.cfg.MaxEvaluations {
		inc.flag("evaluation_limit")
		inc.Incident.WantsHuman = true
		return false
	}
	inc.Minute = slices.DeleteFunc(inc.Minute, func(at pipeline.Millis) bool { return at <= inc.Now-minute })
	if len(inc.Minute) >= s.cfg.MaxPerMinute {
		inc.set(inc.Minute[0]+minute, timerDefer)
		return false
	}
	inc.unset(timerDefer)
	inc.Minute = append(inc.Minute, inc.Now)
	inc.Asked++
	return true
}

// consult asks the policy and makes its answer the incident's decision. Without an answer
// the incident gets the priority of its severity and the document is nil (I9). An error is
// returned only when the evaluation was interrupted.
func (s *Stage) consult(ctx context.Context, inc *incident) (*document, error) {
	in, digest, err := s.input(inc)
	if err != nil {
		return nil, err
	}
	d := &inc.Decision
	*d = pipeline.Decision{
		ID: d.ID, Mode: s.decisionMode(), Bundle: s.parts.Decide.Revision(), Guard: s.parts.Guard.Revision(),
		Engine: s.parts.Decide.Engine(), InputDigest: digest, Playbook: d.Playbook, Steps: d.Steps,
		Context: s.contextUse(inc.Now),
	}
	out, err := s.parts.Decide.Eval(ctx, in)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var doc *document
	if err == nil {
		doc, err = decodeDocument(out)
	}
	if err != nil {
		s.fallBack(inc, err)
		return nil, nil
	}
	d.Priority, d.Score, d.Playbook, d.Reasons, d.Steps = doc.priority, doc.score, doc.playbook, doc.reasons, doc.steps
	d.Close = doc.close
	inc.Playbook = doc.playbook.ID
	inc.unset(timerWake)
	if doc.wakeAt > inc.Now {
		d.WakeAt = doc.wakeAt
		inc.set(doc.wakeAt, timerWake)
	}
	return doc, nil
}

func (s *Stage) decisionMode() string {
	if s.cfg.Mode == guardShadow {
		return guardShadow
	}
	return "live"
}

// fallBack decides without a policy: what is wanted stays as it is, nothing is added.
func (s *Stage) fallBack(inc *incident, cause error) {
	d := &inc.Decision
	d.Engine, d.Error = fallbackEngine, clip(cause.Error(), 512)
	d.Priority = inc.staticPriority()
	d.Reasons = []pipeline.Reason{{Code: "POLICY_ERROR", Text: "the policy has no answer; priority by severity"}}
	if d.Playbook.ID == "" {
		d.Playbook = pipeline.PlaybookRef{ID: "riposte.fallback", Version: "1.0.0"}
	}
	if d.Steps == nil {
		d.Steps = []pipeline.Step{}
	}
	inc.Incident.WantsHuman = true
}

// staticPriority is the priority of the highest severity among the alerts.
func (inc *incident) staticPriority() uint8 {
	var worst uint8
	for i := range inc.Alerts {
		if !inc.Alerts[i].Withdrawn {
			worst = max(worst, inc.Alerts[i].Severity)
		}
	}
	switch {
	case worst >= 5:
		return 1
	case worst >= 2:
		return 6 - worst // 4 high = 2, 3 medium = 3, 2 low = 4
	}
	return 5
}

// clip cuts s to at most n bytes, at a character's edge.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}

// conclude derives what the incident as a whole has come to.
func (inc *incident) conclude(at pipeline.Millis) {
	in := &inc.Incident
	if inc.Decision.Priority != 0 {
		in.Priority = inc.Decision.Priority
	}
	wanted, done, approved := 0, 0, false
	for i := range inc.Steps {
		st := &inc.Steps[i]
		if !st.Wanted || !st.Intent.Effect.Containing() {
			continue
		}
		in.WantsAction = true
		wanted++
		if st.Status == statusDone {
			done++
			approved = approved || len(st.Intent.Got) > 0
		}
	}
	if in.Status != pipeline.IncidentOpen && in.Status != pipeline.IncidentContained {
		return
	}
	in.Status = pipeline.IncidentOpen
	if wanted == 0 || done < wanted {
		return
	}
	in.Status = pipeline.IncidentContained
	if inc.Times.Verified == 0 {
		inc.Times.Verified = at
	}
	switch {
	case in.Mode == "manual":
	case approved:
		in.Mode = "approved"
	default:
		in.Mode = "auto"
	}
}
