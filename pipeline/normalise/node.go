package normalise

// node is what a plan wants of a value: to remember where it lies, or to look into it.
type node struct {
	index    int        // number of the node in its plan
	slot     int        // where its span goes, -1 = nowhere
	members  *memberSet // of an object, nil = none wanted
	elements []*node    // of a list, by index; nil = not wanted
	below    []int      // slots of this node and of all below it
}

func newNode() *node { return &node{slot: -1} }

// memberSet finds the wanted members of an object by name.
type memberSet struct {
	seed    uint64
	entries []memberEntry // power of two, at most half full
	list    []memberEntry // in order of addition
}

type memberEntry struct {
	hash  uint64
	name  string
	child *node
}

// add returns the child called name, new if there is none.
func (m *memberSet) add(name string) *node {
	hash := hashKey(m.seed, []byte(name))
	if n := m.find(hash, []byte(name)); n != nil {
		return n
	}
	e := memberEntry{hash, name, newNode()}
	m.list = append(m.list, e)
	size := 4
	for size < 2*len(m.list) {
		size *= 2
	}
	m.entries = make([]memberEntry, size)
	for _, e := range m.list {
		i := e.hash & uint64(size-1)
		for m.entries[i].child != nil {
			i = (i + 1) & uint64(size-1)
		}
		m.entries[i] = e
	}
	return e.child
}

func (m *memberSet) find(hash uint64, name []byte) *node {
	if len(m.entries) == 0 {
		return nil
	}
	mask := uint64(len(m.entries) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := &m.entries[i]
		if e.child == nil {
			return nil
		}
		if e.hash == hash && e.name == string(name) {
			return e.child
		}
	}
}

// finish numbers the nodes from *count on and fills below, from the leaves up. It returns
// the node's own.
func (n *node) finish(count *int) []int {
	n.index = *count
	*count++
	if n.slot >= 0 {
		n.below = append(n.below, n.slot)
	}
	if n.members != nil {
		for _, e := range n.members.list {
			n.below = append(n.below, e.child.finish(count)...)
		}
	}
	for _, e := range n.elements {
		if e != nil {
			n.below = append(n.below, e.finish(count)...)
		}
	}
	return n.below
}
