// Package cloudtrail reads events of AWS CloudTrail, one per record, as EventBridge and the
// usual shippers write them. A whole log file ({"Records": [...]}) is rejected as a batch:
// a record must have one identity.
package cloudtrail

import (
	_ "embed"

	"github.com/riposte-sec/riposte/pipeline"
)

//go:embed mapping.yaml
var mapping []byte

// Format returns the source "cloudtrail", topic raw.cloudtrail.
func Format() pipeline.Format { return pipeline.Format{Name: "cloudtrail", Mapping: mapping} }
