package match

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/policies/engine"
)

// indexPackage holds the generated rules that ask for all detections of a class at once.
const indexPackage = "riposte.match_index"

// Topdown is the Matcher on the stock interpreter of OPA. It asks one query per event: the
// set of the numbers of those rules, among the ones that declare the event's class or none,
// that match.
type Topdown struct {
	byClass map[pipeline.Class]*plan
	rest    *plan // events of any other class
	rules   map[int]*rego.PreparedEvalQuery
}

type plan struct {
	rules []int
	query rego.PreparedEvalQuery
}

var _ pipeline.Matcher = (*Topdown)(nil)

// NewTopdown compiles the set's rules over data, the JSON object under data.* (nil: none).
// The instance is for one goroutine.
func NewTopdown(ctx context.Context, s *Set, data map[string]any) (*Topdown, error) {
	t := &Topdown{byClass: map[pipeline.Class]*plan{}, rules: map[int]*rego.PreparedEvalQuery{}}
	c, err := s.compile(nil)
	if err != nil {
		return nil, err
	}
	if data == nil {
		data = map[string]any{}
	}
	store := inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true))
	t.rest = &plan{rules: s.rulesOf(0)}
	for _, d := range s.Detections {
		for _, class := range d.Classes {
			t.byClass[class] = &plan{rules: s.rulesOf(class)}
		}
	}
	for class, p := range t.byClass {
		if p.query, err = prepare(ctx, c, store, className(class)); err != nil {
			return nil, err
		}
	}
	if t.rest.query, err = prepare(ctx, c, store, className(0)); err != nil {
		return nil, err
	}
	for i := range s.Detections {
		q, err := rego.New(rego.Compiler(c), rego.Store(store),
			rego.Query("x = data.riposte.detect."+s.Detections[i].Name+".match")).PrepareForEval(ctx)
		if err != nil {
			return nil, fmt.Errorf("detection %s: %w", s.Detections[i].ID, err)
		}
		t.rules[i] = &q
	}
	return t, nil
}

func prepare(ctx context.Context, c *ast.Compiler, store storage.Store, name string) (rego.PreparedEvalQuery, error) {
	q, err := rego.New(rego.Compiler(c), rego.Store(store),
		rego.Query("x = data."+indexPackage+"."+name)).PrepareForEval(ctx)
	if err != nil {
		return q, fmt.Errorf("match: prepare %s: %w", name, err)
	}
	return q, nil
}

func className(c pipeline.Class) string { return fmt.Sprintf("class_%d", c) }

// rulesOf returns the indexes of the rules to evaluate for events of class.
func (s *Set) rulesOf(class pipeline.Class) []int {
	var out []int
	for i, d := range s.Detections {
		if len(d.Classes) == 0 || slices.Contains(d.Classes, class) {
			out = append(out, i)
		}
	}
	return out
}

// compile compiles the rules together with the index over them.
func (s *Set) compile(schema any) (*ast.Compiler, error) {
	c := ast.NewCompiler().WithStrict(true).WithCapabilities(engine.Profile()).WithDefaultRegoVersion(ast.RegoV1)
	if schema != nil {
		ss := ast.NewSchemaSet()
		ss.Put(ast.SchemaRootRef, schema)
		c = c.WithSchemas(ss)
	}
	modules := maps.Clone(s.modules)
	index, err := ast.ParseModuleWithOpts("match_index.rego", s.index(), ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, fmt.Errorf("BUG: generated index: %w", err)
	}
	modules["match_index.rego"] = index
	if c.Compile(modules); c.Failed() {
		return nil, c.Errors
	}
	return c, nil
}

func (s *Set) index() string {
	var b strings.Builder
	b.WriteString("package " + indexPackage + "\n\n")
	seen := map[pipeline.Class]bool{}
	write := func(class pipeline.Class) {
		if seen[class] {
			return
		}
		seen[class] = true
		rules := s.rulesOf(class)
		if len(rules) == 0 {
			fmt.Fprintf(&b, "%s := set()\n", className(class))
		}
		for _, i := range rules {
			fmt.Fprintf(&b, "%s contains %d if data.riposte.detect.%s.match\n", className(class), i, s.Detections[i].Name)
		}
	}
	write(0)
	for _, d := range s.Detections {
		for _, class := range d.Classes {
			write(class)
		}
	}
	return b.String()
}

// Match implements [pipeline.Matcher]. If the one query fails, each rule is asked by
// itself, so that a rule which fails takes no other with it; the error joins theirs.
func (t *Topdown) Match(ctx context.Context, event []byte, dst []int) ([]int, error) {
	v, err := ast.ValueFromReader(strings.NewReader(pipeline.View(event)))
	if err != nil {
		return dst, fmt.Errorf("match: event: %w", err)
	}
	p := t.planOf(v)
	if len(p.rules) == 0 {
		return dst, nil
	}
	rs, err := p.query.Eval(ctx, rego.EvalParsedInput(v))
	if err != nil {
		return t.each(ctx, v, p.rules, dst)
	}
	from := len(dst)
	for _, r := range rs {
		list, _ := r.Bindings["x"].([]any)
		for _, x := range list {
			var i int
			if _, err := fmt.Sscan(fmt.Sprint(x), &i); err == nil {
				dst = append(dst, i)
			}
		}
	}
	slices.Sort(dst[from:])
	return dst, nil
}

// planOf returns the plan for the class of an event.
func (t *Topdown) planOf(event ast.Value) *plan {
	if p := t.byClass[classOf(event)]; p != nil {
		return p
	}
	return t.rest
}

// classOf returns the class that an event says it has, 0 if it says none.
func classOf(event ast.Value) pipeline.Class {
	obj, ok := event.(ast.Object)
	if !ok {
		return 0
	}
	c := obj.Get(classKey)
	if c == nil {
		return 0
	}
	n, ok := c.Value.(ast.Number)
	if !ok {
		return 0
	}
	k, _ := n.Int64()
	return pipeline.Class(k)
}

var classKey = ast.StringTerm("class_uid")

func (t *Topdown) each(ctx context.Context, v ast.Value, rules, dst []int) ([]int, error) {
	var errs []error
	for _, i := range rules {
		rs, err := t.rules[i].Eval(ctx, rego.EvalParsedInput(v))
		if err != nil {
			errs = append(errs, &RuleError{Rule: i, Err: err})
			continue
		}
		if len(rs) == 1 && rs[0].Bindings["x"] == true {
			dst = append(dst, i)
		}
	}
	return dst, errors.Join(errs...)
}

// RuleError is the failure of one rule on one event.
type RuleError struct {
	Rule int // index of the rule
	Err  error
}

// Error implements error.
func (e *RuleError) Error() string { return fmt.Sprintf("rule %d: %v", e.Rule, e.Err) }

// Unwrap returns what the evaluation said.
func (e *RuleError) Unwrap() error { return e.Err }
