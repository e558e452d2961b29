package pipeline

// Consumer is what one correlation wants to know of the signals of one rule. The match
// stage makes a signal of its own for each consumer of a matching rule: it carries the
// values of the paths of Group, in that order, and those of Fields that the event has.
// A path is an OCSF path, "unmapped." and a path into the vendor's object, or
// "entity.<kind>" for the first entity of that kind. An event that lacks a path of Group
// makes no signal for that consumer.
type Consumer struct {
	Step   string   // id of the correlation: Signal.Step
	Rule   string   // id of the detection: Signal.Rule
	Group  []string // the correlation's group-by with its aliases resolved for Rule
	Fields []string // paths of further values that the correlation reads
	// Form tells what the signals hold: Signal.Form. Signals of another form were made for
	// an earlier text of the correlation and are not the ones that it means.
	Form string
}
