package normalise

import (
	"errors"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/riposte-sec/riposte/pipeline"
)

// parser reads the nodes of one document and collects what is wrong with it.
type parser struct {
	file string
	errs []error
}

func (p *parser) errorf(n *yaml.Node, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s:%d: %s", p.file, n.Line, fmt.Sprintf(format, args...)))
}

// parse reads a mapping. The error names file and line of everything that is wrong.
func parse(file string, text []byte) (*document, error) {
	p := &parser{file: file}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(root.Content) != 1 {
		return nil, fmt.Errorf("%s: no document", file)
	}
	d := &document{groups: map[string]fieldSpecs{}}
	p.members(root.Content[0], func(key string, _, v *yaml.Node) bool { return p.top(d, key, v) },
		"source", "roots", "also", "folded", "absent", "requires", "batch", "id", "id_length", "volatile", "time", "severity",
		"class_from", "identity", "fields", "groups", "entities", "classes")
	if d.source == "" {
		p.errorf(root.Content[0], "source is missing")
	}
	return d, errors.Join(p.errs...)
}

// members calls f for each member of the mapping n; where f does not know the name it is an
// error that tells the nearest of names.
func (p *parser) members(n *yaml.Node, f func(key string, k, v *yaml.Node) bool, names ...string) {
	if n.Kind != yaml.MappingNode {
		p.errorf(n, "want a mapping")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		if seen[k.Value] {
			p.errorf(k, "%q stands twice", k.Value)
		}
		seen[k.Value] = true
		if !f(k.Value, k, v) {
			p.errorf(k, "unknown name %q%s", k.Value, didYouMean(k.Value, names))
		}
	}
}

func (p *parser) top(d *document, key string, v *yaml.Node) bool {
	switch key {
	case "source":
		d.source = p.text(v)
	case "roots":
		d.roots = p.paths(v)
	case "also":
		p.members(v, func(path string, _, v *yaml.Node) bool {
			d.also = append(d.also, alias{path, p.paths(v)})
			return true
		})
	case "absent":
		d.absent = p.texts(v)
	case "requires":
		d.requires = p.paths(v)
	case "batch":
		d.batch = p.path(v)
	case "id":
		d.id = p.paths(v)
	case "id_length":
		d.idLength = p.number(v, 1<<10)
	case "volatile":
		d.volatile = p.paths(v)
	case "time":
		d.times = p.times(v)
	case "severity":
		d.severity = p.values(v)
	case "class_from":
		d.classFrom = p.path(v)
	case "folded":
		d.folded = p.truth(v)
	case "identity":
		d.identity = p.truth(v)
	default:
		return p.body(d, key, v)
	}
	return true
}

// body reads what makes the attributes and entities.
func (p *parser) body(d *document, key string, v *yaml.Node) bool {
	switch key {
	case "fields":
		d.fields = p.fields(v)
	case "groups":
		p.members(v, func(name string, _, v *yaml.Node) bool {
			d.groups[name] = p.fields(v)
			return true
		})
	case "entities":
		d.entities = p.entities(v)
	case "classes":
		for _, c := range p.items(v) {
			d.classes = append(d.classes, p.class(d, c))
		}
	default:
		return false
	}
	return true
}

func (p *parser) class(d *document, n *yaml.Node) classSpec {
	var c classSpec
	p.members(n, func(key string, _, v *yaml.Node) bool {
		switch key {
		case "name":
			c.name = p.text(v)
		case "when":
			c.when = p.when(v)
		case "class":
			c.class = pipeline.Class(p.number(v, 1<<30))
		case "activity":
			c.activity = p.values(v)
		case "severity":
			c.severity = p.values(v)
		case "use":
			c.use = p.texts(v)
			for _, g := range c.use {
				if _, ok := d.groups[g]; !ok {
					p.errorf(v, "no group %q above%s", g, didYouMean(g, keysOf(d.groups)))
				}
			}
		case "fields":
			c.fields = p.fields(v)
		case "entities":
			c.entities = p.entities(v)
		default:
			return false
		}
		return true
	}, "name", "when", "class", "activity", "severity", "use", "fields", "entities")
	return c
}

func (p *parser) fields(n *yaml.Node) fieldSpecs {
	specs := fieldSpecs{}
	p.members(n, func(_ string, k, v *yaml.Node) bool {
		if f, ok := p.field(k); ok {
			specs[f] = p.values(v)
		}
		return true
	})
	return specs
}

func (p *parser) field(n *yaml.Node) (pipeline.Field, bool) {
	f, ok := pipeline.FieldOf(n.Value)
	if !ok {
		names := make([]string, 0, pipeline.FieldCount)
		for f := pipeline.FieldNone + 1; int(f) < pipeline.FieldCount; f++ {
			names = append(names, f.String())
		}
		p.errorf(n, "unknown field %q%s", n.Value, didYouMean(n.Value, names))
	}
	return f, ok
}

// values reads one way or a list of ways to get a value.
func (p *parser) values(n *yaml.Node) []valueSpec {
	if n.Kind == yaml.SequenceNode {
		var specs []valueSpec
		for _, item := range n.Content {
			specs = append(specs, p.value(item))
		}
		return specs
	}
	return []valueSpec{p.value(n)}
}

func (p *parser) value(n *yaml.Node) valueSpec {
	spec := valueSpec{line: n.Line}
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!int" { // activity: 1
			spec.konst = n.Value
		} else {
			spec.path = p.path(n)
		}
		return spec
	}
	p.members(n, func(key string, _, v *yaml.Node) bool {
		switch key {
		case "path":
			spec.path = p.path(v)
		case "const":
			spec.konst = p.text(v)
		case "map":
			spec.enum = map[string]string{}
			p.members(v, func(key string, _, v *yaml.Node) bool {
				spec.enum[key] = p.text(v)
				return true
			})
		case "else":
			spec.other = p.text(v)
		case "as":
			spec.fn = p.function(v)
		case "arg":
			spec.arg = p.text(v)
		case "when":
			spec.when = p.when(v)
		default:
			return false
		}
		return true
	}, "path", "const", "map", "else", "as", "arg", "when")
	if (spec.path == "") == (spec.konst == "") {
		p.errorf(n, "want either path or const")
	}
	return spec
}

func (p *parser) function(n *yaml.Node) function {
	f, ok := functions[n.Value]
	if !ok {
		p.errorf(n, "unknown function %q%s", n.Value, didYouMean(n.Value, keysOf(functions)))
	}
	return f
}

func (p *parser) when(n *yaml.Node) []condSpec {
	var conds []condSpec
	p.members(n, func(path string, k, v *yaml.Node) bool {
		if path == "not" && v.Kind == yaml.MappingNode {
			for _, c := range p.when(v) {
				c.not = !c.not
				conds = append(conds, c)
			}
			return true
		}
		conds = append(conds, condSpec{path: p.path(k), texts: p.texts(v)})
		return true
	})
	return conds
}

func (p *parser) times(n *yaml.Node) []timeSpec {
	var specs []timeSpec
	for _, item := range p.items(n) {
		var spec timeSpec
		p.members(item, func(key string, _, v *yaml.Node) bool {
			switch key {
			case "path":
				spec.path = p.path(v)
			case "format":
				format, ok := timeFormats[v.Value]
				if !ok {
					p.errorf(v, "unknown time format %q%s", v.Value, didYouMean(v.Value, keysOf(timeFormats)))
				}
				spec.format = format
			default:
				return false
			}
			return true
		}, "path", "format")
		specs = append(specs, spec)
	}
	return specs
}

func (p *parser) entities(n *yaml.Node) []entitySpec {
	var specs []entitySpec
	for _, item := range p.items(n) {
		var spec entitySpec
		p.members(item, func(key string, _, v *yaml.Node) bool {
			switch key {
			case "kind":
				if spec.kind = pipeline.EntityKindOf(v.Value); spec.kind == pipeline.EntityNone {
					p.errorf(v, "unknown kind of entity %q", v.Value)
				}
			case "role":
				spec.role = p.text(v)
			case "field":
				spec.field, _ = p.field(v)
			case "content":
				spec.content = p.truth(v)
			case "except":
				spec.except = p.texts(v)
			default:
				return false
			}
			return true
		}, "kind", "role", "field", "content", "except")
		if spec.kind == pipeline.EntityNone || spec.role == "" || spec.field == pipeline.FieldNone {
			p.errorf(item, "an entity needs kind, role and field")
		}
		specs = append(specs, spec)
	}
	return specs
}

func (p *parser) items(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		p.errorf(n, "want a list")
		return nil
	}
	return n.Content
}

// texts reads a text or a list of texts.
func (p *parser) texts(n *yaml.Node) []string {
	if n.Kind == yaml.SequenceNode {
		var list []string
		for _, item := range n.Content {
			list = append(list, p.text(item))
		}
		return list
	}
	return []string{p.text(n)}
}

func (p *parser) text(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		p.errorf(n, "want a text")
	}
	return n.Value
}

// path reads a path of the vendor's.
func (p *parser) path(n *yaml.Node) string {
	text := p.text(n)
	if _, err := splitPath(text); err != nil {
		p.errorf(n, "path %q: %v", text, err)
	}
	return text
}

func (p *parser) paths(n *yaml.Node) []string {
	for _, item := range n.Content {
		p.path(item)
	}
	if n.Kind == yaml.ScalarNode {
		p.path(n)
	}
	return p.texts(n)
}

func (p *parser) number(n *yaml.Node, limit int) int {
	v, err := strconv.Atoi(n.Value)
	if err != nil || v < 0 || v > limit {
		p.errorf(n, "want a number from 0 to %d", limit)
	}
	return v
}

func (p *parser) truth(n *yaml.Node) bool {
	if n.Value != "true" && n.Value != "false" {
		p.errorf(n, "want true or false")
	}
	return n.Value == "true"
}
