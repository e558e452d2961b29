package pipeline

import (
	"slices"
	"strings"
)

// fieldTree is the paths of the fields as a tree of names.
var fieldTree = func() *fieldNode {
	root := &fieldNode{children: map[string]*fieldNode{}}
	for f := FieldNone + 1; f < fieldCount; f++ {
		n := root
		for name := range strings.SplitSeq(f.String(), ".") {
			child := n.children[name]
			if child == nil {
				child = &fieldNode{children: map[string]*fieldNode{}}
				n.children[name] = child
			}
			n = child
		}
		n.field = f
	}
	return root
}()

type fieldNode struct {
	field    Field // of a leaf
	children map[string]*fieldNode
}

// DecodeEvent reads what AppendJSON wrote into e and sets Fate to FateLive. What AppendJSON
// leaves out is zero; apart from that the result is equal to what was written. Members that
// it does not know are skipped. Strings are views into value, or into arena where they had
// escapes; the slices of e are reused, so that decoding into the same Event again allocates
// nothing. Errors are marked Reject, with the reason "malformed".
func DecodeEvent(value []byte, e *Event, arena *Arena) error {
	r := reader{p: value, arena: arena}
	*e = Event{Attrs: e.Attrs[:0], Entities: e.Entities[:0], Fate: FateLive}
	r.enter('{')
	for n := 0; r.more('}', n); n++ {
		r.eventMember(e, r.key())
	}
	if err := r.err("event"); err != nil {
		return err
	}
	sortAttrs(e)
	return nil
}

// sortAttrs brings the attributes into the order of Event. Of two values of a field the
// later one stays.
func sortAttrs(e *Event) {
	slices.SortStableFunc(e.Attrs, func(a, b Attr) int { return int(a.Field) - int(b.Field) })
	kept := e.Attrs[:0]
	for i, a := range e.Attrs {
		if i+1 == len(e.Attrs) || e.Attrs[i+1].Field != a.Field {
			kept = append(kept, a)
		}
	}
	e.Attrs = kept
}

func (r *reader) eventMember(e *Event, key string) {
	switch key {
	case "class_uid":
		e.Class = Class(r.uint(32))
	case "activity_id":
		e.Activity = uint8(r.uint(8))
	case "severity_id":
		e.Severity = uint8(r.uint(8))
	case "time":
		e.At = Millis(r.int())
	case "metadata":
		r.eventMetadata(e)
	case "observables":
		r.enter('[')
		for n := 0; r.more(']', n); n++ {
			e.Entities = append(e.Entities, r.observable())
		}
	case "raw_ref":
		r.rawRef(e)
	case "unmapped":
		e.Unmapped = r.raw()
	default:
		r.attr(e, fieldTree.children[key])
	}
}

func (r *reader) eventMetadata(e *Event) {
	r.enter('{')
	for n := 0; r.more('}', n); n++ {
		switch key := r.key(); key {
		case "uid":
			e.ID = r.id()
		case "tenant_uid":
			e.Tenant = r.string()
		case "log_name":
			e.Source = r.string()
		case "logged_time":
			e.Ingested = Millis(r.int())
		case "labels":
			r.enter('[')
			for n := 0; r.more(']', n); n++ {
				e.Flags |= FlagOf(r.string())
			}
		default:
			r.attr(e, fieldTree.children["metadata"].children[key])
		}
	}
}

// attr reads the value of a member whose place in the tree of fields is n, nil if it is
// not in there.
func (r *reader) attr(e *Event, n *fieldNode) {
	if n == nil {
		r.skip(0)
		return
	}
	if n.field != FieldNone {
		if v := r.value(n.field.Kind()); v.Kind != KindNone {
			e.Attrs = append(e.Attrs, Attr{n.field, v})
		}
		return
	}
	r.enter('{')
	for i := 0; r.more('}', i); i++ {
		r.attr(e, n.children[r.key()])
	}
}

// value reads a value of the given kind; of another kind it is skipped.
func (r *reader) value(k Kind) Value {
	c := r.peek()
	switch {
	case k == KindString && c == '"':
		return Value{Kind: k, Str: r.string()}
	case k == KindInt && (c == '-' || c >= '0' && c <= '9'):
		return Value{Kind: k, Int: r.int()}
	case k == KindBool && c == 't', k == KindBool && c == 'f':
		if r.bool() {
			return Value{Kind: k, Int: 1}
		}
		return Value{Kind: k}
	case k == KindList && c == '[':
		return Value{Kind: k, Str: View(r.raw())}
	}
	r.skip(0)
	return Value{}
}

func (r *reader) observable() Entity {
	var n Entity
	r.enter('{')
	for i := 0; r.more('}', i); i++ {
		switch r.key() {
		case "name":
			n.Role = r.string()
		case "type":
			n.Kind = EntityKindOf(r.string())
		case "value":
			n.Value = r.string()
		case "origin":
			n.Content = r.string() == "content"
		default:
			r.skip(0)
		}
	}
	return n
}

func (r *reader) rawRef(e *Event) {
	r.enter('{')
	for i := 0; r.more('}', i); i++ {
		switch r.key() {
		case "partition":
			e.Partition = int32(r.uint(31))
		case "offset":
			e.Offset = r.int()
		default:
			r.skip(0)
		}
	}
}
