package correlate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// Route says how alerts become incidents: which belong together, and how long they wait for
// each other. The names are those of Alertmanager; the times are the broker's.
type Route struct {
	Match Matcher // the empty one matches all
	// GroupBy names what the alerts of one incident have in common: "rule", "severity",
	// "group" or "entity.<kind>". Empty: the entity that the correlation's document says.
	GroupBy []string
	// GroupWait is how long the first alert of a group waits for others. 0: it does not.
	GroupWait time.Duration
	// GroupInterval is how long after the last word of a group a further alert of it waits.
	GroupInterval time.Duration
	// RepeatInterval is after what time an alert that goes on is told again, at its next
	// signal, although its number of signals has not doubled. 0: never.
	RepeatInterval time.Duration
}

// maxWait bounds how long an alert may wait.
const maxWait = 24 * time.Hour

func (r *Route) validate() error {
	var errs []error
	bad := func(name string, d, most time.Duration) {
		if d < 0 || d > most {
			errs = append(errs, fmt.Errorf("route: %s %s: want 0 to %s", name, d, most))
		}
	}
	bad("group_wait", r.GroupWait, maxWait)
	bad("group_interval", r.GroupInterval, maxWait)
	bad("repeat_interval", r.RepeatInterval, maxSpan)
	for _, label := range r.GroupBy {
		kind, isEntity := strings.CutPrefix(label, "entity.")
		switch {
		case isEntity && pipeline.EntityKindOf(kind) != pipeline.EntityNone:
		case label == "rule" || label == "severity" || label == "group":
		default:
			errs = append(errs, fmt.Errorf("route: group_by %q: want rule, severity, group or entity.<kind>", label))
		}
	}
	return errors.Join(errs...)
}

// route returns the first route that is meant for a.
func (c *Config) route(a *pipeline.Alert) *Route {
	for i := range c.Routes {
		if c.Routes[i].Match.Matches(a) {
			return &c.Routes[i]
		}
	}
	return &c.Route
}

// group names the incident group of an alert. Labels that it does not have are left out; an
// alert that has none of them belongs to its rule.
func (r *Route) group(c *Correlation, a *pipeline.Alert) string {
	if len(r.GroupBy) == 0 {
		return incidentGroup(c, a)
	}
	var parts []string
	for _, label := range r.GroupBy {
		if part := labelOf(label, a); part != "" {
			parts = append(parts, part)
		}
	}
	switch len(parts) {
	case 0:
		return ruleGroup(a.Rule)
	case 1:
		return parts[0]
	}
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], ",", "%2C")
	}
	return strings.Join(parts, ",")
}

func labelOf(label string, a *pipeline.Alert) string {
	switch label {
	case "rule":
		return ruleGroup(a.Rule)
	case "severity":
		return fmt.Sprintf("severity:%d", a.Severity)
	case "group":
		return "group:" + strings.ReplaceAll(strings.Join(a.Group, "+"), "\x1f", "\u241f")
	}
	kind := strings.TrimPrefix(label, "entity.")
	if i := slices.IndexFunc(a.Entities, func(e pipeline.EntityValue) bool { return e.Kind == kind }); i >= 0 {
		return kind + ":" + a.Entities[i].Value
	}
	return ""
}

// ruleGroup is the incident group that a rule's own incident has.
func ruleGroup(rule string) string { return "rule:" + rule }
