package all_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/sinks/all"
)

func env() all.Env {
	return all.Env{Log: slog.DiscardHandler, Now: time.Now, Partitions: 4, Config: "r.yaml"}
}

func section(tb testing.TB, doc string) config.Section {
	tb.Helper()
	s, err := config.SectionOf(doc)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestKindsAreListedByName(t *testing.T) {
	t.Parallel()
	var names []string
	for _, k := range all.Kinds() {
		names = append(names, k.Name)
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("names %v, want sorted and unique", names)
	}
}

func TestSectionsMakeConnectors(t *testing.T) {
	t.Setenv("RIPOSTE_TEST_KEY", "0123456789abcdef")
	got, err := all.New(all.Sections{
		"log": {},
		"edl": section(t, "max_entries: 10\n"),
		"webhook": section(t, "url: https://hooks.example.com/x\nkeys: [{id: k1, secret: {env: RIPOSTE_TEST_KEY}}]\n"+
			"actions: [{name: ticket.open, effect: notify}]\n"),
	}, env())
	if err != nil {
		t.Fatal(err)
	}
	actions := all.Actions(got)
	if len(actions["log"]) != 1 || len(actions["edl"]) != 3 || len(actions["webhook"]) != 1 {
		t.Errorf("actions %v", actions)
	}
}

func TestProblemsNameTheSection(t *testing.T) {
	t.Parallel()
	f := func(name, doc, want string) {
		t.Helper()
		_, err := all.New(all.Sections{name: section(t, doc)}, env())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	f("pagers", "", "no such connector")
	f("edl", "\nmax_entry: 3\n", `r.yaml:2: unknown key "max_entry" under sinks.edl, did you mean "max_entries"?`)
	f("edl", "max_entries: 0\n", "must be positive")
	f("webhook", "", "url")
	f("log", "level: loud\n", "level")
}
