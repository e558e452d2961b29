package pipeline

import "testing"

func TestHashIDTellsPartsApart(t *testing.T) {
	t.Parallel()
	f := func(a, b []string) {
		t.Helper()
		if HashID("k", a...) == HashID("k", b...) {
			t.Errorf("HashID(%q) = HashID(%q)", a, b)
		}
	}
	f([]string{"ab", "c"}, []string{"a", "bc"})
	f([]string{"a", ""}, []string{"a"})
	f([]string{"", "a"}, []string{"a", ""})
	if HashID("event", "a") == HashID("signal", "a") {
		t.Error("the kind is not part of the id")
	}
}

func TestIDTextFormReadsBack(t *testing.T) {
	t.Parallel()
	want := HashID("event", "acme", "zeek", "C1")
	text, err := want.MarshalText()
	if err != nil || len(text) != 36 {
		t.Fatalf("MarshalText: %q, %v", text, err)
	}
	var got ID
	if err := got.UnmarshalText(text); err != nil || got != want {
		t.Errorf("UnmarshalText(%s) = %v, %v", text, got, err)
	}
	for _, bad := range []string{"", "x", string(text[:35]), "0000000000000000-0000-0000-000000000", "zz" + string(text[2:])} {
		if err := got.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("UnmarshalText(%q) is no error", bad)
		}
	}
}

func TestHashIDOfShortPartsAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { HashID("event", "acme", "suricata", "1234567890") }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzIDText(f *testing.F) {
	f.Add(HashID("x").String())
	f.Fuzz(func(t *testing.T, s string) {
		var id ID
		if id.UnmarshalText([]byte(s)) == nil {
			var again ID
			if err := again.UnmarshalText([]byte(id.String())); err != nil || again != id {
				t.Errorf("%q reads as %v, which reads as %v, %v", s, id, again, err)
			}
		}
	})
}
