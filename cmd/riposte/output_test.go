package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSheetInEachFormat(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ format, want string }{
		{formatTable, "ID  DETAIL\n1   a\\u001b[31mb\\u202ec\n2   =cmd()\n"},
		{formatCSV, "id,detail\n1,a\x1b[31mb\u202ec\n2,'=cmd()\n"},
		{formatJSONL, `{"detail":"a\u001b[31mb` + "\u202e" + `c","id":"1"}` + "\n" + `{"detail":"=cmd()","id":"2"}` + "\n"},
		{formatJSON, "[\n  {\n    \"detail\": \"a\\u001b[31mb\u202ec\",\n    \"id\": \"1\"\n  },\n  {\n    \"detail\": \"=cmd()\",\n    \"id\": \"2\"\n  }\n]\n"},
	} {
		s := sheet{columns: []string{"id", "detail"}}
		s.add("1", "a\x1b[31mb\u202ec")
		s.add("2", "=cmd()")
		var b bytes.Buffer
		if err := s.write(&b, tc.format); err != nil {
			t.Fatal(err)
		}
		if b.String() != tc.want {
			t.Errorf("%s:\n%q\nwant\n%q", tc.format, b.String(), tc.want)
		}
	}
}

func TestNoCellIsAFormula(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"=1", "+1", "-1", "@x", "\tx", "\rx"} {
		if got := plain(s); got != "'"+s {
			t.Errorf("plain(%q) = %q", s, got)
		}
	}
	for _, s := range []string{"", "a=1", "1-2", "10.0.0.1"} {
		if got := plain(s); got != s {
			t.Errorf("plain(%q) = %q", s, got)
		}
	}
}

func FuzzPrintableLeavesNothingForTheTerminal(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b]0;title\a\r\n\x9b\u202e\u2066\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if got := printable(s); strings.ContainsFunc(got, unprintable) {
			t.Errorf("printable(%q) = %q", s, got)
		}
	})
}

func TestPointInTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		text string
		want time.Time
	}{
		{"", now},
		{"24h", now.Add(-24 * time.Hour)},
		{"7d", now.Add(-7 * 24 * time.Hour)},
		{"2026-11-01", time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
		{"2026-11-01 08:30:00", time.Date(2026, 11, 1, 8, 30, 0, 0, time.UTC)},
		{"2026-11-01T08:00:00+02:00", time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC)},
	} {
		got, err := pointInTime(tc.text, now)
		if err != nil || !got.Equal(tc.want) {
			t.Errorf("pointInTime(%q) = %v, %v, want %v", tc.text, got, err, tc.want)
		}
	}
	for _, text := range []string{"yesterday", "7", "2026-13-01", "d"} {
		if got, err := pointInTime(text, now); err == nil {
			t.Errorf("pointInTime(%q) = %v, want an error", text, got)
		}
	}
}

func TestPacerKeepsTheRateAndMakesUpForASecondAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := newPacer(100)
		pass := func(n int) {
			for range n {
				if err := p.wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		pass(201)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("201 records at 100/s took %v, want 2s", took)
		}
		time.Sleep(time.Minute)
		again := time.Now()
		pass(301)
		if took := time.Since(again); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("301 records after a pause took %v, want the first 100 at once and 2s for the rest", took)
		}
	})
}

func TestPacerWithoutARateLetsAllPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, p := time.Now(), newPacer(0)
		for range 1000 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}
