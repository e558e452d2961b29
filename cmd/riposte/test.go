package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/pipeline/correlate"
	"github.com/riposte-sec/riposte/policies"
)

// formatJUnit is what build servers read.
const formatJUnit = "junit"

func (a *app) testCommand() *cobra.Command {
	var folder, only, format string
	c := &cobra.Command{
		Use:   "test",
		Short: "run the tests of the correlations",
		Long: `test plays the timelines of correlations/*_test.yml in the policies folder, with a
virtual clock, against the correlations beside them, and compares the episodes with
those that are expected. It connects to nothing. Silences and other noise control
take no part. Exit code 1 means that a test failed, 78 that a document is bad.

Detections, playbooks and the guard are Rego: test them with "opa test".`,
		Example: `  riposte test
  riposte test --policies ./policies --only 'brute_force*'
  riposte test --format junit > correlations.xml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.test(c.Context(), folder, only, format) },
	}
	c.Flags().StringVar(&folder, "policies", "", "folder with correlations (default: that of the configuration, else the shipped ones)")
	c.Flags().StringVar(&only, "only", "*", "run the files whose name without _test.yml matches, as in the shell")
	formatFlag(c, &format, formatTable, formatJSON, formatJUnit)
	return c
}

func (a *app) test(ctx context.Context, folder, only, format string) error {
	if _, err := path.Match(only, ""); err != nil {
		return usagef("--only %q: %w", only, err)
	}
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	if folder == "" {
		folder = cfg.Policies
	}
	files := policies.Correlations()
	if folder != "" {
		if files, err = fs.Sub(os.DirFS(folder), "correlations"); err != nil {
			return failWith(exitConfig, err)
		}
	}
	cc := cfg.correlate()
	if cc.Rules, err = correlate.Load(files); err != nil {
		return failWith(exitConfig, err)
	}
	results, err := correlate.Test(ctx, files, cc)
	if err != nil {
		return failWith(exitConfig, err)
	}
	results = slices.DeleteFunc(results, func(r correlate.Result) bool {
		ok, _ := path.Match(only, strings.TrimSuffix(r.File, "_test.yml"))
		return !ok
	})
	if len(results) == 0 {
		return failWith(exitFailed, fmt.Errorf("no tests: want correlations/*_test.yml, matching %q", only))
	}
	return a.printResults(results, format)
}

// printResults prints what failed, or all of it for machines, and returns an error if
// something did.
func (a *app) printResults(results []correlate.Result, format string) error {
	failed := 0
	type line struct {
		File string `json:"file"`
		Name string `json:"name"`
		OK   bool   `json:"ok"`
		Says string `json:"says,omitempty"`
	}
	var lines []line
	for _, r := range results {
		l := line{File: r.File, Name: r.Name, OK: r.Err == nil}
		if r.Err != nil {
			failed++
			l.Says = r.Err.Error()
		}
		lines = append(lines, l)
	}
	var err error
	switch format {
	case formatJSON:
		err = writeJSON(a.stdout, map[string]any{"version": 1, "tests": lines})
	case formatJUnit:
		err = correlate.WriteJUnit(a.stdout, results)
	default:
		for _, l := range lines {
			if !l.OK && err == nil {
				_, err = fmt.Fprintf(a.stdout, "FAIL  %s: %s\n      %s\n", l.File, l.Name, strings.ReplaceAll(l.Says, "\n", "\n      "))
			}
		}
		if err == nil {
			_, err = fmt.Fprintf(a.stdout, "%d tests, %d failed\n", len(lines), failed)
		}
	}
	if err == nil && failed > 0 {
		err = failWith(exitFailed, fmt.Errorf("test: %d of %d failed", failed, len(lines)))
	}
	return err
}
