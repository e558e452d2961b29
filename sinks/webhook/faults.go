package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// The reasons of this connector's faults.
const (
	reasonAction   = "no_action"
	reasonUndo     = "no_undo"
	reasonRequest  = "bad_request"
	reasonAddress  = "address"       // the receiver's name leads to an address that is not allowed
	reasonConnect  = "connect"       // nothing was sent
	reasonTimeout  = "timeout"       // sent, and no answer in time
	reasonBroken   = "broken"        // sent, and the connection broke
	reasonServer   = "server_error"  // 5xx: the receiver stumbled, before or after its effect
	reasonBusy     = "busy"          // 408, 425, 429, 503
	reasonRedirect = "redirect"      // 3xx: redirects are not followed
	reasonRefused  = "refused"       // 4xx
	reasonCanceled = "canceled"      // we ended
	maxAfter       = 1 * time.Hour   // longest wish of a server that is obeyed
	defaultAfter   = 0 * time.Second // the engine's own pace
)

// classify marks an error of the transport. What was not sent did not happen.
func classify(err error, sent bool) error {
	wrapped := fmt.Errorf("webhook: %w", err)
	switch {
	case errors.Is(err, errAddress):
		return pipeline.AsReject(reasonAddress, wrapped)
	case !sent && errors.Is(err, context.Canceled):
		return pipeline.AsRetry(reasonCanceled, defaultAfter, wrapped)
	case !sent:
		return pipeline.AsRetry(reasonConnect, defaultAfter, wrapped)
	case errors.Is(err, context.DeadlineExceeded):
		return pipeline.AsUnknown(reasonTimeout, wrapped)
	case errors.Is(err, context.Canceled):
		return pipeline.AsUnknown(reasonCanceled, wrapped)
	}
	return pipeline.AsUnknown(reasonBroken, wrapped)
}

// byStatus marks an answer that is no success; nil for 2xx.
func byStatus(res *http.Response, now time.Time) error {
	err := fmt.Errorf("webhook: the receiver answered %d", res.StatusCode)
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return pipeline.AsReject(reasonRedirect, err)
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests,
		code == http.StatusServiceUnavailable:
		return pipeline.AsRetry(reasonBusy, retryAfter(res.Header, now), err)
	case code >= 500:
		return pipeline.AsUnknown(reasonServer, err)
	}
	return pipeline.AsReject(reasonRefused, err)
}

// retryAfter reads Retry-After (RFC 9110, 10.2.3) in both forms; what cannot be read is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	after := defaultAfter
	if n, err := strconv.Atoi(text); err == nil {
		after = time.Duration(min(max(n, 0), int(maxAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		after = at.Sub(now)
	}
	return min(max(after, 0), maxAfter)
}
