package decide

import (
	"errors"
	"fmt"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// The decisions of the guard.
const (
	guardAllow   = "allow"
	guardApprove = "approve"
	guardDeny    = "deny"
	guardShadow  = "shadow"
)

// ruling is what the policy riposte.guard returns (schemas/json/guard-document.v1.json).
type ruling struct {
	decision string
	need     int
	roles    []string
	ttlMax   time.Duration // 0 = no limit of the guard's
	reasons  []pipeline.Reason
}

// decodeRuling reads a guard document. It accepts what the schema accepts, nothing else.
func decodeRuling(p []byte) (*ruling, error) {
	v, err := decodeAny(p)
	if err != nil {
		return nil, err
	}
	var r reader
	m := r.object("$", v, []string{"decision"}, "need", "roles", "ttl_max", "reasons")
	g := &ruling{
		decision: r.oneOf("$", m, "decision", guardAllow, guardApprove, guardDeny, guardShadow),
		roles:    r.matches("$", m, "roles", 8, reStep),
		ttlMax:   span(r.member("$", m, "ttl_max", reDuration)),
	}
	need := r.number("$", m, "need", 0, 3)
	if g.need = int(need); need != float64(g.need) {
		r.fail("$.need", "want a whole number")
	}
	r.list("$", m, "reasons", 16, func(path string, v any) {
		reason := r.reason(path, v)
		g.reasons = append(g.reasons, reason)
	})
	if err := errors.Join(r.errs...); err != nil {
		return nil, fmt.Errorf("guard document: %w", err)
	}
	return g, nil
}
