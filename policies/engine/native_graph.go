package engine

// nativeReachablePaths is OPA's walk within the memory cap: the number of paths grows
// with the factorial of the nodes, and OPA's own walk cannot be interrupted.
func nativeReachablePaths(m *Machine, args []Value) (Value, bool) {
	start, ok := list(&args[1])
	if args[0].k != KindObject || !ok {
		return Value{}, false
	}
	w := walk{m: m, graph: args[0].object(), out: m.newSet()}
	if args[1].k == KindSet {
		args[1].set().sort()
	}
	for i := range start {
		edges := w.graph.get(&start[i])
		if !edges.Defined() {
			continue
		}
		from := []Value{start[i]}
		next := w.neighbors(&edges)
		if len(next) == 0 {
			w.commit(from)
		}
		for j := range next {
			w.path(&next[j], from)
		}
	}
	return ofSet(w.out), true
}

// walk collects the paths through a graph.
type walk struct {
	m     *Machine
	graph *objectVal
	out   *setVal
}

// path goes on from path, which ends in a neighbor of node.
func (w *walk) path(node *Value, path []Value) {
	edges := w.graph.get(node)
	if !edges.Defined() {
		w.commit(path)
		return
	}
	path = append(path, *node)
	next := w.neighbors(&edges)
	if len(next) == 0 {
		w.commit(path)
		return
	}
	for i := range next {
		if contains(path, &next[i]) {
			w.commit(path)
			continue
		}
		w.path(&next[i], path)
	}
}

// neighbors are in the order in which OPA goes through them: of equal paths, it keeps
// the spelling of the first.
func (w *walk) neighbors(edges *Value) []Value {
	if edges.k == KindSet {
		edges.set().sort()
	}
	next, _ := list(edges)
	return next
}

func (w *walk) commit(path []Value) {
	w.m.fuel -= len(path)
	a := w.m.newArray(len(path))
	a.elems = append(a.elems, path...)
	v := ofArray(a)
	w.m.addTo(w.out, &v)
}

func contains(list []Value, v *Value) bool {
	for i := range list {
		if equal(&list[i], v) {
			return true
		}
	}
	return false
}
