// Package suricata reads the EVE JSON log of Suricata (https://docs.suricata.io, "EVE JSON
// Format"): one object per record, as the eve-log output writes it.
package suricata

import (
	_ "embed"

	"github.com/riposte-sec/riposte/pipeline"
)

//go:embed mapping.yaml
var mapping []byte

// Format returns the source "suricata", topic raw.suricata.
func Format() pipeline.Format { return pipeline.Format{Name: "suricata", Mapping: mapping} }
