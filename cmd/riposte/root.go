package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// app is what every command shares: streams and the flags of the root command.
type app struct {
	stdin  io.Reader
	stdout io.Writer // results, nothing else
	stderr io.Writer // everything else

	configPath string
	logLevel   slog.Level
	logJSON    bool
	brokers    []string // --brokers of the commands that read Kafka
}

// execute runs the command line and returns how the program ends.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) exitCode {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, logLevel: slog.LevelInfo}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "riposte: %v\n", err)
	}
	return codeOf(err)
}

func (a *app) root() *cobra.Command {
	var level string
	root := &cobra.Command{
		Use:   "riposte",
		Short: "streaming threat detection and response",
		Long: `riposte reads raw security events from Kafka, normalises, dedupes, matches and
correlates them, decides with Rego what to do, carries the responses out and
records everything in ClickHouse.

Start with:
  riposte up        everything in one process on embedded parts, with sample traffic
  riposte run       the pipeline against your Kafka and ClickHouse`,
		Example: `  riposte up
  riposte run --config riposte.yaml
  riposte report mttr --by rule`,
		SuggestionsMinimumDistance: 2,

		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if err := a.logLevel.UnmarshalText([]byte(level)); err != nil {
				return usagef("--log-level %q: want debug, info, warn or error", level)
			}
			return nil
		},
	}
	root.PersistentFlags().StringVar(&a.configPath, "config", "", "configuration file (default ./riposte.yaml, else riposte/riposte.yaml in the user's configuration folder)")
	root.PersistentFlags().StringVar(&level, "log-level", "info", "least severe log lines to print: debug, info, warn, error")
	root.PersistentFlags().BoolVar(&a.logJSON, "log-json", false, "log lines as JSON")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w (see `%s --help`)", err, c.CommandPath())
	})
	root.Args = noSuchCommand
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	root.AddCommand(a.upCommand(), a.runCommand(), a.feedCommand(), a.checkCommand(), a.testCommand(), a.reportCommand(),
		a.rejectsCommand(), a.contextCommand(), a.replayCommand(), a.depsCommand(), a.versionCommand())
	completionExamples(root)
	return root
}

// completionExamples gives cobra's own completion commands what all others have.
func completionExamples(root *cobra.Command) {
	root.InitDefaultCompletionCmd("completion")
	c, _, err := root.Find([]string{"completion"})
	if err != nil {
		return // cobra adds none where there is nothing to complete
	}
	c.Example = "  source <(riposte completion bash)"
	for _, shell := range c.Commands() {
		shell.Example = "  riposte completion " + shell.Name()
	}
}

// noSuchCommand refuses what is left where a subcommand was expected.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf(", did you mean %q?", near[0])
	}
	return usagef("there is no command %q%s (see `%s --help`)", args[0], hint, c.CommandPath())
}

// logger returns the program's logger: text on stderr, or JSON if asked for.
func (a *app) logger() *slog.Logger {
	opts := &slog.HandlerOptions{Level: a.logLevel}
	if a.logJSON {
		return slog.New(slog.NewJSONHandler(a.stderr, opts))
	}
	return slog.New(slog.NewTextHandler(a.stderr, opts))
}

// discardLogger logs nothing.
func discardLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// noArgs is cobra.NoArgs with the exit code of a usage error.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, got %q", c.CommandPath(), strings.Join(args, " "))
	}
	return nil
}

// someArgs wants at least one argument.
func someArgs(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s: %s missing (see `%s --help`)", c.CommandPath(), what, c.CommandPath())
		}
		return nil
	}
}
