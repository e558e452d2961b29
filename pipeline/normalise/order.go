package normalise

// order is the member names of one object of the plan, in the order in which the records so
// far had them. Records of a source nearly always have the same names in the same order,
// some of them left out. While the names of a record are a subsequence of it, a comparison
// with the expected name is all there is to do: where the name ends, what the plan wants of
// its value, and that it stands there once, is known.
//
// It belongs to one scanner and only makes it faster: what is found does not depend on it.
type order struct {
	names []orderName
	trust int // grows with objects in order, falls with others; below zero it is not used
}

type orderName struct {
	text  string
	hash  uint64
	child *node
}

const (
	maxOrder   = 64 // names; one bit each in walk.matched
	trustLimit = 32
)

// walk is where an object that is being read stands in the order.
type walk struct {
	order   *order
	next    int    // names before it are behind us
	matched uint64 // names of the order that the object has had
	object  uint32 // number of the object in the table of names
	strayed bool   // a name was not the expected one: the table of names knows all of them
}

// begin returns a walk through an object of which the plan wants n.
func (s *scanner) begin(n *node) walk {
	w := walk{object: s.keys.object(), strayed: true}
	if n != nil && n.members != nil {
		w.order = &s.orders[n.index]
		if w.order.trust < 0 {
			w.order.trust++ // after trustLimit objects it gets another chance
			w.order = nil
		} else {
			w.strayed = false
		}
	}
	return w
}

// expected looks for the name that begins at i, behind its quote, further on in the order.
// It returns where the name ends and what is wanted of its value.
func (w *walk) expected(p []byte, i int) (to int, child *node, ok bool) {
	names := w.order.names
	for k := w.next; k < len(names); k++ {
		name := &names[k]
		to := i + len(name.text)
		if to < len(p) && p[to] == '"' && string(p[i:to]) == name.text {
			w.next = k + 1
			w.matched |= 1 << k
			return to, name.child, true
		}
	}
	return 0, nil, false
}

// stray tells the table of names what the object has had until now.
func (w *walk) stray(keys *keyTable) {
	w.strayed = true
	for k := range w.order.names {
		if w.matched&(1<<k) != 0 {
			keys.seen(w.object, w.order.names[k].hash, w.order.names[k].text)
		}
	}
}

// learn puts a name that is not in the order where the object has it.
func (w *walk) learn(name string, hash uint64, child *node) {
	o := w.order
	if len(o.names) == maxOrder {
		return
	}
	for k := range o.names {
		if o.names[k].hash == hash && o.names[k].text == name {
			return // it stood elsewhere
		}
	}
	o.names = append(o.names, orderName{})
	copy(o.names[w.next+1:], o.names[w.next:])
	o.names[w.next] = orderName{string([]byte(name)), hash, child}
	w.next++
}

// end judges the order by how the object went.
func (w *walk) end() {
	switch {
	case w.order == nil:
	case !w.strayed:
		w.order.trust = min(w.order.trust+1, trustLimit)
	default:
		if w.order.trust -= 4; w.order.trust < 0 {
			w.order.trust = -trustLimit
		}
	}
}
