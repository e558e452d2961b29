package edl

import (
	"fmt"

	"github.com/riposte-sec/riposte/pipeline"
)

// The reasons for refusing an action, and for doing it later. What can be in doubt is marked
// by the [pipeline.Put] that writes.
const (
	reasonAction    = "no_action"
	reasonTarget    = "bad_target"
	reasonProtected = "protected"
	reasonFull      = "list_full"
	reasonRestoring = "restoring"
)

func reject(reason, format string, args ...any) error {
	return pipeline.AsReject(reason, fmt.Errorf("edl: "+format, args...))
}
