package engine

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/open-policy-agent/opa/v1/ast"
)

func pointer[T any](v *T) unsafe.Pointer { return unsafe.Pointer(v) }

// fromAST turns a ground AST value into a Value. Composite values remember v, so
// that handing them to a builtin of OPA costs no conversion.
func (a *arena) fromAST(v ast.Value) (Value, error) {
	switch v := v.(type) {
	case nil:
		return Value{}, nil
	case ast.Null:
		return Null(), nil
	case ast.Boolean:
		return Bool(bool(v)), nil
	case ast.Number:
		a.charge(len(v))
		return Number(string(v)), nil
	case ast.String:
		a.charge(len(v))
		return String(string(v)), nil
	case *ast.Array:
		return a.fromArray(v)
	case ast.Object:
		return a.fromObject(v)
	case ast.Set:
		return a.fromSet(v)
	}
	return Value{}, fmt.Errorf("%w: %s in a value", ErrInput, ast.ValueName(v))
}

// adopt is fromAST outside of the machine: the memory cap is an error there.
func (a *arena) adopt(v ast.Value) (out Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = Value{}, recovered(p)
		}
	}()
	return a.fromAST(v)
}

func (a *arena) fromArray(v *ast.Array) (Value, error) {
	out := a.newArray(v.Len())
	for i := range v.Len() {
		e, err := a.fromAST(v.Elem(i).Value)
		if err != nil {
			return Value{}, err
		}
		out.elems = append(out.elems, e)
	}
	out.astv = v
	return ofArray(out), nil
}

func (a *arena) fromObject(v ast.Object) (Value, error) {
	out := a.newObject()
	out.shared = true
	out.elems = a.slice(v.Len())[:0]
	out.vals = a.slice(v.Len())[:0]
	err := v.Iter(func(key, val *ast.Term) error {
		k, err := a.fromAST(key.Value)
		if err != nil {
			return err
		}
		e, err := a.fromAST(val.Value)
		if err != nil {
			return err
		}
		out.elems = append(out.elems, k)
		out.vals = append(out.vals, e)
		return nil
	})
	if err != nil {
		return Value{}, err
	}
	out.indexed(a)
	out.sorted = true // Iter goes by sorted keys
	out.astv = v
	return ofObject(out), nil
}

func (a *arena) fromSet(v ast.Set) (Value, error) {
	out := a.newSet()
	out.elems = a.slice(v.Len())[:0]
	err := v.Iter(func(t *ast.Term) error {
		e, err := a.fromAST(t.Value)
		out.elems = append(out.elems, e)
		return err
	})
	if err != nil {
		return Value{}, err
	}
	out.indexed(a)
	out.sorted = true
	out.astv = v
	return ofSet(out), nil
}

// indexed builds the hash table of a key set that was filled directly.
func (s *keySet) indexed(a *arena) {
	if len(s.elems) > smallCollection {
		s.rehash(a.table)
	}
}

// AST returns v as OPA's value; nil if v is undefined. It stays valid, and must not
// be changed: parts of it may belong to the program or to an input of AST.
func (v Value) AST() ast.Value { return toAST(&v, true) }

// toAST converts v. With copied, strings are detached from the caller's bytes.
func toAST(v *Value, copied bool) ast.Value {
	switch v.k {
	case KindNull:
		return ast.NullValue
	case KindBool:
		return ast.InternedTerm(v.n != 0).Value
	case KindNumber:
		return ast.InternedTerm(int64(v.n)).Value
	case kindText:
		return ast.Number(maybeClone(v.text(), copied))
	case KindString:
		return ast.String(maybeClone(v.text(), copied))
	case KindArray:
		return v.array().ast(copied)
	case KindObject:
		return v.object().ast(copied)
	case KindSet:
		return v.set().ast(copied)
	default:
	}
	return nil
}

func maybeClone(s string, copied bool) string {
	if copied {
		return strings.Clone(s)
	}
	return s
}

func termOf(v *Value, copied bool) *ast.Term { return ast.NewTerm(toAST(v, copied)) }

func (a *arrayVal) ast(copied bool) ast.Value {
	if a.astv != nil {
		return a.astv
	}
	terms := make([]*ast.Term, len(a.elems))
	for i := range a.elems {
		terms[i] = termOf(&a.elems[i], copied)
	}
	return ast.NewArray(terms...)
}

func (s *setVal) ast(copied bool) ast.Value {
	if s.astv != nil {
		return s.astv
	}
	out := ast.NewSetWithCapacity(len(s.elems))
	for i := range s.elems {
		out.Add(termOf(&s.elems[i], copied))
	}
	return out
}

func (o *objectVal) ast(copied bool) ast.Value {
	if o.astv != nil {
		return o.astv
	}
	out := ast.NewObjectWithCapacity(len(o.elems))
	for i := range o.elems {
		out.Insert(termOf(&o.elems[i], copied), termOf(&o.vals[i], copied))
	}
	return out
}

// seal makes v safe to share between machines: everything that is computed on
// demand is computed now.
func seal(v *Value) {
	switch v.k {
	case KindArray:
		a := v.array()
		sealAll(a.elems)
		a.hash()
		a.astv = a.ast(true)
		a.astv.Hash()
	case KindSet:
		s := v.set()
		sealAll(s.elems)
		s.sort()
		s.hash()
		s.astv = s.ast(true)
		s.astv.(ast.Set).Slice() // sorts: later readers must not
	case KindObject:
		o := v.object()
		sealAll(o.elems)
		sealAll(o.vals)
		o.sort()
		o.hash()
		o.astv = o.ast(true)
		o.astv.(ast.Object).Keys()
		o.shared = true
	default:
	}
}

func sealAll(vs []Value) {
	for i := range vs {
		seal(&vs[i])
	}
}
