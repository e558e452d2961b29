package pipeline

// Signal is "detection D matched event E": stateless, one per match and consumer. Its JSON
// form (schemas/json/signal.v1.json) lies on TopicSignals.
type Signal struct {
	ID       ID     `json:"signal_id"` // hash(event, rule, step)
	Event    ID     `json:"event_id"`
	Tenant   string `json:"tenant"`
	Rule     string `json:"rule"`           // detection id
	Step     string `json:"step"`           // correlation that consumes it; empty: the detection's own alert
	Form     string `json:"form,omitempty"` // digest of the paths behind Group and Fields; empty: they are not said
	Source   string `json:"source"`
	Class    Class  `json:"class_uid"`
	Severity uint8  `json:"severity_id"` // of the rule, OCSF severity_id
	Title    string `json:"title"`

	// Group holds the values of the group-by fields in the order in which the rule or the
	// correlation names them. Absent fields make no signal.
	Group []string `json:"group"`
	// Fields are further values that the consuming correlation reads (the field of a
	// value_count or value_sum), by OCSF path or "unmapped." path.
	Fields map[string]string `json:"fields,omitempty"`

	Tactics    []string      `json:"tactics,omitempty"`    // ATT&CK, TAnnnn
	Techniques []string      `json:"techniques,omitempty"` // ATT&CK, Tnnnn[.nnn]
	Entities   []EntityValue `json:"entities"`             // of the event, e:1 first
	Flags      []string      `json:"flags,omitempty"`      // names of Flags
	At         Millis        `json:"time"`                 // event time
	Ingested   Millis        `json:"logged_time"`          // broker append time on raw.<source>
}

// EntityValue is the form of an Entity on topics.
type EntityValue struct {
	Kind    string `json:"kind"`
	Value   string `json:"value"`
	Role    string `json:"role,omitempty"`
	Content bool   `json:"content,omitempty"`
}

// AppendKey appends the signal's key on TopicSignals. The rule is not part of it: all
// correlations over the same values see their signals in the same partition, so that one
// correlation can use what another one found without a way over the topic.
func (s *Signal) AppendKey(dst []byte) []byte {
	if len(s.Group) == 0 {
		if s.Step == "" {
			return AppendKey(dst, s.Tenant, s.Rule)
		}
		return AppendKey(dst, s.Tenant, s.Step)
	}
	dst = append(dst, s.Tenant...)
	for _, g := range s.Group {
		dst = append(append(dst, 0x1f), g...)
	}
	return dst
}

// SignalID is the identity of the signal that rule makes of event for step.
func SignalID(event ID, rule, step string) ID { return HashID("signal", event.View(), rule, step) }
