package pipeline

import (
	"encoding/json"
	"fmt"
)

// SchemaControl is that of a Control.
const SchemaControl = "control/1"

// Control is what the stages behind TopicSignals tell each other, over all partitions: a
// record of it lies on every partition of TopicSignals (Message.Everywhere). It is no
// signal, is not recorded, and is of no use to other consumers, who skip it by its header
// HeaderSchema. Hearing it twice changes nothing.
type Control struct {
	Kind   string `json:"kind"`
	Tenant string `json:"tenant"`
	// Source is alive: it had an event at the time At.
	Source string `json:"source,omitempty"`
	At     Millis `json:"at,omitempty"`
	// An alert of Rule is open until a time, zero if it was taken back. Seq counts what was
	// told of it.
	Rule     string        `json:"rule,omitempty"`
	Alert    *ID           `json:"alert,omitempty"`
	Seq      uint64        `json:"seq,omitempty"`
	Until    Millis        `json:"until,omitempty"`
	Entities []EntityValue `json:"entities,omitempty"`
}

// The kinds of Control.
const (
	ControlAlive = "alive"
	ControlAlert = "alert"
)

// IsControl reports whether a record of TopicSignals is a Control.
func IsControl(r *Record) bool { return string(r.Header(HeaderSchema)) == SchemaControl }

// DecodeControl decodes the value of a record. An error is marked FaultReject. A kind that
// it does not know is of a newer writer.
func DecodeControl(value []byte) (Control, error) {
	var c Control
	if err := json.Unmarshal(value, &c); err != nil {
		return c, AsReject("json", fmt.Errorf("control: %w", err))
	}
	return c, nil
}

// Control emits c to every partition of TopicSignals.
func (b *Batch) Control(c *Control) {
	value, err := json.Marshal(c)
	if err != nil {
		panic("BUG: a control is not JSON: " + err.Error())
	}
	b.Emit(Message{
		Topic: TopicSignals, Everywhere: true, Value: b.Arena.Copy(value),
		Headers: []Header{{HeaderSchema, []byte(SchemaControl)}, {HeaderTenant, []byte(c.Tenant)}},
	})
}
