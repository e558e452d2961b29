package pipeline

import (
	"strconv"
	"strings"
)

// OCSFVersion is the version of the Open Cybersecurity Schema Framework whose names and
// numbers the events carry.
const OCSFVersion = "1.8.0"

// SchemaEvent is the value of HeaderSchema of an event (schemas/json/event.v1.json).
const SchemaEvent = "event/1"

// maxFieldDepth is how many names the longest path of a field has.
const maxFieldDepth = 5

// fieldText is how the fields are written as nested JSON.
var fieldText = func() *fieldTexts {
	t := new(fieldTexts)
	for f := FieldNone + 1; f < fieldCount; f++ {
		names := strings.Split(f.String(), ".")
		t.depth[f] = uint8(len(names))
		for from := range names {
			t.open[f][from] = `"` + strings.Join(names[from:], `":{"`) + `":`
		}
		for g := FieldNone + 1; g < f; g++ {
			n := common(names, strings.Split(g.String(), "."))
			t.common[f][g], t.common[g][f] = n, n
		}
	}
	return t
}()

type fieldTexts struct {
	depth  [fieldCount]uint8
	open   [fieldCount][maxFieldDepth]string // names from that depth on: "file":{"path":
	common [fieldCount][fieldCount]uint8     // objects that two fields share
}

func common(a, b []string) uint8 {
	n := 0
	for n < len(a)-1 && n < len(b)-1 && a[n] == b[n] {
		n++
	}
	return uint8(n)
}

// observableTypes are the OCSF observable type ids of the kinds of entities. 99 is "other":
// the type is in the name alone.
var observableTypes = [...]string{
	EntityNone: "0", EntityHost: "1", EntityUser: "4", EntityIP: "2", EntityDomain: "1",
	EntityHash: "8", EntityURL: "6", EntityMail: "5", EntityKey: "19", EntityAccount: "99",
}

// AppendJSON appends the event's JSON form: an object with OCSF names, the attributes
// nested, the entities as observables and the vendor's object unchanged under "unmapped".
// The order of members is fixed, so that equal events have equal bytes. Attributes must be
// sorted by Field and each be of its field's Kind. What concerns one run alone (Record,
// Fate, First, Exact, Print) is not in it. It allocates nothing when dst has room.
func (e *Event) AppendJSON(dst []byte) []byte {
	class := int64(e.Class)
	dst = appendIntMember(dst, `{"class_uid":`, class)
	dst = appendIntMember(dst, `,"category_uid":`, class%100_000/1000) // an extension's number stands before the category
	dst = appendIntMember(dst, `,"activity_id":`, int64(e.Activity))
	dst = appendIntMember(dst, `,"type_uid":`, class*100+int64(e.Activity))
	dst = appendIntMember(dst, `,"severity_id":`, int64(e.Severity))
	dst = appendIntMember(dst, `,"time":`, int64(e.At))

	before, meta, after := splitMetadata(e.Attrs)
	dst = appendIDMember(dst, `,"metadata":{"version":"`+OCSFVersion+`","uid":`, e.ID)
	dst = appendStringMember(dst, `,"tenant_uid":`, e.Tenant)
	dst = appendStringMember(dst, `,"log_name":`, e.Source)
	dst = appendIntMember(dst, `,"logged_time":`, int64(e.Ingested))
	dst = appendLabels(dst, e.Flags)
	dst = appendAttrs(dst, meta, 1)
	dst = append(dst, '}')

	dst = appendAttrs(dst, before, 0)
	dst = appendAttrs(dst, after, 0)
	dst = appendObservables(dst, e.Entities)
	dst = appendIntMember(dst, `,"raw_ref":{"partition":`, int64(e.Partition))
	dst = appendIntMember(dst, `,"offset":`, e.Offset)
	dst = append(dst, '}')
	if len(e.Unmapped) > 0 {
		dst = append(append(dst, `,"unmapped":`...), e.Unmapped...)
	}
	return append(dst, '}')
}

// jsonSize guesses the length of the JSON form: high, unless much must be escaped.
func (e *Event) jsonSize() int {
	n := 512 + len(e.Tenant) + len(e.Unmapped)
	for i := range e.Attrs {
		n += 48 + len(e.Attrs[i].Value.Str)
	}
	for i := range e.Entities {
		n += 80 + len(e.Entities[i].Role) + len(e.Entities[i].Value)
	}
	return n
}

// splitMetadata cuts attrs into those before, inside and after the object metadata.
func splitMetadata(attrs []Attr) (before, meta, after []Attr) {
	i := 0
	for i < len(attrs) && attrs[i].Field < FieldMetadataCorrelationUID {
		i++
	}
	j := i
	for j < len(attrs) && attrs[j].Field <= FieldMetadataProductVersion {
		j++
	}
	return attrs[:i], attrs[i:j], attrs[j:]
}

func appendLabels(dst []byte, f Flags) []byte {
	if f == 0 {
		return dst
	}
	dst = append(dst, `,"labels":[`...)
	for i, n := range flagNames {
		if f&(1<<i) != 0 {
			dst = append(append(append(dst, '"'), n...), '"', ',')
		}
	}
	dst[len(dst)-1] = ']'
	return dst
}

// appendAttrs appends attrs as members that follow others. They lie inside root objects
// that are open already and stay so.
func appendAttrs(dst []byte, attrs []Attr, root uint8) []byte {
	open := root
	for i := range attrs {
		f := attrs[i].Field
		shared := root
		if i > 0 {
			shared = fieldText.common[attrs[i-1].Field][f]
		}
		for ; open > shared; open-- {
			dst = append(dst, '}')
		}
		dst = append(append(dst, ','), fieldText.open[f][shared]...)
		dst = appendValue(dst, &attrs[i].Value)
		open = fieldText.depth[f] - 1
	}
	for ; open > root; open-- {
		dst = append(dst, '}')
	}
	return dst
}

func appendValue(dst []byte, v *Value) []byte {
	switch v.Kind {
	case KindString:
		return AppendJSONString(dst, v.Str)
	case KindInt:
		return strconv.AppendInt(dst, v.Int, 10)
	case KindFloat:
		return strconv.AppendFloat(dst, v.Float, 'g', -1, 64)
	case KindBool:
		return strconv.AppendBool(dst, v.Int != 0)
	case KindList:
		return append(dst, v.Str...)
	case KindNone:
	}
	return append(dst, "null"...)
}

func appendObservables(dst []byte, entities []Entity) []byte {
	if len(entities) == 0 {
		return dst
	}
	dst = append(dst, `,"observables":[`...)
	for i := range entities {
		n := &entities[i]
		dst = appendStringMember(dst, `{"name":`, n.Role)
		dst = appendStringMember(dst, `,"type":`, n.Kind.String())
		dst = append(append(dst, `,"type_id":`...), observableTypes[n.Kind]...)
		dst = appendStringMember(dst, `,"value":`, n.Value)
		if n.Content {
			dst = append(dst, `,"origin":"content"},`...)
		} else {
			dst = append(dst, `,"origin":"sensor"},`...)
		}
	}
	dst[len(dst)-1] = ']'
	return dst
}
