package engine

import "cmp"

// exec runs f on the registers r. The result is undefined if f returns nothing.
//
//nolint:gocyclo,funlen // the machine is one switch: a call per instruction costs more than the instruction
func (m *Machine) exec(f *function, r []Value) (Value, error) {
	code := f.code
	base := len(m.its)
	for range f.iters {
		m.its = append(m.its, iterator{})
	}
	sel := selection{}
	for pc := int32(0); int(pc) < len(code); {
		in := &code[pc]
		pc++
		switch in.op {
		case opJump:
			pc = in.f
		case opMove:
			r[in.c] = *m.at(in.a, r)
		case opReset:
			r[in.c] = Value{}
		case opDefined:
			if !m.at(in.a, r).Defined() {
				pc = in.f
			}
		case opUndefined:
			if m.at(in.a, r).Defined() {
				pc = in.f
			}
		case opEqual:
			if !equal(m.at(in.a, r), m.at(in.b, r)) {
				pc = in.f
			}
		case opNotEqual:
			if equal(m.at(in.a, r), m.at(in.b, r)) {
				pc = in.f
			}
		case opDot:
			v := lookup(m.at(in.a, r), m.at(in.b, r))
			r[in.c] = v
			if !v.Defined() {
				pc = in.f
			}
		case opScan:
			m.its[base+int(in.d)].over(m.at(in.a, r))
		case opNext:
			if !m.its[base+int(in.d)].next(&r[in.b], &r[in.c]) {
				pc = in.f
			} else if err := m.spend(int(in.f - pc)); err != nil {
				return Value{}, err
			}
		case opCall, opBuiltin, opDynamic:
			to, err := m.invoke(in, r, pc)
			if err != nil {
				return Value{}, err
			}
			pc = to
		case opReturn:
			v := *m.at(in.a, r)
			m.its = m.its[:base]
			return v, nil
		case opSelect:
			sel.begin(m, f.index)
			pc = sel.next(f.index, in.f)
		case opSegment:
			pc = sel.next(f.index, in.f)
		default:
			ok, err := m.act(f, pc-1, r)
			if err != nil {
				return Value{}, err
			}
			if !ok {
				pc = in.f
			}
		}
	}
	m.its = m.its[:base]
	return Value{}, nil
}

// invoke runs the calling instructions and returns where to go on.
func (m *Machine) invoke(in *instr, r []Value, next int32) (int32, error) {
	switch in.op {
	case opCall:
		v, err := m.call(in.a, m.code.args[in.b], r)
		r[in.c] = v
		if err == nil && !v.Defined() {
			next = in.f
		}
		return next, err
	case opBuiltin:
		s := &m.code.sites[in.a]
		v, err := m.builtin(s, m.code.args[in.b], r)
		if s.void {
			if err == nil && !v.Defined() {
				next = in.f
			}
			return next, err
		}
		r[in.c] = v
		if err == nil && !v.Defined() {
			next = in.f
		}
		return next, err
	default:
	}
	d := &m.code.dynamics[in.a]
	n, ok := m.resolve(d, r)
	if !ok {
		return in.f, nil
	}
	v, err := m.call(n, d.args, r)
	r[in.c] = v
	if err == nil && !v.Defined() {
		next = in.d
	}
	return next, err
}

// call runs function n, or recalls what it returned for the same documents.
func (m *Machine) call(n int32, args []int32, r []Value) (Value, error) {
	f := m.code.fns[n]
	if f.memo >= 0 {
		if e := &m.memo[f.memo]; e.epoch == m.epoch && e.env == m.env {
			m.fault = cmp.Or(m.fault, e.fault)
			return e.val, nil
		}
	}
	if m.depth++; m.depth > maxCallDepth {
		return Value{}, errDepth
	}
	if err := m.spend(f.charges); err != nil {
		return Value{}, err
	}
	before := m.fault
	m.fault = nil
	cur, off := m.stack.cur, m.stack.off
	regs := m.frame(f)
	for i, p := range f.params {
		if i < len(args) {
			regs[p] = *m.at(args[i], r)
		}
	}
	v, err := m.exec(f, regs)
	m.stack.cur, m.stack.off = cur, off
	m.depth--
	if f.memo >= 0 && err == nil {
		m.memo[f.memo] = memoEntry{m.epoch, m.env, v, m.fault}
	}
	m.fault = cmp.Or(before, m.fault)
	return v, err
}

// resolve finds the function of a call by path.
func (m *Machine) resolve(d *dynamic, r []Value) (int32, bool) {
	m.scratch = m.scratch[:0]
	for i, o := range d.path {
		s, ok := m.at(o, r).Str()
		if !ok {
			return 0, false
		}
		if i > 0 {
			m.scratch = append(m.scratch, 0)
		}
		m.scratch = append(m.scratch, s...)
	}
	n, ok := d.targets[string(m.scratch)]
	return n, ok
}

// act runs the less frequent instructions; ok is false if in is undefined.
func (m *Machine) act(f *function, pc int32, r []Value) (ok bool, err error) {
	in := &f.code[pc]
	switch in.op {
	case opAssignOnce:
		return true, m.assignOnce(f, pc, r)
	case opLen:
		n, ok := m.at(in.a, r).length()
		r[in.c] = Int(int64(n))
		return ok, nil
	case opIsArray:
		return m.at(in.a, r).k == KindArray, nil
	case opIsObject:
		return m.at(in.a, r).k == KindObject, nil
	case opIsSet:
		return m.at(in.a, r).k == KindSet, nil
	case opMakeArray:
		r[in.c] = ofArray(m.newArray(int(in.d)))
	case opMakeObject:
		r[in.c] = ofObject(m.newObject())
	case opMakeSet:
		r[in.c] = ofSet(m.newSet())
	case opAppend, opAdd, opInsert, opInsertOnce, opCollect:
		return true, m.change(f, pc, r)
	case opMerge:
		r[in.c] = m.merge(m.at(in.a, r), m.at(in.b, r))
	case opWith:
		r[in.d] = r[in.c]
		r[in.c] = m.upsert(r[in.c], m.code.paths[in.a], *m.at(in.b, r))
		m.pushEnv()
	case opEndWith:
		r[in.c] = *m.at(in.a, r)
		m.popEnv()
	case opResult:
		m.results = append(m.results, *m.at(in.a, r))
	case opCover:
		m.count(in.a)
	default:
	}
	return true, nil
}

func (m *Machine) assignOnce(f *function, pc int32, r []Value) error {
	in := &f.code[pc]
	v := m.at(in.a, r)
	old := &r[in.c]
	switch {
	case !old.Defined():
		*old = *v
	case !equal(old, v): // of equal values the first counts: 1 is not spelled 1.0
		return ruleConflict(f, pc)
	}
	return nil
}

// change adds to the collection in a register.
func (m *Machine) change(f *function, pc int32, r []Value) error {
	in := &f.code[pc]
	coll, key, val := &r[in.a], m.at(in.b, r), m.at(in.d, r)
	switch {
	case in.op == opAppend && coll.k == KindArray:
		m.appendTo(coll.array(), key)
	case in.op == opAdd && coll.k == KindSet:
		m.addTo(coll.set(), key)
	case coll.k != KindObject || coll.object().shared:
		return errUnsupported
	case in.op == opInsertOnce || in.op == opCollect:
		old := coll.object().get(key)
		if old.Defined() && !equal(&old, val) {
			return conflict(f.locs[pc], msgObject)
		}
		if !old.Defined() || in.op == opCollect {
			m.insert(coll.object(), key, val)
		}
	default:
		m.insert(coll.object(), key, val)
	}
	return nil
}

// merge returns the union of two objects, recursively. As in OPA, a wins where
// one of them is no object.
func (m *Machine) merge(a, b *Value) Value {
	if a.k != KindObject || b.k != KindObject {
		return *a
	}
	out := m.copyObject(a.object())
	o := b.object()
	for i := range o.elems {
		val := o.vals[i]
		if old := out.get(&o.elems[i]); old.Defined() {
			val = m.merge(&old, &val)
		}
		m.insert(out, &o.elems[i], &val)
	}
	return ofObject(out)
}

// upsert returns v with val at path; objects on the way are copied or made.
func (m *Machine) upsert(v Value, path []Value, val Value) Value {
	if len(path) == 0 {
		return val
	}
	var o *objectVal
	var child Value
	if v.k == KindObject {
		o = m.copyObject(v.object())
		child = o.get(&path[0])
	} else {
		o = m.newObject()
	}
	child = m.upsert(child, path[1:], val)
	m.insert(o, &path[0], &child)
	return ofObject(o)
}

// pushEnv and popEnv bracket the evaluation under replaced documents, where
// memoised results do not hold.
func (m *Machine) pushEnv() {
	m.envStack = append(m.envStack, m.env)
	m.envs++
	m.env = m.envs
}

func (m *Machine) popEnv() {
	n := len(m.envStack) - 1
	m.env = m.envStack[n]
	m.envStack = m.envStack[:n]
}

func (it *iterator) over(v *Value) {
	*it = iterator{}
	switch v.k {
	case KindArray:
		it.vals = v.array().elems
	case KindObject:
		o := v.object()
		o.sort()
		it.keys, it.vals = o.elems, o.vals
	case KindSet:
		s := v.set()
		s.sort()
		it.keys, it.vals = s.elems, s.elems
	default:
	}
}

func (it *iterator) next(key, val *Value) bool {
	if it.i >= len(it.vals) {
		return false
	}
	if it.keys == nil {
		*key = Int(int64(it.i))
	} else {
		*key = it.keys[it.i]
	}
	*val = it.vals[it.i]
	it.i++
	return true
}
