package pipeline

import "testing"

func TestFieldsAreOrderedAsTheirNames(t *testing.T) {
	t.Parallel()
	for f := FieldNone + 1; f < fieldCount; f++ {
		if fieldNames[f] == "" || (f > 1 && fieldNames[f] <= fieldNames[f-1]) {
			t.Errorf("field %d is %q after %q", f, fieldNames[f], fieldNames[f-1])
		}
		if got, ok := FieldOf(f.String()); !ok || got != f {
			t.Errorf("FieldOf(%q) = %d, %v, want %d", f, got, ok, f)
		}
	}
	if _, ok := FieldOf("no.such.path"); ok {
		t.Error("an unknown path has a field")
	}
}

func TestGetFindsEveryAttributeAndNoOther(t *testing.T) {
	t.Parallel()
	e := Event{Attrs: []Attr{
		{FieldAPIOperation, Value{Kind: KindString, Str: "op"}},
		{FieldSrcEndpointPort, Value{Kind: KindInt, Int: 22}},
		{FieldUserName, Value{Kind: KindString, Str: "alice"}},
	}}
	for _, a := range e.Attrs {
		if got := e.Get(a.Field); got != a.Value {
			t.Errorf("Get(%s) = %v, want %v", a.Field, got, a.Value)
		}
	}
	if got := e.Get(FieldDstEndpointIP); got.Kind != KindNone {
		t.Errorf("Get of an absent field = %v", got)
	}
}
