package respond

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/riposte-sec/riposte/pipeline"
)

// The values of HeaderSchema of what the stage writes.
const (
	schemaOutcome = "outcome/1"
	schemaFact    = "fact/1"
)

// tell emits an outcome, and the fact that brings it back to its incident.
func (p *pass) tell(l *lease, t told) {
	in := &l.Intent
	l.Seq++
	o := &pipeline.Outcome{
		Intent: in.ID, Seq: l.Seq, Tenant: in.Tenant, Incident: in.Incident, Group: in.Group, Connector: in.Connector,
		Action: in.Action, Effect: in.Effect, Step: in.Step, Target: in.Target, Phase: t.phase, State: t.state,
		Attempt: max(l.Attempt, 1), Started: t.started, Done: t.done, VendorRef: l.Ref, Already: t.already,
		Fault: t.fault, Detail: t.detail, Actor: "engine", Flags: in.Flags, Result: t.result,
	}
	if l.State == statePlaced {
		o.Expires = l.Expires
	}
	id := pipeline.HashID("outcome", in.ID.View(), strconv.FormatUint(uint64(l.Seq), 10))
	p.emit(pipeline.TopicOutcomes, schemaOutcome, o, id, o.Tenant, in.Target.Kind+":"+in.Target.Value)
	p.emit(pipeline.TopicFacts, schemaFact, &pipeline.Fact{
		ID: id, Tenant: o.Tenant, Group: o.Group, Kind: pipeline.FactOutcome, Ref: in.ID, Time: p.eventTime(l),
		Actor: "connector:" + o.Connector, Summary: summary(o), Outcome: o,
	}, id, o.Tenant, o.Group)
	m := &p.b.Out[len(p.b.Out)-1]
	times, err := json.Marshal(pipeline.Times{Decided: l.Decided})
	if err != nil {
		panic(fmt.Sprintf("BUG: times have no JSON form: %v", err))
	}
	m.Headers = append(m.Headers, pipeline.Header{Key: pipeline.HeaderTimes, Value: times})
}

func summary(o *pipeline.Outcome) string {
	text := o.Action + " on " + o.Target.Kind + " " + o.Target.Value + ": " + o.Phase + " " + o.State
	if o.Fault != "" {
		text += " (" + o.Fault + ")"
	}
	return clip(text, 256)
}

// eventTime is the decision's event time plus what has passed on our clock since the intent
// was appended: policies that replay last year's events see minutes pass, not a year.
func (p *pass) eventTime(l *lease) pipeline.Millis {
	return l.Intent.Created + max(p.now-l.Decided, 0)
}

func (p *pass) emit(topic, schema string, v any, id pipeline.ID, key ...string) {
	value, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("BUG: %T has no JSON form: %v", v, err))
	}
	p.b.Emit(pipeline.Message{
		Topic: topic,
		Key:   p.b.Arena.Append(128, func(dst []byte) []byte { return pipeline.AppendKey(dst, key...) }),
		Value: p.b.Arena.Copy(value),
		Headers: []pipeline.Header{
			{Key: pipeline.HeaderSchema, Value: []byte(schema)},
			{Key: pipeline.HeaderTenant, Value: []byte(key[0])},
			{Key: pipeline.HeaderID, Value: []byte(id.String())},
		},
	})
}
