package correlate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Condition is a range that a number must lie in. The zero value holds for every number.
type Condition struct {
	Min, Max         float64 // bounds
	HasMin, HasMax   bool
	OpenMin, OpenMax bool    // the bound itself is outside
	Not              float64 // of neq
	HasNot           bool
}

// Holds reports whether v satisfies the condition.
func (c *Condition) Holds(v float64) bool {
	switch {
	case c.HasMin && (v < c.Min || c.OpenMin && v == c.Min):
		return false
	case c.HasMax && (v > c.Max || c.OpenMax && v == c.Max):
		return false
	case c.HasNot && v == c.Not:
		return false
	}
	return true
}

// Rising reports whether a number that satisfies the condition still does when it grows.
func (c *Condition) Rising() bool { return !c.HasMax && !c.HasNot }

func (c *Condition) set(op string, v float64) error {
	switch op {
	case "gt", "gte":
		c.Min, c.HasMin, c.OpenMin = v, true, op == "gt"
	case "lt", "lte":
		c.Max, c.HasMax, c.OpenMax = v, true, op == "lt"
	case "eq":
		c.Min, c.Max, c.HasMin, c.HasMax = v, v, true, true
	case "neq":
		c.Not, c.HasNot = v, true
	default:
		return fmt.Errorf("condition has no operator %q, want gt, gte, lt, lte, eq or neq", op)
	}
	return nil
}

// condition is the YAML form: a mapping of operators, or an expression.
type condition struct {
	num        Condition
	expr       string
	fields     []string
	percentile int
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (c *condition) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		c.expr = n.Value
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: condition: want a mapping or an expression", n.Line)
	}
	for i := 0; i < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if err := c.setKey(key.Value, val); err != nil {
			return fmt.Errorf("line %d: %w", key.Line, err)
		}
	}
	return nil
}

func (c *condition) setKey(key string, val *yaml.Node) error {
	switch key {
	case "field":
		return (*stringList)(&c.fields).UnmarshalYAML(val)
	case "percentile":
		p, err := strconv.Atoi(val.Value)
		if err != nil || p < 1 || p > 100 {
			return fmt.Errorf("percentile %q: want 1 to 100", val.Value)
		}
		c.percentile = p
		return nil
	}
	v, err := strconv.ParseFloat(val.Value, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("condition %s: %q is no number", key, val.Value)
	}
	return c.num.set(key, v)
}

// Expr is the condition of a temporal correlation: which of its rules must have been seen.
//
//	expr  = term { "or" term }
//	term  = factor { "and" factor }
//	factor= "not" factor | "(" expr ")" | rule [ ">=" number ] | number "of" ( "them" | prefix"*" )
type Expr struct {
	op    exprOp
	args  []*Expr
	step  int   // of a rule
	n     int   // of a rule: how often at least; of "n of": how many
	steps []int // of "n of"
}

type exprOp uint8

const (
	opRule exprOp = iota
	opOf
	opAnd
	opOr
	opNot
)

// Holds reports whether the expression holds when each rule was seen counts[i] times.
func (e *Expr) Holds(counts []int) bool {
	switch e.op {
	case opRule:
		return counts[e.step] >= e.n
	case opOf:
		seen := 0
		for _, s := range e.steps {
			if counts[s] > 0 {
				seen++
			}
		}
		return seen >= e.n
	case opAnd:
		return !slices.ContainsFunc(e.args, func(a *Expr) bool { return !a.Holds(counts) })
	case opOr:
		return slices.ContainsFunc(e.args, func(a *Expr) bool { return a.Holds(counts) })
	case opNot:
		return !e.args[0].Holds(counts)
	}
	return false
}

// Rising reports whether the expression, once true, stays true when more is seen.
func (e *Expr) Rising() bool {
	return e.op != opNot && !slices.ContainsFunc(e.args, func(a *Expr) bool { return !a.Rising() })
}

// maxDepth bounds the nesting of an expression, so that a document cannot exhaust the stack.
const maxDepth = 32

type exprParser struct {
	toks  []string
	rules []string
	depth int
}

// ParseExpr reads an expression over rules, which it may name in full or by the last word of
// their id.
func ParseExpr(text string, rules []string) (*Expr, error) {
	text = strings.NewReplacer("(", " ( ", ")", " ) ", ">=", " >= ").Replace(text)
	p := &exprParser{toks: strings.Fields(text), rules: rules}
	e, err := p.or()
	if err == nil && len(p.toks) > 0 {
		err = fmt.Errorf("unexpected %q", p.toks[0])
	}
	if err != nil {
		return nil, fmt.Errorf("condition: %w", err)
	}
	return e, nil
}

func (p *exprParser) next() string {
	if len(p.toks) == 0 {
		return ""
	}
	t := p.toks[0]
	p.toks = p.toks[1:]
	return t
}

func (p *exprParser) accept(word string) bool {
	if len(p.toks) > 0 && strings.EqualFold(p.toks[0], word) {
		p.toks = p.toks[1:]
		return true
	}
	return false
}

func (p *exprParser) or() (*Expr, error)  { return p.list("or", opOr, p.and) }
func (p *exprParser) and() (*Expr, error) { return p.list("and", opAnd, p.factor) }

func (p *exprParser) list(word string, op exprOp, sub func() (*Expr, error)) (*Expr, error) {
	e, err := sub()
	if err != nil {
		return nil, err
	}
	for p.accept(word) {
		a, err := sub()
		if err != nil {
			return nil, err
		}
		if e.op != op {
			e = &Expr{op: op, args: []*Expr{e}}
		}
		e.args = append(e.args, a)
	}
	return e, nil
}

func (p *exprParser) factor() (*Expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.accept("not") {
		a, err := p.factor()
		return &Expr{op: opNot, args: []*Expr{a}}, err
	}
	if p.accept("(") {
		e, err := p.or()
		if err == nil && !p.accept(")") {
			err = errors.New("missing )")
		}
		return e, err
	}
	t := p.next()
	if n, err := strconv.Atoi(t); err == nil {
		return p.of(n)
	}
	step, err := p.rule(t)
	if err != nil {
		return nil, err
	}
	e := &Expr{op: opRule, step: step, n: 1}
	if p.accept(">=") {
		if e.n, err = strconv.Atoi(p.next()); err != nil || e.n < 1 || e.n > maxMarks {
			return nil, fmt.Errorf("%s >= wants a number from 1 to %d", t, maxMarks)
		}
	}
	return e, nil
}

// of reads "of them" or "of prefix*" behind a number.
func (p *exprParser) of(n int) (*Expr, error) {
	if !p.accept("of") {
		return nil, fmt.Errorf("number %d without \"of\"", n)
	}
	pattern := p.next()
	e := &Expr{op: opOf, n: n}
	for i, r := range p.rules {
		if prefix, ok := strings.CutSuffix(pattern, "*"); pattern == "them" || ok && strings.HasPrefix(r, prefix) {
			e.steps = append(e.steps, i)
		}
	}
	if n < 1 || n > len(e.steps) {
		return nil, fmt.Errorf("%d of %s: %d rules are meant", n, pattern, len(e.steps))
	}
	return e, nil
}

func (p *exprParser) rule(name string) (int, error) {
	if i := slices.Index(p.rules, name); i >= 0 {
		return i, nil
	}
	for i, r := range p.rules {
		if strings.HasSuffix(r, "."+name) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%q is none of the rules %s", name, strings.Join(p.rules, ", "))
}
