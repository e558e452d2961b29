package engine

import (
	"cmp"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// Rule is one rule of the policies: one head with its body. An else branch is a
// rule of its own.
type Rule struct {
	// Path is the document that the rule contributes to, "data.a.b", up to the
	// first variable.
	Path string
	// File and Row are where its head is.
	File string
	Row  int
	// Title is the title of the nearest METADATA that has one.
	Title string
	// Labels are the merged labels, and Custom the merged custom attributes, of
	// the METADATA that apply to the rule; inner scopes win. The caller must not
	// change them.
	Labels, Custom map[string]any

	col int
}

// Rules lists the rules of the policies by file and row. Machine.Hits and
// Result.Fired refer to positions in this list. The caller must not change it.
func (p *Program) Rules() []Rule { return p.rules }

// Hits returns how many evaluations of m each rule of Program.Rules held in. Without
// Config.Coverage it is empty. It belongs to the machine, whose next evaluation changes
// it: read it on the goroutine that evaluates.
func (m *Machine) Hits() []uint64 { return m.hits }

// Fired returns the positions in Program.Rules of the rules that held in this
// evaluation, in the order in which they did. Without Config.Coverage, and when
// topdown answered, it is empty. It is valid until the machine's next evaluation.
func (r Result) Fired() []int32 { return r.fired }

func (j *judge) listRules() []Rule {
	notes := j.compiler.GetAnnotationSet()
	var out []Rule
	for _, m := range j.compiler.Modules {
		ast.WalkRules(m, func(r *ast.Rule) bool {
			if !r.Default {
				out = append(out, describe(notes, r))
			}
			return false
		})
	}
	slices.SortFunc(out, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Row, b.Row), cmp.Compare(a.col, b.col))
	})
	return out
}

func describe(notes *ast.AnnotationSet, r *ast.Rule) Rule {
	loc := r.Head.Loc()
	out := Rule{Path: r.Ref().GroundPrefix().String(), File: loc.File, Row: loc.Row, col: loc.Col}
	if notes == nil {
		return out
	}
	out.Labels, _ = notes.MergedLabels(r)
	for _, ref := range slices.Backward(notes.Chain(r)) { // outer scopes first
		if a := ref.Annotations; a != nil {
			out.Title = cmp.Or(a.Title, out.Title)
			if len(a.Custom) > 0 && out.Custom == nil {
				out.Custom = map[string]any{}
			}
			maps.Copy(out.Custom, a.Custom)
		}
	}
	return out
}

// head identifies a rule's head in the plan.
type head struct {
	file     string
	row, col int
}

func headsOf(rules []Rule) map[head]int32 {
	out := make(map[head]int32, len(rules))
	for i, r := range rules {
		out[head{r.File, r.Row, r.col}] = int32(i)
	}
	return out
}

// cover emits the counting of a rule before the statement that hands on its value.
func (f *lowerFn) cover(s ir.Stmt) {
	if f.l.heads == nil {
		return
	}
	switch s := s.(type) {
	case *ir.AssignVarOnceStmt:
		if s.Target == f.ret { // hands on what a rule gave, or the default
			return
		}
	case *ir.SetAddStmt, *ir.ObjectInsertOnceStmt:
	default:
		return
	}
	if n, ok := f.l.heads[head{f.loc.File, f.loc.Row, f.loc.Col}]; ok {
		f.emit(instr{op: opCover, a: n})
	}
}

// count notes that rule n held, once per evaluation.
func (m *Machine) count(n int32) {
	if m.stamps[n] == m.epoch {
		return
	}
	m.stamps[n] = m.epoch
	m.hits[n]++
	m.fired = append(m.fired, n)
}
