package match

import (
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/riposte-sec/riposte/pipeline"
)

// known is the member "context" of the input of detections: what is known of the event's
// entities. It is no part of the event and does not travel with it.
//
//	assets           [{entity, value, role, criticality, class, owner, exposure}]
//	identities       [{entity, value, role, privileged, vip, service, name}]
//	indicators       [{entity, value, role, content, indicator, kind, confidence, source, title, labels}]
//	vulnerabilities  [{entity, value, role, open, critical, exploited, ids}]
//
// A list of which nothing is known is absent, and so is the member if all lists are.
const known = "context"

// uses says which lists the rules of a set read. The others are not made.
type uses struct{ assets, identities, indicators, vulnerabilities bool }

func (u uses) any() bool { return u.assets || u.identities || u.indicators || u.vulnerabilities }

// usesOf looks through the rules for input.context.<list>. A rule that reads the whole of
// input, or of input.context, may read everything.
func usesOf(modules map[string]*ast.Module) uses {
	var u uses
	for _, m := range modules {
		for _, i := range m.Imports {
			if ref, ok := i.Path.Value.(ast.Ref); ok && ref.HasPrefix(ast.InputRootRef) && len(ref) < 3 {
				return uses{true, true, true, true}
			}
		}
		ast.WalkTerms(m, u.visit)
	}
	return u
}

// visit notes what a term reads, and stops at references that begin with input, whose other
// parts it visits itself: their first part is no value.
func (u *uses) visit(t *ast.Term) (stop bool) {
	switch v := t.Value.(type) {
	case ast.Ref:
		if !v.HasPrefix(ast.InputRootRef) {
			return false
		}
		u.note(v)
		for _, part := range v[1:] {
			ast.WalkTerms(part, u.visit)
		}
		return true
	case ast.Var:
		if v.Equal(ast.InputRootDocument.Value) {
			*u = uses{true, true, true, true} // alone, as a value
		}
	}
	return false
}

func (u *uses) note(ref ast.Ref) {
	part := func(i int) string {
		if i >= len(ref) {
			return ""
		}
		s, _ := ref[i].Value.(ast.String)
		return string(s)
	}
	first := part(1)
	if len(ref) > 1 && first != "" && first != known {
		return
	}
	switch part(2) {
	case "assets":
		u.assets = true
	case "identities":
		u.identities = true
	case "indicators":
		u.indicators = true
	case "vulnerabilities":
		u.vulnerabilities = true
	default:
		*u = uses{true, true, true, true}
	}
}

// joiner appends what is known to the JSON form of events.
type joiner struct {
	uses  uses
	k     pipeline.Known
	lists [4][]byte
}

// join adds the member to event, an object that AppendJSON wrote. It allocates nothing once
// its buffers have grown.
func (j *joiner) join(event []byte, c pipeline.Context, e *pipeline.Event) []byte {
	for i := range j.lists {
		j.lists[i] = j.lists[i][:0]
	}
	for i := range e.Entities {
		n := &e.Entities[i]
		c.Look(&j.k, e.Tenant, n.Kind, n.Value, e.At)
		if !j.k.IsZero() {
			j.add(n)
		}
	}
	open := false
	for i, name := range [...]string{`"assets":[`, `"identities":[`, `"indicators":[`, `"vulnerabilities":[`} {
		list := j.lists[i]
		if len(list) == 0 {
			continue
		}
		if !open {
			event = append(event[:len(event)-1], `,"`+known+`":{`...)
			open = true
		} else {
			event = append(event, ',')
		}
		event = append(append(append(event, name...), list[1:]...), ']') // without the first comma
	}
	if open {
		event = append(event, "}}"...)
	}
	return event
}

func (j *joiner) add(n *pipeline.Entity) {
	if a := j.k.Asset; a != nil && j.uses.assets {
		w := begin(j.lists[0], n)
		w = member(w, `,"criticality":`, a.Criticality)
		w = member(w, `,"class":`, a.Class)
		w = member(w, `,"owner":`, a.Owner)
		j.lists[0] = append(member(w, `,"exposure":`, a.Exposure), '}')
	}
	if i := j.k.Identity; i != nil && j.uses.identities {
		w := begin(j.lists[1], n)
		w = strconv.AppendBool(append(w, `,"privileged":`...), i.Privileged)
		w = strconv.AppendBool(append(w, `,"vip":`...), i.VIP)
		w = strconv.AppendBool(append(w, `,"service":`...), i.Service)
		j.lists[1] = append(member(w, `,"name":`, i.Name), '}')
	}
	if j.uses.indicators {
		for _, i := range j.k.Indicators {
			j.lists[2] = appendIndicator(begin(j.lists[2], n), n, i)
		}
	}
	if x := j.k.Exposure; x != nil && j.uses.vulnerabilities {
		w := begin(j.lists[3], n)
		w = strconv.AppendInt(append(w, `,"open":`...), int64(x.Open), 10)
		w = strconv.AppendInt(append(w, `,"critical":`...), int64(x.Critical), 10)
		w = strconv.AppendInt(append(w, `,"exploited":`...), int64(x.Exploited), 10)
		j.lists[3] = append(appendTexts(append(w, `,"ids":`...), x.IDs), '}')
	}
}

func appendIndicator(w []byte, n *pipeline.Entity, i *pipeline.Indicator) []byte {
	w = strconv.AppendBool(append(w, `,"content":`...), n.Content)
	w = pipeline.AppendJSONString(append(w, `,"indicator":`...), i.Value)
	w = pipeline.AppendJSONString(append(w, `,"kind":`...), i.Kind)
	w = strconv.AppendInt(append(w, `,"confidence":`...), int64(i.Confidence), 10)
	w = pipeline.AppendJSONString(append(w, `,"source":`...), i.Source)
	w = member(w, `,"title":`, i.Title)
	if len(i.Labels) > 0 {
		w = appendTexts(append(w, `,"labels":`...), i.Labels)
	}
	return append(w, '}')
}

// begin begins an element about the entity n, behind a comma.
func begin(w []byte, n *pipeline.Entity) []byte {
	w = pipeline.AppendJSONString(append(w, `,{"entity":`...), n.Kind.String())
	w = pipeline.AppendJSONString(append(w, `,"value":`...), n.Value)
	return pipeline.AppendJSONString(append(w, `,"role":`...), n.Role)
}

// member appends a member if it has a value.
func member(w []byte, name, value string) []byte {
	if value == "" {
		return w
	}
	return pipeline.AppendJSONString(append(w, name...), value)
}

func appendTexts(w []byte, list []string) []byte {
	w = append(w, '[')
	for i, s := range list {
		if i > 0 {
			w = append(w, ',')
		}
		w = pipeline.AppendJSONString(w, s)
	}
	return append(w, ']')
}

// Paths of what is known of the entities that a signal groups by, for correlations.
const (
	pathCriticality = "context.criticality" // the highest of the assets
	pathPrivileged  = "context.privileged"  // true if an identity is
)

// rank of criticalities; of what is none of them, 0.
var ranks = []string{"", pipeline.CriticalityLow, pipeline.CriticalityMedium, pipeline.CriticalityHigh, pipeline.CriticalityCrown}

// knownOf returns the value of one of those paths for the entities of e among group.
func (j *joiner) knownOf(c pipeline.Context, e *pipeline.Event, path string, group []string) (string, bool) {
	best, privileged := 0, false
	for i := range e.Entities {
		n := &e.Entities[i]
		if c == nil || !among(n, group) {
			continue
		}
		c.Look(&j.k, e.Tenant, n.Kind, n.Value, e.At)
		if a := j.k.Asset; a != nil {
			best = max(best, slices.Index(ranks, a.Criticality))
		}
		privileged = privileged || j.k.Identity != nil && j.k.Identity.Privileged
	}
	switch {
	case path == pathCriticality && best > 0:
		return ranks[best], true
	case path == pathPrivileged && privileged:
		return "true", true
	}
	return "", false
}

// among reports whether the entity's value is one that is grouped by.
func among(n *pipeline.Entity, group []string) bool {
	for _, g := range group {
		if kind, value, ok := strings.Cut(g, ":"); g == n.Value || ok && kind == n.Kind.String() && value == n.Value {
			return true
		}
	}
	return false
}
