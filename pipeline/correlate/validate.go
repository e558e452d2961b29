package correlate

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The spans that a document may ask for.
const (
	minSpan = time.Second
	maxSpan = 90 * 24 * time.Hour
	// minLearning keeps the end of learning out of reach of signals that are still on their
	// way, so that a late one cannot turn a known value into a new one.
	minLearning = time.Hour
	maxRules    = 64
)

// needs says what a type wants of its document.
var needs = map[Type]struct {
	number, field, one, many bool
}{
	EventCount: {number: true}, ValueCount: {number: true, field: true}, ValueSum: {number: true, field: true, one: true},
	ValueAvg: {number: true, field: true, one: true}, ValuePercentile: {number: true, field: true, one: true},
	Temporal: {}, TemporalOrdered: {many: true}, Absence: {many: true},
	FirstSeen: {field: true}, Risk: {number: true},
}

func (c *Correlation) setExpr(text string) error {
	if text == "" {
		if c.Type == Temporal {
			c.Expr = allOf(c.Rules, c.Cond)
		}
		return nil
	}
	e, err := ParseExpr(text, c.Rules)
	switch {
	case c.Type == TemporalOrdered:
		if err == nil && !e.wantsAll(len(c.Rules)) {
			err = errors.New("temporal_ordered: condition: all rules must be seen, which needs no condition")
		}
		return err
	case c.Type != Temporal:
		return fmt.Errorf("%s: condition wants a mapping, an expression is for temporal", c.Type)
	}
	c.Expr = e
	return err
}

// wantsAll reports whether e is the conjunction of all n rules.
func (e *Expr) wantsAll(n int) bool {
	seen := map[int]bool{}
	for _, a := range e.args {
		if a.op != opRule || a.n != 1 {
			return false
		}
		seen[a.step] = true
	}
	return e.op == opAnd && len(seen) == n
}

// allOf is the expression of a temporal correlation without one: all rules, or as many
// different ones as the mapping says (gte, gt, eq).
func allOf(rules []string, cond Condition) *Expr {
	e := &Expr{op: opOf, n: len(rules)}
	for i := range rules {
		e.steps = append(e.steps, i)
	}
	if cond.HasMin && cond.Min >= 1 {
		e.n = min(int(cond.Min), len(rules))
		if cond.OpenMin {
			e.n = min(e.n+1, len(rules))
		}
	}
	return e
}

func (c *Correlation) validate() error {
	need, ok := needs[c.Type]
	if !ok {
		return fmt.Errorf("type %q: want event_count, value_count, value_sum, value_avg, value_percentile, temporal, temporal_ordered, absence, first_seen or risk", c.Type)
	}
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.ID == "", "id or name is required")
	bad(c.Title == "", "title is required")
	bad(len(c.Rules) == 0 || len(c.Rules) > maxRules, "rules: want 1 to %d", maxRules)
	bad(len(c.GroupBy) == 0, "group-by is required")
	bad(c.Span < minSpan || c.Span > maxSpan, "timespan: want 1s to 90d")
	bad(need.number && !numeric(c), "%s: condition with an operator (gte: 5) is required", c.Type)
	bad(need.field && len(c.Fields) == 0, "%s: field is required", c.Type)
	bad(!need.field && len(c.Fields) > 0, "%s: field has no meaning", c.Type)
	bad(need.one && len(c.Fields) > 1, "%s: one field, not %d", c.Type, len(c.Fields))
	bad(need.many && len(c.Rules) < 2, "%s: at least two rules", c.Type)
	c.validateParts(bad)
	return errors.Join(errs...)
}

func numeric(c *Correlation) bool { return c.Cond.HasMin || c.Cond.HasMax || c.Cond.HasNot }

// validateParts checks what belongs to single types, and fills in their defaults.
func (c *Correlation) validateParts(bad func(wrong bool, format string, args ...any)) {
	c.validateCondition(bad)
	bad(c.Type != TemporalOrdered && hasTwice(c.Rules), "a rule is named twice, which only temporal_ordered may")
	bad(c.Type == FirstSeen && c.Learning != 0 && c.Learning < minLearning, "learning: at least 1h, or none")
	bad(c.Type != Absence && (c.Source != "" || c.Alive != 0), "source and alive are for absence")
	bad(c.Alive > 24*time.Hour, "alive: at most 1d")
	c.validateNames(bad)
	c.fillDefaults()
}

// validateCondition checks what a condition means for the type.
func (c *Correlation) validateCondition(bad func(wrong bool, format string, args ...any)) {
	all := float64(len(c.Rules))
	bad(needs[c.Type].number && c.Cond.Holds(0) && c.Cond.Rising(), "condition holds for zero already")
	bad(c.Type == TemporalOrdered && numeric(c) && (!c.Cond.Holds(all) || c.Cond.Holds(all-1)),
		"temporal_ordered: condition: all rules must be seen: fewer of them, in order, are several correlations")
	bad((c.Type == Absence || c.Type == FirstSeen) && numeric(c), "%s: condition has no meaning", c.Type)
	bad((c.Type == ValuePercentile) != (c.Percentile != 0), "%s: condition.percentile is for value_percentile, which must have it", c.Type)
	bad(c.Type == Risk && !c.Cond.Rising(), "risk: condition wants gt or gte")
	bad(c.Type == EventCount && c.Cond.Min > maxMarks, "event_count: at most %d", maxMarks)
	bad(c.Type == ValueCount && !c.rising() && c.Cond.Min > maxMarks, "value_count: a range or an equality of more than %d is not counted", maxMarks)
}

// validateNames checks aliases and weights, which name rules and fields of the document.
func (c *Correlation) validateNames(bad func(wrong bool, format string, args ...any)) {
	for alias, by := range c.Aliases {
		bad(!slices.Contains(c.GroupBy, alias) && !slices.Contains(c.Fields, alias), "alias %q is not used", alias)
		for _, r := range c.Rules {
			bad(by[r] == "", "alias %q has no path for rule %s", alias, r)
		}
	}
	for r := range c.Weights {
		bad(!slices.Contains(c.Rules, r), "weights: %q is none of the rules", r)
		bad(c.Weights[r] < 0, "weights: %q is negative", r)
	}
}

func (c *Correlation) fillDefaults() {
	if c.Type == Risk && c.HalfLife == 0 {
		c.HalfLife = c.Span / 4
	}
	if c.Type == Absence && c.Alive == 0 {
		c.Alive = min(c.Span, 24*time.Hour)
	}
}

func hasTwice(list []string) bool {
	for i, x := range list {
		if slices.Contains(list[:i], x) {
			return true
		}
	}
	return false
}

// rising reports whether the condition is judged at each signal: more signals cannot make
// it false.
func (c *Correlation) rising() bool {
	switch c.Type {
	case Single, TemporalOrdered, FirstSeen, Risk:
		return true
	case EventCount, ValueCount, ValueSum:
		return c.Cond.Rising()
	case Temporal:
		return c.Expr.Rising()
	case ValueAvg, ValuePercentile, Absence:
	}
	return false
}

// path returns what name means for events of rule: an alias is resolved.
func (c *Correlation) path(name, rule string) string {
	if p := c.Aliases[name][rule]; p != "" {
		return p
	}
	return name
}
