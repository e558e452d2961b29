package normalise

import (
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// Compiled is the plans of all sources. It is safe for concurrent use.
type Compiled struct {
	plans map[string]*plan
	cache CacheStats
}

// New compiles the mappings of formats. The error names, for everything that is wrong, the
// file sources/<name>/mapping.yaml, the line, and the nearest name where one is unknown.
func New(formats []pipeline.Format) (*Compiled, error) {
	c := &Compiled{plans: map[string]*plan{}}
	var errs []error
	for _, f := range formats {
		if c.plans[f.Name] != nil {
			errs = append(errs, fmt.Errorf("source %q stands twice", f.Name))
			continue
		}
		p, err := compile(f)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c.plans[f.Name] = p
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// Sources returns the names of the sources, sorted.
func (c *Compiled) Sources() []string { return slices.Sorted(maps.Keys(c.plans)) }

// Cache returns the counters of the cache of canonical forms, of all stages together.
func (c *Compiled) Cache() *CacheStats { return &c.cache }

// compiler builds one plan. Paths get their slots as they are met.
type compiler struct {
	file  string
	doc   *document
	plan  *plan
	slots map[string]int
	errs  []error
}

func compile(f pipeline.Format) (*plan, error) {
	file := "sources/" + f.Name + "/mapping.yaml"
	doc, err := parse(file, f.Mapping)
	if err != nil {
		return nil, err
	}
	if doc.source != f.Name {
		return nil, fmt.Errorf("%s: source is %q, want %q", file, doc.source, f.Name)
	}
	// The seed differs from run to run; what depends on it is speed alone.
	seed := maphash.Bytes(maphash.MakeSeed(), nil)
	c := &compiler{
		file: file, doc: doc, slots: map[string]int{},
		plan: &plan{source: f.Name, decode: f.Decode, root: newNode(), absent: doc.absent, batch: -1, classFrom: -1, idLength: doc.idLength, seed: seed},
	}
	c.top()
	for i := range doc.classes {
		c.class(&doc.classes[i])
	}
	if len(doc.classes) == 0 {
		c.class(&classSpec{name: "event"})
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	if c.plan.slots > math.MaxInt16 {
		return nil, fmt.Errorf("%s: reads more than %d paths", file, math.MaxInt16)
	}
	c.plan.root.finish(&c.plan.nodes)
	c.plan.selector = newSelector(c.plan.classes)
	return c.plan, nil
}

func (c *compiler) top() {
	d, p := c.doc, c.plan
	p.requires, p.id, p.volatile = c.slotsOf(d.requires), c.slotsOf(d.id), c.slotsOf(d.volatile)
	for _, t := range d.times {
		p.times = append(p.times, timeOp{c.slot(t.path), t.format})
	}
	if d.batch != "" {
		p.batch = c.slot(d.batch)
	}
	if d.classFrom != "" {
		p.classFrom = c.slot(d.classFrom)
	}
}

func (c *compiler) class(spec *classSpec) {
	cp := classPlan{
		name: spec.name, class: spec.class, when: c.conds(spec.when), entities: spec.entities,
		activity: c.ways(pipeline.FieldNone, spec.activity), severity: c.ways(pipeline.FieldNone, spec.severity),
	}
	if spec.severity == nil {
		cp.severity = c.ways(pipeline.FieldNone, c.doc.severity)
	}
	if spec.entities == nil {
		cp.entities = c.doc.entities
	}
	fields := maps.Clone(c.doc.fields)
	if fields == nil {
		fields = fieldSpecs{}
	}
	for _, g := range spec.use {
		maps.Copy(fields, c.doc.groups[g])
	}
	maps.Copy(fields, spec.fields)
	if c.doc.identity {
		for f := pipeline.FieldNone + 1; int(f) < pipeline.FieldCount; f++ {
			if _, ok := fields[f]; !ok {
				fields[f] = []valueSpec{{path: f.String()}}
			}
		}
	}
	for _, f := range slices.Sorted(maps.Keys(fields)) {
		ways := c.ways(f, fields[f])
		next := len(cp.ops) + len(ways)
		for i := range ways {
			cp.ops = append(cp.ops, op{int16(ways[i].slot), f, int32(next), &ways[i]})
		}
	}
	c.plan.classes = append(c.plan.classes, cp)
}

func (c *compiler) ways(f pipeline.Field, specs []valueSpec) []way {
	var ways []way
	for _, s := range specs {
		w := way{when: c.conds(s.when), slot: -1, text: s.konst, enum: s.enum, other: s.other, fn: s.fn, arg: s.arg}
		if s.path != "" {
			w.slot = c.slot(s.path)
		}
		if f != pipeline.FieldNone {
			c.check(f, &w, s.line)
		}
		ways = append(ways, w)
	}
	return ways
}

// check turns the constants of a way into values of the field, and refuses those that
// cannot be.
func (c *compiler) check(f pipeline.Field, w *way, line int) {
	var arena pipeline.Arena
	k := canon{arena: &arena}
	texts := slices.Sorted(maps.Values(w.enum))
	if w.other != "" {
		texts = append(texts, w.other)
	}
	if w.slot < 0 {
		texts = append(texts, w.text)
	}
	for _, t := range texts {
		v, ok := k.value(f, t)
		if !ok && t != "" {
			c.errs = append(c.errs, fmt.Errorf("%s:%d: %q is no value of %s", c.file, line, t, f))
		}
		if w.slot < 0 {
			v.Str = strings.Clone(v.Str)
			w.konst = v
		}
	}
}

func (c *compiler) conds(specs []condSpec) []cond {
	var conds []cond
	for _, s := range specs {
		w := cond{slot: c.slot(s.path), not: s.not}
		for _, t := range s.texts {
			switch prefix, isPrefix := strings.CutSuffix(t, "*"); {
			case t == "*":
				w.any = true
			case isPrefix:
				w.prefixes = append(w.prefixes, prefix)
			default:
				w.texts = append(w.texts, t)
			}
		}
		conds = append(conds, w)
	}
	return conds
}

func (c *compiler) slotsOf(paths []string) []int {
	var slots []int
	for _, p := range paths {
		slots = append(slots, c.slot(p))
	}
	return slots
}

// slot returns the slot of a vendor path, new if it was not asked for before. All other
// paths of the same value lead to the same slot.
func (c *compiler) slot(path string) int {
	if s, ok := c.slots[path]; ok {
		return s
	}
	s := c.plan.slots
	c.plan.slots++
	c.slots[path] = s
	c.place(path, s)
	if c.doc.folded {
		outer, inner, _ := strings.Cut(path, ".")
		c.place(strings.TrimSuffix(strings.ToLower(outer)+"."+inner, "."), s)
	}
	for _, root := range c.doc.roots {
		c.place(root+"."+path, s)
	}
	for _, a := range c.doc.also {
		if a.path == path {
			for _, other := range a.also {
				c.place(other, s)
			}
		}
	}
	return s
}

func (c *compiler) place(path string, slot int) {
	parts, err := splitPath(path)
	if err != nil {
		c.errs = append(c.errs, fmt.Errorf("%s: path %q: %w", c.file, path, err))
		return
	}
	n := c.plan.root
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			if n.members == nil {
				n.members = &memberSet{seed: c.plan.seed}
			}
			n = n.members.add(part)
		case int:
			for len(n.elements) <= part {
				n.elements = append(n.elements, nil)
			}
			if n.elements[part] == nil {
				n.elements[part] = newNode()
			}
			n = n.elements[part]
		}
	}
	if n.slot >= 0 && n.slot != slot {
		c.errs = append(c.errs, fmt.Errorf("%s: path %q stands for two values", c.file, path))
	}
	n.slot = slot
}
