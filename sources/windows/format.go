// Package windows reads the Windows event log as JSON, in the flat shape of NXLog and in the
// nested one of evtx tools.
package windows

import (
	_ "embed"

	"github.com/riposte-sec/riposte/pipeline"
)

//go:embed mapping.yaml
var mapping []byte

// Format returns the source "windows", topic raw.windows.
func Format() pipeline.Format { return pipeline.Format{Name: "windows", Mapping: mapping} }
