package engine

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// rootField is the number of the input document itself.
const rootField = 0

// manyChildren is from where on a map finds a field faster than a scan.
const manyChildren = 12

// Field is one path of the input that a program reads.
type Field struct {
	// ID is the number by which a Source is asked; IDs of a program are dense
	// and begin at 0.
	ID int
	// Path leads to the field from the input document. It is empty for the
	// document itself.
	Path []string
	// Whole tells that the value itself is read. Otherwise only the question
	// whether there is an object at Path is asked, and a Source may answer with
	// any defined value.
	Whole bool
}

// fieldTrie holds the paths of the input that the code reads.
type fieldTrie struct {
	nodes []fieldNode
	lazy  []Value // the slots of an input that is asked field by field
	full  bool    // decode everything, for tests
}

type fieldNode struct {
	name     string
	term     *ast.Term
	parent   int32
	children []int32
	byName   map[string]int32 // children, when they are many
	whole    bool             // the value is read
	asked    bool             // its presence is asked for
	needed   bool             // it or a field inside it is read
}

func newFieldTrie() *fieldTrie {
	return &fieldTrie{nodes: []fieldNode{{parent: -1}}}
}

// child returns the number of the field name inside n.
func (t *fieldTrie) child(n int32, name string) int32 {
	for _, c := range t.nodes[n].children {
		if t.nodes[c].name == name {
			return c
		}
	}
	c := int32(len(t.nodes))
	t.nodes = append(t.nodes, fieldNode{name: name, term: ast.InternedTerm(name), parent: n})
	t.nodes[n].children = append(t.nodes[n].children, c)
	return c
}

// find returns the number of the needed field name inside n, or -1.
func (t *fieldTrie) find(n int32, name string) int32 {
	node := &t.nodes[n]
	if node.byName != nil {
		if c, ok := node.byName[name]; ok {
			return c
		}
		return -1
	}
	for _, c := range node.children {
		if t.nodes[c].name == name {
			return c
		}
	}
	return -1
}

// use notes which fields the final code still reads, and how.
func (t *fieldTrie) use(c *code) {
	for _, f := range c.fns {
		for i := range f.code {
			in := &f.code[i]
			presence := in.op == opDefined || in.op == opUndefined
			eachOperand(in, c, func(o int32) {
				if o < slotBase {
					return
				}
				n := &t.nodes[o-slotBase]
				n.asked = true
				n.whole = n.whole || !presence
			})
		}
		if f.index != nil {
			for _, n := range f.index.reads() {
				t.nodes[n].whole = true
			}
		}
	}
	t.close()
}

// close spreads need to the parents, and drops what nothing needs.
func (t *fieldTrie) close() {
	for i := len(t.nodes) - 1; i >= 0; i-- {
		n := &t.nodes[i]
		n.needed = n.needed || n.whole || n.asked
		if n.needed && n.parent >= 0 {
			t.nodes[n.parent].needed = true
		}
	}
	for i := range t.nodes {
		n := &t.nodes[i]
		n.children = slices.DeleteFunc(n.children, func(c int32) bool { return !t.nodes[c].needed })
		if len(n.children) > manyChildren {
			n.byName = make(map[string]int32, len(n.children))
			for _, c := range n.children {
				n.byName[t.nodes[c].name] = c
			}
		}
	}
	t.lazy = make([]Value, len(t.nodes))
	for i := range t.nodes {
		if n := &t.nodes[i]; n.whole || n.asked {
			t.lazy[i].k = kindLazy
		}
	}
}

func (t *fieldTrie) path(n int32) []string {
	if t.nodes[n].parent < 0 {
		return nil
	}
	return append(t.path(t.nodes[n].parent), t.nodes[n].name)
}

// list returns the fields that are read.
func (t *fieldTrie) list() []Field {
	var out []Field
	for i := range t.nodes {
		if n := &t.nodes[i]; n.whole || n.asked {
			out = append(out, Field{ID: i, Path: t.path(int32(i)), Whole: n.whole})
		}
	}
	return out
}

// field returns the input slot n, asking the source for it the first time.
func (m *Machine) field(n int32) *Value {
	s := &m.slots[n]
	if s.k == kindLazy {
		*s = m.input.src.Lookup(int(n))
	}
	return s
}

// fillAST sets the slots at and below n from v; v is nil where there is nothing.
func (m *Machine) fillAST(n int32, v ast.Value) error {
	t := &m.code.fields.nodes[n]
	m.slots[n] = Value{}
	if v != nil {
		m.slots[n] = Value{k: kindPresent}
	}
	if t.whole && v != nil {
		whole, err := m.fromAST(v)
		if err != nil {
			return err
		}
		m.slots[n] = whole
	}
	for _, c := range t.children {
		if err := m.fillAST(c, memberOf(v, m.code.fields.nodes[c].term)); err != nil {
			return err
		}
	}
	return nil
}

func memberOf(v ast.Value, key *ast.Term) ast.Value {
	switch v := v.(type) {
	case ast.Object:
		if t := v.Get(key); t != nil {
			return t.Value
		}
	case ast.Set:
		if v.Contains(key) {
			return key.Value
		}
	}
	return nil
}

// fillWhole sets the slots below n from the value v of field n.
func (m *Machine) fillWhole(n int32, v Value) {
	for _, c := range m.code.fields.nodes[n].children {
		key := String(m.code.fields.nodes[c].name)
		child := lookup(&v, &key)
		m.slots[c] = child
		m.fillWhole(c, child)
	}
}
