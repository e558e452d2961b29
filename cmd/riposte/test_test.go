package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTestCommandRunsTheTestsOfAuthors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, "correlations", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(name string, args []string, code exitCode, wants ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		got := execute(t.Context(), append([]string{"test"}, args...), strings.NewReader(""), &out, &errs)
		if got != code {
			t.Errorf("%s: exit %d, want %d: %s", name, got, code, errs.String())
		}
		for _, want := range wants {
			if !strings.Contains(out.String()+errs.String(), want) {
				t.Errorf("%s: no %q in\n%s%s", name, want, out.String(), errs.String())
			}
		}
	}
	const document = "title: T\nid: many\ncorrelation:\n  type: event_count\n  rules: [a]\n  group-by: [g]\n  timespan: 10m\n  condition: {gte: 3}\n"
	write("many.yml", document)
	write("many_test.yml", "- name: three\n  timeline:\n    - {at: 0s, rule: a, event: {g: x}, repeat: 3, every: 1m}\n  expect: [{rule: many, group: [x]}]\n")
	f("passes", []string{"--policies", dir}, exitDone, "1 tests, 0 failed")
	f("junit", []string{"--policies", dir, "--format", "junit"}, exitDone, `<testcase classname="many" name="three">`)
	write("few_test.yml", "- name: two\n  timeline:\n    - {at: 0s, rule: a, event: {g: x}, repeat: 2, every: 1m}\n  expect: [{rule: many, group: [x]}]\n")
	f("fails", []string{"--policies", dir}, exitFailed, "FAIL  few_test.yml: two", `missing: many ["x"]`, "2 tests, 1 failed")
	f("fails for machines", []string{"--policies", dir, "--format", "json"}, exitFailed, `"ok": false`, `"version": 1`)
	f("only one file", []string{"--policies", dir, "--only", "ma*"}, exitDone, "1 tests, 0 failed")
	f("none", []string{"--policies", dir, "--only", "x"}, exitFailed, `matching "x"`)
	f("bad pattern", []string{"--only", "["}, exitUsage, "--only")
	write("few_test.yml", "- name: two\n  timelines: []\n")
	f("bad test", []string{"--policies", dir}, exitConfig, "few_test.yml", "line 2")
	write("bad.yml", strings.Replace(document, "event_count", "event", 1))
	f("bad document", []string{"--policies", dir}, exitConfig, `bad.yml:4: type "event"`)
	f("shipped", nil, exitDone, "0 failed")
}
