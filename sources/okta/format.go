// Package okta reads events of the Okta system log (LogEvent of the System Log API), one
// per record.
package okta

import (
	_ "embed"

	"github.com/riposte-sec/riposte/pipeline"
)

//go:embed mapping.yaml
var mapping []byte

// Format returns the source "okta", topic raw.okta.
func Format() pipeline.Format { return pipeline.Format{Name: "okta", Mapping: mapping} }
