package main

import (
	"context"
	"errors"
)

// latencyRatio is n6.
func latencyRatio(context.Context, *suite) (float64, error) {
	return 0, errors.New("not reachable")
}
