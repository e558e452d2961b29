package engine

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// features switches parts of the engine off. All off must give the same results;
// tests hold the engine to that.
type features struct {
	noIndex, noFold, noMemo, noPrune, noNative, noDead bool
}

// lowering turns one ir.Policy into code.
type lowering struct {
	pol      *ir.Policy
	out      *code
	off      features
	funcs    map[string]*ir.Func
	variants map[variant]int32
	todo     []variant
	consts   map[string]int32 // string constants by text
	builtins map[string]*topdown.Builtin
	decls    map[string]*ir.BuiltinFunc
	data     *Value         // the data document, if it is fixed
	heads    map[head]int32 // rules to count, by head; nil: none
	strict   bool           // errors of builtins are reported: do not skip them
	trueK    int32
	falseK   int32
	dataK    int32          // the data document, if it is fixed
	sealed   map[int32]bool // constants that are the data document or lie in it
}

// variant is a function as called with the unchanged input and data documents,
// or with replacements for them (inside a with statement).
type variant struct {
	name            string
	rooted, dataSet bool
}

// lower compiles pol. data is sealed, and nil when it is not known yet.
func lower(pol *ir.Policy, data *Value, builtins map[string]*topdown.Builtin, strict bool, heads map[head]int32, off features) (*code, error) {
	l := &lowering{
		strict: strict, heads: heads,
		pol: pol, out: &code{fields: newFieldTrie()}, off: off, builtins: builtins, data: data,
		funcs: map[string]*ir.Func{}, variants: map[variant]int32{}, consts: map[string]int32{},
		decls: map[string]*ir.BuiltinFunc{}, sealed: map[int32]bool{},
	}
	if data != nil {
		l.dataK = l.constant(*data)
		l.sealed[l.dataK] = true
	}
	l.trueK, l.falseK = l.constant(Bool(true)), l.constant(Bool(false))
	if pol.Funcs != nil {
		for _, f := range pol.Funcs.Funcs {
			l.funcs[f.Name] = f
		}
	}
	if pol.Static != nil {
		for _, b := range pol.Static.BuiltinFuncs {
			l.decls[b.Name] = b
		}
	}
	for _, p := range pol.Plans.Plans {
		if err := l.plan(p); err != nil {
			return nil, err
		}
	}
	for len(l.todo) > 0 {
		v := l.todo[0]
		l.todo = l.todo[1:]
		if err := l.function(v); err != nil {
			return nil, err
		}
	}
	l.finish()
	return l.out, nil
}

func (l *lowering) plan(p *ir.Plan) error {
	f := l.begin(p.Name, true, true)
	f.reservePlan(p.Blocks)
	for _, b := range p.Blocks {
		if err := f.nested(b); err != nil {
			return fmt.Errorf("plan %s: %w", p.Name, err)
		}
	}
	l.out.entries = append(l.out.entries, int32(len(l.out.fns)))
	l.out.names = append(l.out.names, p.Name)
	l.out.fns = append(l.out.fns, f.end(-1))
	return nil
}

// want returns the number of the function v, to be compiled if it is new.
func (l *lowering) want(v variant) int32 {
	if n, ok := l.variants[v]; ok {
		return n
	}
	n := int32(len(l.out.fns))
	l.out.fns = append(l.out.fns, nil)
	l.variants[v] = n
	l.todo = append(l.todo, v)
	return n
}

func (l *lowering) function(v variant) error {
	src := l.funcs[v.name]
	f := l.begin(src.Name, v.rooted, v.dataSet)
	f.ret = src.Return
	for _, p := range src.Params {
		f.fn.params = append(f.fn.params, f.reg(p))
	}
	f.reserve(src.Blocks)
	if err := f.blocks(src); err != nil {
		return fmt.Errorf("function %s: %w", src.Name, err)
	}
	memo := -1
	if len(src.Params) == 2 && !l.off.noMemo {
		memo = l.out.memos
		l.out.memos++
	}
	f.fn.fixed = len(src.Params) == 2 && v.rooted && v.dataSet
	l.out.fns[l.variants[v]] = f.end(memo)
	return nil
}

// blocks lowers the blocks of a function; with an index if that pays.
func (f *lowerFn) blocks(src *ir.Func) error {
	if !f.l.off.noIndex && f.rooted {
		return f.ruleBlocks(src)
	}
	return f.sequence(src.Blocks, nil)
}

// sequence lowers blocks that run one after the other, and then the blocks rest.
func (f *lowerFn) sequence(blocks, rest []*ir.Block) error {
	for i, b := range blocks {
		f.after = f.after[:0]
		for _, later := range blocks[i+1:] {
			f.after = append(f.after, later.Stmts)
		}
		for _, later := range rest {
			f.after = append(f.after, later.Stmts)
		}
		if err := f.nested(b); err != nil {
			return err
		}
	}
	f.after = f.after[:0]
	return nil
}

func (l *lowering) begin(name string, rooted, dataSet bool) *lowerFn {
	f := &lowerFn{l: l, ret: -1, renamed: -1, renamedTo: -1, fn: &function{name: name}, rooted: rooted, dataSet: dataSet}
	f.reg(ir.Data)
	if rooted {
		f.env[ir.Input] = known{kind: knownField, n: rootField}
	}
	if dataSet && l.data != nil {
		f.env[ir.Data] = known{kind: knownConst, n: l.dataK}
	}
	return f
}

// constant returns the operand of v.
func (l *lowering) constant(v Value) int32 {
	if v.k == KindString {
		return l.stringConst(v.text())
	}
	l.out.consts = append(l.out.consts, v)
	return int32(^(len(l.out.consts) - 1))
}

func (l *lowering) stringConst(s string) int32 {
	if k, ok := l.consts[s]; ok {
		return k
	}
	l.out.consts = append(l.out.consts, String(s))
	k := int32(^(len(l.out.consts) - 1))
	l.consts[s] = k
	return k
}

func (l *lowering) literal(index int) (string, error) {
	if l.pol.Static == nil || index < 0 || index >= len(l.pol.Static.Strings) {
		return "", fmt.Errorf("string constant %d does not exist", index)
	}
	return l.pol.Static.Strings[index].Value, nil
}

func (l *lowering) location(s ir.Stmt) *ast.Location {
	var files []*ir.StringConst
	if l.pol.Static != nil {
		files = l.pol.Static.Files
	}
	return location(s.GetLocation(), files)
}

// site returns the number of a new call site of the builtin name.
func (l *lowering) site(name string, loc *ast.Location) (int32, error) {
	s := site{name: name, loc: loc, bytesPer: bytesPerStep}
	if strings.HasPrefix(name, "regex.") || strings.HasPrefix(name, "glob.") {
		s.bytesPer = bytesPerPattern
	}
	if b, ok := l.builtins[name]; ok {
		s.call = b.Func
		s.relation = b.Decl.Relation
		s.void = b.Decl.Decl.Result() == nil
		s.nondet = b.Decl.Nondeterministic
	} else {
		s.call = topdown.GetBuiltin(name)
		if b := ast.BuiltinMap[name]; b != nil {
			s.relation = b.Relation
			s.void = b.Decl.Result() == nil
			s.nondet = b.Nondeterministic
		} else if d := l.decls[name]; d != nil {
			s.void = d.Decl.Result() == nil
		}
		if !l.off.noNative {
			s.native = natives()[name]
		}
	}
	if s.call == nil {
		return 0, fmt.Errorf("builtin %s is not implemented", name)
	}
	l.out.sites = append(l.out.sites, s)
	return int32(len(l.out.sites) - 1), nil
}

// dynamicSite collects the functions that a call by path can reach.
func (l *lowering) dynamicSite(path []ir.Operand, ops []int32, rooted, dataSet bool) map[string]int32 {
	targets := map[string]int32{}
	if l.pol.Funcs == nil {
		return targets
	}
	for _, fn := range l.pol.Funcs.Funcs {
		if len(fn.Path) != len(path) || len(fn.Params) != 2 || !l.mayMatch(fn.Path, ops) {
			continue
		}
		targets[strings.Join(fn.Path, "\x00")] = l.want(variant{fn.Name, rooted, dataSet})
	}
	return targets
}

func (l *lowering) mayMatch(path []string, ops []int32) bool {
	for i, o := range ops {
		if o >= 0 {
			continue
		}
		if k := &l.out.consts[^o]; k.k != KindString || k.text() != path[i] {
			return false
		}
	}
	return true
}

// finish runs the passes over the code and freezes the constants.
func (l *lowering) finish() {
	for _, f := range l.out.fns {
		optimise(f, l)
	}
	l.out.fields.use(l.out)
	l.out.fields.full = l.off.noPrune
	for i := range l.out.consts {
		if !l.sealed[int32(^i)] { // data may be large, and each rule may name it
			seal(&l.out.consts[i])
		}
	}
}
