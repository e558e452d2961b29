package decide

import (
	"encoding/json"
	"fmt"

	"github.com/riposte-sec/riposte/pipeline"
)

// The values of HeaderSchema of what the stage writes.
const (
	schemaDecision = "decision/1"
	schemaIntent   = "intent/1"
	schemaFact     = "fact/1"
)

// message builds a message in the batch's arena; key is made of its parts.
func message(b *pipeline.Batch, topic, schema, tenant string, id pipeline.ID, value []byte, key ...string) pipeline.Message {
	return pipeline.Message{
		Topic: topic,
		Key:   b.Arena.Append(128, func(dst []byte) []byte { return pipeline.AppendKey(dst, key...) }),
		Value: b.Arena.Copy(value),
		Headers: []pipeline.Header{
			{Key: pipeline.HeaderSchema, Value: []byte(schema)},
			{Key: pipeline.HeaderTenant, Value: []byte(tenant)},
			{Key: pipeline.HeaderID, Value: []byte(id.String())},
		},
	}
}

// emitRevision appends the incident with the decision that answers the fact.
func emitRevision(b *pipeline.Batch, inc *incident, fact *pipeline.Fact) error {
	in := &inc.Incident
	rev := pipeline.Revision{
		Incident: *in, Decision: inc.Decision,
		Fact: pipeline.FactRef{ID: fact.ID, Kind: fact.Kind, Ref: fact.Ref},
	}
	value, err := json.Marshal(&rev)
	if err != nil {
		return fmt.Errorf("decide: revision of %s: %w", in.ID, err)
	}
	times, err := json.Marshal(&inc.Times)
	if err != nil {
		return fmt.Errorf("decide: times of %s: %w", in.ID, err)
	}
	m := message(b, pipeline.TopicDecisions, schemaDecision, in.Tenant, in.ID, value, in.Tenant, in.Group)
	m.Headers = append(m.Headers, pipeline.Header{Key: pipeline.HeaderTimes, Value: times})
	b.Emit(m)
	return nil
}

// emitIntent appends an intent under its target's key.
func emitIntent(b *pipeline.Batch, in *pipeline.Intent) error {
	value, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("decide: intent %s: %w", in.ID, err)
	}
	b.Emit(message(b, pipeline.TopicIntents, schemaIntent, in.Tenant, in.ID, value, in.Tenant, in.Target.Kind+":"+in.Target.Value))
	return nil
}
