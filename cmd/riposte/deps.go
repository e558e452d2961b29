package main

import (
	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
	"github.com/spf13/cobra"
)

func (a *app) depsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "deps",
		Short: "fetch what the embedded parts need into the cache",
		Long: `deps fetches the library of the embedded ClickHouse, pinned by version and
digest, with npm into the cache ($XDG_CACHE_HOME/riposte). It does nothing where
a clickhouse binary is on PATH or the library is there already.`,
		Example: "  riposte deps",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return embedded.Install(c.Context(), a.stderr)
		},
	}
}
