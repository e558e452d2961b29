package oracle

import "time"

// Kind is a kind of correlation, by the name that documents give it.
type Kind string

// The kinds that the oracle can predict.
const (
	EventCount      Kind = "event_count"
	ValueCount      Kind = "value_count"
	ValueSum        Kind = "value_sum"
	ValueAvg        Kind = "value_avg"
	Temporal        Kind = "temporal"
	TemporalOrdered Kind = "temporal_ordered"
	Absence         Kind = "absence"
	FirstSeen       Kind = "first_seen"
)

// Correlation is a correlation under test. It groups by the source address, looks at the
// destination port where it looks at a value, and names no source whose silence would
// matter.
type Correlation struct {
	ID      string
	Kind    Kind
	Rules   []string // ids of detections, in the order of the document
	Span    time.Duration
	AtLeast int // signals, different values, their sum or their average; of the counting kinds
}

// Jitter is how far behind its time of sending a correlated record claims to have
// happened, at most: it comes in any order, but inside every lateness of a minute.
const Jitter = 5 * time.Second

// step is a detection that correlations look at, and the signature that it matches.
type step struct {
	rule      string
	signature signature
}

var steps = []step{
	{"oracle_step_a", signature{1009011, "ORACLE STEP A", "Misc activity", 3}},
	{"oracle_step_b", signature{1009012, "ORACLE STEP B", "Misc activity", 3}},
	{"oracle_step_c", signature{1009013, "ORACLE STEP C", "Misc activity", 3}},
}

// Steps returns the detections that match correlated records and nothing else, with the
// signature id that each of them looks for.
func Steps() map[string]int {
	m := make(map[string]int, len(steps))
	for _, s := range steps {
		m[s.rule] = s.signature.id
	}
	return m
}

// Correlations returns one correlation of every kind over the detections of Steps.
func Correlations() []Correlation {
	a, b, c := steps[0].rule, steps[1].rule, steps[2].rule
	const span = 6 * time.Second
	return []Correlation{
		{ID: "oracle_event_count", Kind: EventCount, Rules: []string{a}, Span: span, AtLeast: 4},
		{ID: "oracle_value_count", Kind: ValueCount, Rules: []string{a}, Span: span, AtLeast: 3},
		{ID: "oracle_value_sum", Kind: ValueSum, Rules: []string{b}, Span: span, AtLeast: 18},
		{ID: "oracle_value_avg", Kind: ValueAvg, Rules: []string{c}, Span: span, AtLeast: 5},
		{ID: "oracle_temporal", Kind: Temporal, Rules: []string{a, c}, Span: span},
		{ID: "oracle_ordered", Kind: TemporalOrdered, Rules: []string{a, b, c}, Span: span},
		{ID: "oracle_absence", Kind: Absence, Rules: []string{b, c}, Span: span},
		{ID: "oracle_first_seen", Kind: FirstSeen, Rules: []string{b}, Span: 2 * span},
	}
}
