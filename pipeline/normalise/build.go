package normalise

import (
	"slices"
	"strconv"

	"github.com/riposte-sec/riposte/pipeline"
)

// event appends the event of record i, whose object was scanned.
func (s *Stage) event(b *pipeline.Batch, i int, tenant string, clock pipeline.ReplayClock, object []byte, flags pipeline.Flags) {
	r := &b.In[i]
	b.Events = append(b.Events, pipeline.Event{
		Record: i, Partition: b.Partition, Offset: r.Offset, Tenant: tenant, Source: s.plan.source,
		Flags: flags, Fate: pipeline.FateLive, Ingested: clock.Start, Unmapped: object,
	})
	e := &b.Events[len(b.Events)-1]
	if r.Header(pipeline.HeaderDemo) != nil {
		e.Flags |= pipeline.FlagDemo
	}
	claimed := s.time()
	if claimed != 0 {
		e.At = claimed.Add(clock.Shift)
	}
	var skewed bool
	if e.At, skewed = pipeline.Clamp(e.At, e.Ingested); skewed || clock.Shift != 0 {
		e.Flags |= pipeline.FlagClockSkew
		b.Counts.Skewed++
	}
	s.identify(b, e, claimed != 0)

	class := s.class()
	if e.Class = class.class; s.plan.classFrom >= 0 {
		e.Class = pipeline.Class(s.smallNumber(s.plan.classFrom))
	}
	e.Activity = s.byteOf(class.activity)
	e.Severity = min(s.byteOf(class.severity), 6)
	s.fill(b, e, class)
	s.extract(b, e, class)

	c := &b.Counts
	if c.Live++; c.FirstAt == 0 || e.At < c.FirstAt {
		c.FirstAt = e.At
	}
	c.LastAt = max(c.LastAt, e.At)
}

// text returns the text of a slot; objects, lists and null have none.
func (s *Stage) text(slot int) string {
	sp := &s.scan.slots[slot]
	switch sp.kind {
	case spanString, spanNumber, spanTrue, spanFalse:
		return pipeline.View(s.scan.p[sp.from:sp.to])
	case spanEscaped:
		s.texts[slot] = pipeline.View(unescape(s.scan.arena, s.scan.p[sp.from:sp.to]))
		sp.kind = spanText
		return s.texts[slot]
	case spanText:
		return s.texts[slot]
	case spanNone, spanNull, spanObject, spanList:
	}
	return ""
}

func (s *Stage) time() pipeline.Millis {
	for _, t := range s.plan.times {
		if text := s.text(t.slot); text != "" {
			if at, ok := parseTime(text, t.format); ok {
				return at
			}
		}
	}
	return 0
}

func (s *Stage) smallNumber(slot int) uint32 {
	v, ok := integer(s.text(slot))
	if !ok || v < 0 || v > 1<<30 {
		return 0
	}
	return uint32(v)
}

// identify gives the event its id: from the vendor's if there is one, else from where the
// record lies. timed tells whether the vendor says when it happened: without that, equal
// content does not mean the same event.
func (s *Stage) identify(b *pipeline.Batch, e *pipeline.Event, timed bool) {
	e.Exact = s.vendorID(e)
	if !e.Exact {
		var buf [48]byte
		partition := strconv.AppendInt(buf[:0], int64(b.Partition), 10)
		offset := strconv.AppendInt(buf[24:24], e.Offset, 10)
		e.ID = pipeline.HashID("event", b.Topic, pipeline.View(partition), pipeline.View(offset))
	}
	if e.Exact || timed {
		e.Print = s.print(e)
	}
}

// vendorID sets the id from the vendor's and reports whether there is one.
func (s *Stage) vendorID(e *pipeline.Event) bool {
	if len(s.plan.id) == 0 {
		return false
	}
	id, length := s.buf[:0], 0
	for _, slot := range s.plan.id {
		text := s.text(slot)
		if text == "" {
			return false
		}
		length += len(text)
		id = append(append(id, 0x1f), text...)
	}
	s.buf = id
	if length < s.plan.idLength || length > 400 {
		return false
	}
	e.ID = pipeline.HashID("event", e.Tenant, e.Source, pipeline.View(id))
	return true
}

// print hashes the vendor's object without the values that differ between deliveries. It
// is a cryptographic hash because a collision would hide an event.
func (s *Stage) print(e *pipeline.Event) pipeline.ID {
	s.sum.Reset()
	s.buf = append(append(append(append(s.buf[:0], e.Tenant...), 0), e.Source...), 0)
	s.sum.Write(s.buf)
	var cuts [8]span
	n := 0
	for _, slot := range s.plan.volatile {
		sp := s.scan.slots[slot]
		if sp.kind == spanNone || n == len(cuts) {
			continue
		}
		k := n
		for ; k > 0 && cuts[k-1].from > sp.from; k-- {
			cuts[k] = cuts[k-1]
		}
		cuts[k] = sp
		n++
	}
	from := uint32(0)
	for _, cut := range cuts[:n] {
		if cut.from > from {
			s.sum.Write(s.scan.p[from:cut.from])
		}
		from = max(from, cut.to)
	}
	s.sum.Write(s.scan.p[from:])
	s.buf = s.sum.Sum(s.buf[:0])
	return pipeline.ID(s.buf[:16])
}

// class returns the first class whose conditions hold. The last one of a mapping without
// condition catches the rest; where there is none the event is a base event.
func (s *Stage) class() *classPlan {
	candidates := s.plan.selector.rest
	if slot := s.plan.selector.slot; slot >= 0 {
		if list, ok := s.plan.selector.byText[s.text(slot)]; ok {
			candidates = list
		}
	}
	for _, i := range candidates {
		if c := &s.plan.classes[i]; s.hold(c.when) {
			return c
		}
	}
	return &baseEvent
}

var baseEvent = classPlan{name: "event"}

func (s *Stage) hold(conds []cond) bool {
	for i := range conds {
		c := &conds[i]
		kind := s.scan.slots[c.slot].kind
		if got := kind != spanNone && kind != spanNull && c.matches(s.text(c.slot)); got == c.not {
			return false
		}
	}
	return true
}

// get returns the text that a way leads to, "" if it leads nowhere. A constant is its text.
func (s *Stage) get(w *way) string {
	if len(w.when) > 0 && !s.hold(w.when) {
		return ""
	}
	text := w.text
	if w.slot >= 0 {
		if text = s.text(w.slot); text == "" || s.isAbsent(text) {
			return ""
		}
	}
	if w.fn != fnNone {
		text = w.fn.apply(text, w.arg, s.scan.arena)
	}
	if w.enum != nil {
		mapped, ok := w.enum[text]
		if !ok {
			mapped = w.other
		}
		return mapped
	}
	return text
}

func (s *Stage) isAbsent(text string) bool {
	return slices.Contains(s.plan.absent, text)
}

func (s *Stage) byteOf(ways []way) uint8 {
	for i := range ways {
		if v, ok := integer(s.get(&ways[i])); ok && v >= 0 && v <= 255 {
			return uint8(v)
		}
	}
	return 0
}

// fill sets the attributes of the event.
func (s *Stage) fill(b *pipeline.Batch, e *pipeline.Event, class *classPlan) {
	n := 0
	for i := 0; i < len(class.ops); {
		op := &class.ops[i]
		if op.slot >= 0 && s.scan.slots[op.slot].kind == spanNone {
			i++
			continue
		}
		v, ok := s.value(op.field, op.way)
		if !ok {
			i++
			continue
		}
		s.attrs[n] = pipeline.Attr{Field: op.field, Value: v}
		n++
		i = int(op.next)
	}
	e.Attrs = b.Arena.Attrs(n)
	copy(e.Attrs, s.attrs[:n])
}

func (s *Stage) value(field pipeline.Field, w *way) (pipeline.Value, bool) {
	if w.slot < 0 {
		return w.konst, len(w.when) == 0 || s.hold(w.when)
	}
	if sp := s.scan.slots[w.slot]; sp.kind == spanList {
		if field.Kind() != pipeline.KindList || len(w.when) > 0 && !s.hold(w.when) {
			return pipeline.Value{}, false
		}
		return s.canon.list(s.scan.p[sp.from:sp.to])
	}
	text := s.get(w)
	if text == "" {
		return pipeline.Value{}, false
	}
	return s.canon.value(field, text)
}

// extract sets the entities of the event, in the order in which the mapping lists them.
func (s *Stage) extract(b *pipeline.Batch, e *pipeline.Event, class *classPlan) {
	n := 0
	for i := range class.entities {
		spec := &class.entities[i]
		switch v := e.Get(spec.field); v.Kind {
		case pipeline.KindString:
			n = s.entity(e, spec, v.Str, n)
		case pipeline.KindList:
			for element := range elements(bytesOf(v.Str)) {
				text := element[1 : len(element)-1]
				n = s.entity(e, spec, pipeline.View(unescape(s.scan.arena, text)), n)
			}
		case pipeline.KindNone, pipeline.KindInt, pipeline.KindFloat, pipeline.KindBool:
		}
	}
	e.Entities = b.Arena.Entities(n)
	copy(e.Entities, s.entities[:n])
}

// entity adds what text names to the n entities that there are, and returns how many there
// are then.
func (s *Stage) entity(e *pipeline.Event, spec *entitySpec, text string, n int) int {
	value, ok := text, fieldForms[spec.field] == spec.kind && (spec.kind == pipeline.EntityIP || spec.kind == pipeline.EntityHash)
	if !ok { // else the attribute is in the form of the entity already
		value, ok = s.canon.entity(spec.kind, text)
	}
	if !ok {
		if suspicious(text) {
			e.Flags |= pipeline.FlagSuspiciousUnicode
		}
		return n
	}
	if slices.Contains(spec.except, value) {
		return n
	}
	for i := range s.entities[:n] {
		if s.entities[i].Kind == spec.kind && s.entities[i].Value == value {
			s.entities[i].Content = s.entities[i].Content && spec.content
			return n
		}
	}
	if n == len(s.entities) {
		return n
	}
	s.entities[n] = pipeline.Entity{Kind: spec.kind, Value: value, Role: spec.role, Content: spec.content}
	return n + 1
}
