package okta

import (
	"testing"

	"github.com/riposte-sec/riposte/pipeline/normalise/normalisetest"
)

func TestEventsLookAsReviewed(t *testing.T) {
	t.Parallel()
	normalisetest.Golden(t, Format())
}
