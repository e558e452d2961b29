package normalise_test

import (
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
)

func TestTimesAreReadAsVendorsWriteThem(t *testing.T) {
	t.Parallel()
	f := func(format, text, want string) {
		t.Helper()
		got, ok := normalise.ParseTime(text, format)
		if want == "" {
			if ok {
				t.Errorf("%s %q: got %v, want none", format, text, got.Time())
			}
			return
		}
		at, err := time.Parse(time.RFC3339Nano, want)
		if err != nil {
			t.Fatal(err)
		}
		if !ok || got != pipeline.MillisOf(at) {
			t.Errorf("%s %q: got %v, %v, want %v", format, text, got.Time(), ok, want)
		}
	}
	f("iso", "2026-09-21T13:30:00Z", "2026-09-21T13:30:00Z")
	f("iso", "2026-09-21T13:30:00.5331019Z", "2026-09-21T13:30:00.533Z")
	f("iso", "2022-07-10T23:50:05.533101+0000", "2022-07-10T23:50:05.533Z")
	f("iso", "2015-03-29T11:01:38.221126-0600", "2015-03-29T17:01:38.221Z")
	f("iso", "2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00Z")
	f("iso", "2026-01-01T00:30:00+01", "2025-12-31T23:30:00Z")
	f("iso", "2020-05-01 22:55:24", "2020-05-01T22:55:24Z")
	f("iso", "2020-05-01 22:55:24,5", "2020-05-01T22:55:24.5Z")
	f("iso", "2022-12-13 15:22:58.759 UTC", "2022-12-13T15:22:58.759Z")
	f("iso", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z")
	f("iso", "2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z")
	f("iso", "1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z")
	for _, bad := range []string{
		"", "redacted", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00X", "2026-01-01T00:00:00+1", "2026-01-01T00:00:00+99:00",
		"2026-01-01", "20260101T000000Z", "1970-01-01T00:00:00Z", "2026-01-01T00:00:00Zjunk",
	} {
		f("iso", bad, "")
	}
	f("epoch_s", "1588316619.797806", "2020-05-01T07:03:39.797Z")
	f("epoch_s", "1588316619", "2020-05-01T07:03:39Z")
	f("epoch_s", "1.588316619e9", "2020-05-01T07:03:39Z")
	f("epoch_ms", "1588316619797", "2020-05-01T07:03:39.797Z")
	f("epoch_us", "1588316619797806", "2020-05-01T07:03:39.797Z")
	for _, bad := range []string{"", "0", "-5", "abc", "1.2.3", "1e400", "99999999999999999999", "999999999999", ".5"} {
		f("epoch_s", bad, "")
	}
}

func TestEveryDayOfFourCenturiesIsReadAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	for day := time.Date(1800, 1, 1, 12, 0, 0, 0, time.UTC); day.Year() < 2201; day = day.AddDate(0, 0, 1) {
		if got, ok := normalise.ParseTime(day.Format(time.RFC3339), "iso"); !ok || got != pipeline.MillisOf(day) {
			t.Fatalf("%v: got %v", day, got.Time())
		}
	}
}

func TestEntitiesHaveOneForm(t *testing.T) {
	t.Parallel()
	f := func(kind pipeline.EntityKind, text, want string) {
		t.Helper()
		got, ok := normalise.Entity(kind, text)
		if got = map[bool]string{true: got}[ok]; got != want {
			t.Errorf("%v %q: got %q, want %q", kind, text, got, want)
		}
	}
	f(pipeline.EntityIP, "10.1.2.3", "10.1.2.3")
	f(pipeline.EntityIP, "::ffff:10.1.2.3", "10.1.2.3")
	f(pipeline.EntityIP, "2001:DB8:0::1", "2001:db8::1")
	f(pipeline.EntityIP, "10.1.2.03", "")
	f(pipeline.EntityIP, "fe80::1%eth0", "")
	f(pipeline.EntityIP, "0.0.0.0", "")
	f(pipeline.EntityIP, "::", "")
	f(pipeline.EntityIP, "10.1.2", "")
	f(pipeline.EntityIP, "cloudtrail.amazonaws.com", "")
	f(pipeline.EntityDomain, "Shop.Example.COM.", "shop.example.com")
	f(pipeline.EntityDomain, "b\u00fccher.example", "xn--bcher-kva.example")
	f(pipeline.EntityDomain, "B\u00dcCHER.example.", "xn--bcher-kva.example")
	f(pipeline.EntityDomain, "_ldap._tcp.corp.example", "_ldap._tcp.corp.example")
	f(pipeline.EntityDomain, "10.1.2.3", "")
	f(pipeline.EntityDomain, "a..b", "")
	f(pipeline.EntityDomain, "a b.example", "")
	f(pipeline.EntityDomain, "evil\u202e.example", "")
	f(pipeline.EntityHost, "WS1.Corp.Example.", "ws1.corp.example")
	f(pipeline.EntityHost, "10.1.2.3", "")
	f(pipeline.EntityHost, "ws1\x00", "")
	f(pipeline.EntityUser, `CORP\Alice`, "alice")
	f(pipeline.EntityUser, "Alice@corp.example", "alice")
	f(pipeline.EntityUser, "J\u00d6RG", "j\u00f6rg")
	f(pipeline.EntityUser, "WS1$", "ws1$")
	f(pipeline.EntityUser, "", "")
	f(pipeline.EntityHash, "9F86D081884C7D659A2FEAA0C55AD015", "9f86d081884c7d659a2feaa0c55ad015")
	f(pipeline.EntityHash, "9f86", "")
	f(pipeline.EntityHash, "zz86D081884C7D659A2FEAA0C55AD015", "")
	f(pipeline.EntityMail, "Bob <Bob@Example.COM>", "bob@example.com")
	f(pipeline.EntityMail, "bob", "")
	f(pipeline.EntityMail, "a@b@c", "")
	f(pipeline.EntityMail, "<bob@example.com", "")
	f(pipeline.EntityKey, "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE")
	f(pipeline.EntityKey, "a b c d", "")
	f(pipeline.EntityAccount, "123456789012", "123456789012")
	f(pipeline.EntityURL, "https://Example.com/A", "https://Example.com/A")
	f(pipeline.EntityURL, "/a", "")
}

func TestFunctionsMakeTextsOfTexts(t *testing.T) {
	t.Parallel()
	f := func(spec, in, want string) {
		t.Helper()
		stage := stageOf(t, formatOf("fields: {message: {path: a, "+spec+"}}\n"))
		b := run(t, stage, pipeline.Record{Value: []byte(`{"a":"` + in + `"}`)})
		if got := b.Events[0].Get(pipeline.FieldMessage).Str; got != want {
			t.Errorf("%s of %s: got %q, want %q", spec, in, got, want)
		}
	}
	f("as: basename", `C:\\Windows\\cmd.exe`, "cmd.exe")
	f("as: basename", "/bin/sh", "sh")
	f("as: account", `CORP\\alice`, "alice")
	f("as: realm", "alice@corp.example", "corp.example")
	f("as: realm", "alice", "")
	f("as: digest, arg: SHA256", "MD5=aa,sha256=bb", "bb")
	f("as: digest, arg: SHA1", "MD5=aa,SHA256=bb", "")
	f("as: seconds", "1.2509", "1250")
	f("as: before, arg: /", "a/b", "a")
	f("as: before, arg: /", "ab", "")
	f("as: up_to, arg: /", "ab", "ab")
	f("as: after, arg: /", "a/b/c", "b/c")
	f("as: behind, arg: /", "a/b/c", "c")
	f("as: host", "https://u@Example.com:8080/x?y", "Example.com")
	f("as: host", "[2001:db8::1]:443", "2001:db8::1")
	f("map: {x: y}, else: z", "x", "y")
	f("map: {x: y}, else: z", "w", "z")
	f("map: {x: y}", "w", "")
	f("when: {a: [b, 'x*']}", "xyz", "xyz")
	f("when: {not: {a: 'x*'}}", "xyz", "")
	f("when: {b: '*'}", "xyz", "")
}
