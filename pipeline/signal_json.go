package pipeline

import (
	"maps"
	"slices"
)

// SchemaSignal is the value of HeaderSchema of a signal (schemas/json/signal.v1.json).
const SchemaSignal = "signal/1"

// AppendJSON appends the signal's JSON form, with members in a fixed order, so that equal
// signals have equal bytes. It allocates nothing for signals without Fields when dst has
// room.
func (s *Signal) AppendJSON(dst []byte) []byte {
	dst = appendIDMember(dst, `{"signal_id":`, s.ID)
	dst = appendIDMember(dst, `,"event_id":`, s.Event)
	dst = appendStringMember(dst, `,"tenant":`, s.Tenant)
	dst = appendStringMember(dst, `,"rule":`, s.Rule)
	dst = appendStringMember(dst, `,"step":`, s.Step)
	if s.Form != "" {
		dst = appendStringMember(dst, `,"form":`, s.Form)
	}
	dst = appendStringMember(dst, `,"source":`, s.Source)
	dst = appendIntMember(dst, `,"class_uid":`, int64(s.Class))
	dst = appendIntMember(dst, `,"severity_id":`, int64(s.Severity))
	dst = appendStringMember(dst, `,"title":`, s.Title)
	dst = appendListMember(dst, `,"group":`, s.Group)
	dst = appendSignalFields(dst, s.Fields)
	if len(s.Tactics) > 0 {
		dst = appendListMember(dst, `,"tactics":`, s.Tactics)
	}
	if len(s.Techniques) > 0 {
		dst = appendListMember(dst, `,"techniques":`, s.Techniques)
	}
	dst = appendEntityValues(dst, s.Entities)
	if len(s.Flags) > 0 {
		dst = appendListMember(dst, `,"flags":`, s.Flags)
	}
	dst = appendIntMember(dst, `,"time":`, int64(s.At))
	dst = appendIntMember(dst, `,"logged_time":`, int64(s.Ingested))
	return append(dst, '}')
}

func appendSignalFields(dst []byte, fields map[string]string) []byte {
	if len(fields) == 0 {
		return dst
	}
	dst = append(dst, `,"fields":{`...)
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		dst = append(AppendJSONString(dst, k), ':')
		dst = append(AppendJSONString(dst, fields[k]), ',')
	}
	dst[len(dst)-1] = '}'
	return dst
}

func appendEntityValues(dst []byte, entities []EntityValue) []byte {
	dst = append(dst, `,"entities":[`...)
	for i := range entities {
		if i > 0 {
			dst = append(dst, ',')
		}
		n := &entities[i]
		dst = appendStringMember(dst, `{"kind":`, n.Kind)
		dst = appendStringMember(dst, `,"value":`, n.Value)
		if n.Role != "" {
			dst = appendStringMember(dst, `,"role":`, n.Role)
		}
		if n.Content {
			dst = append(dst, `,"content":true`...)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// DecodeSignal reads what AppendJSON wrote into s. Members that it does not know are
// skipped. Strings are views into value, or into arena where they had escapes; the slices
// of s are reused. Errors are marked Reject, with the reason "malformed".
func DecodeSignal(value []byte, s *Signal, arena *Arena) error {
	r := reader{p: value, arena: arena}
	*s = Signal{
		Group: s.Group[:0], Tactics: s.Tactics[:0], Techniques: s.Techniques[:0],
		Entities: s.Entities[:0], Flags: s.Flags[:0],
	}
	r.enter('{')
	for n := 0; r.more('}', n); n++ {
		r.signalMember(s, r.key())
	}
	return r.err("signal")
}

func (r *reader) signalMember(s *Signal, key string) {
	switch key {
	case "signal_id":
		s.ID = r.id()
	case "event_id":
		s.Event = r.id()
	case "tenant":
		s.Tenant = r.string()
	case "rule":
		s.Rule = r.string()
	case "step":
		s.Step = r.string()
	case "form":
		s.Form = r.string()
	case "source":
		s.Source = r.string()
	case "class_uid":
		s.Class = Class(r.uint(32))
	case "severity_id":
		s.Severity = uint8(r.uint(8))
	case "title":
		s.Title = r.string()
	case "time":
		s.At = Millis(r.int())
	case "logged_time":
		s.Ingested = Millis(r.int())
	default:
		r.signalList(s, key)
	}
}

// signalList reads the members that are no scalars.
func (r *reader) signalList(s *Signal, key string) {
	switch key {
	case "group":
		s.Group = r.strings(s.Group)
	case "fields":
		s.Fields = map[string]string{}
		r.enter('{')
		for n := 0; r.more('}', n); n++ {
			k := r.key()
			s.Fields[k] = r.string()
		}
	case "tactics":
		s.Tactics = r.strings(s.Tactics)
	case "techniques":
		s.Techniques = r.strings(s.Techniques)
	case "entities":
		r.enter('[')
		for n := 0; r.more(']', n); n++ {
			s.Entities = append(s.Entities, r.entityValue())
		}
	case "flags":
		s.Flags = r.strings(s.Flags)
	default:
		r.skip(0)
	}
}

func (r *reader) entityValue() EntityValue {
	var n EntityValue
	r.enter('{')
	for i := 0; r.more('}', i); i++ {
		switch r.key() {
		case "kind":
			n.Kind = r.string()
		case "value":
			n.Value = r.string()
		case "role":
			n.Role = r.string()
		case "content":
			n.Content = r.bool()
		default:
			r.skip(0)
		}
	}
	return n
}
