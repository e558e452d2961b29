package log

import (
	"fmt"

	"github.com/riposte-sec/riposte/pipeline"
)

// The reasons of this connector's faults.
const (
	reasonAction = "no_action"
	reasonWrite  = "write"
)

// classify marks the error of a handler: half a line may have been written.
func classify(err error) error {
	return pipeline.AsUnknown(reasonWrite, fmt.Errorf("log: %w", err))
}
