package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/policies"
)

func TestExitCodeTellsWhatWentWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	writeFile(t, bad, "kafka:\n  broker: [a]\n")
	good := filepath.Join(dir, "good.yaml")
	writeFile(t, good, "tenant: acme\n")
	lines := filepath.Join(dir, "okta.jsonl")
	writeFile(t, lines, "{}\n")
	for _, tc := range []struct {
		name string
		args []string
		want exitCode
		says string // on stdout or stderr
	}{
		{"help", []string{"--help"}, exitDone, "riposte up"},
		{"version", []string{"version"}, exitDone, "riposte dev"},
		{"no command", nil, exitDone, "Available Commands"},
		{"unknown command", []string{"repot"}, exitUsage, `did you mean "report"?`},
		{"unknown subcommand", []string{"rejects", "lst"}, exitUsage, `no command "lst"`},
		{"unknown flag", []string{"check", "--ofline"}, exitUsage, "--ofline"},
		{"log level", []string{"version", "--log-level", "loud"}, exitUsage, "want debug, info, warn or error"},
		{"format", []string{"version", "--format", "xml"}, exitUsage, "want one of table, json"},
		{"argument too many", []string{"up", "logs"}, exitUsage, "takes no arguments"},
		{"argument missing", []string{"rejects", "show"}, exitUsage, "an id from"},
		{"paths without replay", []string{"up", "logs"}, exitUsage, "takes no arguments"},
		{"a path behind replay that is not there", []string{"up", "--replay", t.TempDir(), "not/there", "--once"}, exitUsage, "not/there"},
		{"once without replay", []string{"up", "--once"}, exitUsage, "--once needs --replay"},
		{"rate", []string{"up", "--rate", "0"}, exitUsage, "want more than 0"},
		{"unknown stage", []string{"run", "--stages", "digest"}, exitUsage, `no stage "digest"`},
		{"unknown report", []string{"report", "mtt"}, exitUsage, `no report "mtt"`},
		{"timeline of nothing", []string{"report", "timeline"}, exitUsage, "needs --incident"},
		{"seen without a value", []string{"report", "seen"}, exitUsage, "needs --value"},
		{"bad time", []string{"report", "--from", "yesterday"}, exitUsage, "--from"},
		{"unknown source", []string{"feed", lines, "--source", "oktta"}, exitUsage, "want one of"},
		{"bad configuration", []string{"check", "--offline", "--config", bad}, exitConfig, "bad.yaml:2"},
		{"no configuration", []string{"run", "--config", filepath.Join(dir, "none.yaml")}, exitConfig, "no such file"},
		{"good configuration", []string{"check", "--offline", "--config", good}, exitDone, "ok     configuration"},
		{"policies missing", []string{"check", "--offline", "--config", emptyPolicies(t, dir)}, exitConfig, "WRONG  policies"},
		{"detection for no source", []string{"check", "--offline", "--config", policiesFor(t, dir, "oktta")}, exitConfig, `there is no source "oktta"`},
		{"Kafka away", []string{"rejects", "list", "--config", good, "--brokers", "127.0.0.1:1"}, exitNotConnected, "connection refused"},
		{"ClickHouse away", []string{"report", "--config", good, "--clickhouse", "clickhouse://127.0.0.1:1/riposte"}, exitNotConnected, "is ClickHouse running?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := invoke(t, tc.args...)
			if got.code != tc.want {
				t.Errorf("exit code %d, want %d\n%s%s", got.code, tc.want, got.stdout, got.stderr)
			}
			if !strings.Contains(got.stdout+got.stderr, tc.says) {
				t.Errorf("does not say %q:\n%s%s", tc.says, got.stdout, got.stderr)
			}
			if got.code != exitDone && !strings.HasPrefix(got.stderr, "riposte: ") {
				t.Errorf("stderr does not begin with the program's name: %q", got.stderr)
			}
		})
	}
}

// emptyPolicies writes a configuration whose policy folder is empty.
func emptyPolicies(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "policies.yaml")
	writeFile(t, path, fmt.Sprintf("policies: %q\n", t.TempDir()))
	return path
}

// policiesFor writes a configuration with the shipped policies and a detection for a source.
func policiesFor(t *testing.T, dir, source string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, policies.FS); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "detections", "x.rego"),
		"# METADATA\n# title: x\n# custom:\n#   id: x\n#   severity: low\n#   sources: ["+source+"]\npackage riposte.detect.x\n\nmatch if input.class_uid == 1\n")
	path := filepath.Join(dir, source+".yaml")
	writeFile(t, path, fmt.Sprintf("policies: %q\n", folder))
	return path
}

func TestExitCodeOfAnError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want exitCode
	}{
		{nil, exitDone},
		{errors.New("any"), exitFailed},
		{failWith(exitConfig, nil), exitDone},
		{fmt.Errorf("outer: %w", usagef("inner")), exitUsage},
		{fmt.Errorf("outer: %w", context.Canceled), exitInterrupted},
		{fmt.Errorf("outer: %w", context.DeadlineExceeded), exitNotConnected},
		{failWith(exitConfig, context.Canceled), exitConfig},
	} {
		if got := codeOf(tc.err); got != tc.want {
			t.Errorf("codeOf(%v) = %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestEveryCommandHasAnExampleAndALine(t *testing.T) {
	t.Parallel()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Name() == "help" {
			return
		}
		if c.Short == "" {
			t.Errorf("%s: no line of help", c.CommandPath())
		}
		if !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: no example that shows it", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit((&app{}).root())
}

func TestDocumentedExitCodesAreThose(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []exitCode{exitDone, exitFailed, exitUsage, exitWarnings, exitNotConnected, exitRefused, exitConfig, exitInterrupted} {
		if !strings.Contains(string(doc), fmt.Sprintf("\n| %d | ", code)) {
			t.Errorf("docs/cli.md does not have exit code %d", code)
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
