package correlate

import "github.com/riposte-sec/riposte/pipeline"

// What a signal says of the entities that it groups by, as the context knew them when the
// event was matched: the highest criticality of an asset, and whether an identity is
// privileged. Signals carry it, so that correlation looks nothing up.
const (
	fieldCriticality = "context.criticality"
	fieldPrivileged  = "context.privileged"
)

// The factors by which the importance of the entity multiplies what a signal weighs. An
// asset of medium or unknown criticality and an ordinary identity are the measure: 1.
const (
	factorCrown      = 2
	factorHigh       = 1.5
	factorLow        = 0.75
	factorPrivileged = 1.5
)

// importance returns the factor of a signal with those fields, 0.75 to 3.
func importance(fields map[string]string) float64 {
	f := 1.0
	switch fields[fieldCriticality] {
	case pipeline.CriticalityCrown:
		f = factorCrown
	case pipeline.CriticalityHigh:
		f = factorHigh
	case pipeline.CriticalityLow:
		f = factorLow
	}
	if fields[fieldPrivileged] == "true" {
		f *= factorPrivileged
	}
	return f
}
