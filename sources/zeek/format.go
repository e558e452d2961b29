// Package zeek reads the logs of Zeek as JSON: with _path and dotted names, as the JSON
// streaming logs package writes them, and with @stream and underscores, as the Kafka writer
// of Corelight and RockNSM does.
package zeek

import (
	_ "embed"

	"github.com/riposte-sec/riposte/pipeline"
)

//go:embed mapping.yaml
var mapping []byte

// Format returns the source "zeek", topic raw.zeek.
func Format() pipeline.Format { return pipeline.Format{Name: "zeek", Mapping: mapping} }
