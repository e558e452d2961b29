package pipeline

import (
	"encoding/json"
	"fmt"
)

// SchemaFact is the value of HeaderSchema of a fact (schemas/json/fact.v1.json).
const SchemaFact = "fact/1"

// AppendJSON appends the fact's JSON form, with members in a fixed order, so that equal
// facts have equal bytes. It panics for an Outcome whose Result is no valid JSON.
func (f *Fact) AppendJSON(dst []byte) []byte {
	p, err := json.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("BUG: fact %s has no JSON form: %v", f.ID, err))
	}
	return append(dst, p...)
}

// DecodeFact reads what AppendJSON wrote; the fact has memory of its own. Members that it
// does not know are skipped. Errors are marked Reject, with the reason "malformed".
func DecodeFact(value []byte) (*Fact, error) {
	var f Fact
	if err := json.Unmarshal(value, &f); err != nil {
		return nil, AsReject("malformed", fmt.Errorf("fact: %w", err))
	}
	if f.ID.IsZero() || f.Tenant == "" || f.Group == "" || f.Kind == "" {
		return nil, AsReject("malformed", fmt.Errorf("fact %s: id, tenant, group and kind are required", f.ID))
	}
	if f.Kind == FactAlert && f.Alert == nil {
		return nil, AsReject("malformed", fmt.Errorf("fact %s: no alert", f.ID))
	}
	return &f, nil
}
