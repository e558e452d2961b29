package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// buildInfo is what `riposte version --format json` prints.
type buildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (a *app) versionCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:     "version",
		Short:   "print the version",
		Example: "  riposte version --format json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			info := buildInfo{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			if bi, ok := debug.ReadBuildInfo(); ok {
				for _, s := range bi.Settings {
					if s.Key == "vcs.revision" {
						info.Revision = s.Value
					}
				}
			}
			if format == formatJSON {
				return writeJSON(a.stdout, info)
			}
			_, err := fmt.Fprintf(a.stdout, "riposte %s (%s, %s)\n", info.Version, info.Go, info.Platform)
			return err
		},
	}
	formatFlag(c, &format, formatTable, formatJSON)
	return c
}
