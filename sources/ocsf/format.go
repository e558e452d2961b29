// Package ocsf takes events that are OCSF already: what has a place in riposte's own subset
// keeps it, all of it stays under unmapped.
package ocsf

import (
	_ "embed"

	"github.com/riposte-sec/riposte/pipeline"
)

//go:embed mapping.yaml
var mapping []byte

// Format returns the source "ocsf", topic raw.ocsf.
func Format() pipeline.Format { return pipeline.Format{Name: "ocsf", Mapping: mapping} }
