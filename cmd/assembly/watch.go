package assembly

import (
	"log/slog"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/riposte-sec/riposte/policies/engine"
)

// Watch says how OPA's own interpreter judges what the policy engine answers. Answers do
// not depend on it, unless the engine is wrong: then the interpreter's count. The zero value
// judges a sample and tells nobody.
type Watch struct {
	// Now bounds the first minute of a bundle, in which every event and decision is judged.
	// Nil: there is no such minute.
	Now func() time.Time
	// Log is told of each difference, with the event and both results. Nil: nobody.
	Log *slog.Logger
}

// The policies that are watched; they label the metrics.
const (
	policyDetections = "detections"
	policyDecide     = "decide"
	policyGuard      = "guard"
)

// Distances between what is judged after the first minute. Events are many and decisions
// few: both cost a few per cent of the time that their evaluation takes.
const (
	eventsPerJudged    = 1000
	decisionsPerJudged = 50
)

// of returns the configuration for one policy.
func (w Watch) of(policy string) engine.LiveConfig {
	c := engine.LiveConfig{Every: decisionsPerJudged, Probation: -1}
	if policy == policyDetections {
		c.Every = eventsPerJudged
	}
	if w.Now != nil {
		c.Now, c.Probation = w.Now, time.Minute
	}
	if w.Log != nil {
		c.OnDifference = func(d engine.Difference) {
			w.Log.Error("the policy engine differs from OPA: OPA answers from now on", "policy", policy, "entry", d.Entry,
				"revision", d.Revision, "event", brief(d.Input), "engine", brief(d.Machine), "opa", brief(d.Topdown), "err", d.Err)
		}
	}
	return c
}

// maxLogged bounds each value of a difference in the log: an event may have a megabyte.
const maxLogged = 32 << 10

func brief(v ast.Value) string {
	if v == nil {
		return "undefined"
	}
	s := v.String()
	if len(s) > maxLogged {
		return s[:maxLogged] + "..."
	}
	return s
}
