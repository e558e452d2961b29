package edl

import (
	"fmt"

	"github.com/riposte-sec/riposte/pipeline"
)

// The reasons for refusing an action. Nothing here can be in doubt or fail for a while: the
// lists are in memory.
const (
	reasonAction    = "no_action"
	reasonTarget    = "bad_target"
	reasonProtected = "protected"
	reasonFull      = "list_full"
)

func reject(reason, format string, args ...any) error {
	return pipeline.AsReject(reason, fmt.Errorf("edl: "+format, args...))
}
