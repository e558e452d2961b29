package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
	sources "github.com/riposte-sec/riposte/sources/all"
)

// checkTimeout bounds a check of a service.
const checkTimeout = 10 * time.Second

// finding is one line of `riposte check`.
type finding struct {
	Part  string `json:"part"`
	OK    bool   `json:"ok"`
	Says  string `json:"says"`
	code  exitCode
	error error
}

func (a *app) checkCommand() *cobra.Command {
	var offline, show bool
	var folder, format string
	c := &cobra.Command{
		Use:   "check",
		Short: "check the configuration, the policies and the connections",
		Long: `check reads the configuration, compiles mappings and policies, and unless told
--offline connects to Kafka and ClickHouse. It changes nothing. Exit code 78 means that
the configuration or a policy is bad, 4 that a service could not be reached.
With --show-config it prints every value and where it comes from instead.`,
		Example: `  riposte check --config riposte.yaml
  riposte check --offline --policies ./policies
  riposte check --show-config`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if show {
				return a.showConfig(format)
			}
			return a.check(c.Context(), offline, folder, format)
		},
	}
	c.Flags().BoolVar(&show, "show-config", false, "print every value with where it comes from; secrets are not shown")
	c.Flags().BoolVar(&offline, "offline", false, "do not connect to anything")
	c.Flags().StringVar(&folder, "policies", "", "folder with policies (default: that of the configuration, else the shipped ones)")
	formatFlag(c, &format, formatTable, formatJSON)
	return c
}

func (a *app) check(ctx context.Context, offline bool, folder, format string) error {
	cfg, err := a.loadConfig()
	cfg.Policies = cmp.Or(folder, cfg.Policies)
	found := []finding{verdict("configuration", "valid", exitConfig, err)}
	if err == nil {
		found = append(found, checkParts(ctx, cfg)...)
		if !offline {
			found = append(found, checkKafka(ctx, cfg), checkClickHouse(ctx, cfg))
		}
	}
	if err := printFindings(a, found, format); err != nil {
		return err
	}
	for _, f := range found {
		if !f.OK {
			return failWith(f.code, fmt.Errorf("check: %s is not in order", f.Part))
		}
	}
	return nil
}

// showConfig prints every value of the configuration and where it comes from.
func (a *app) showConfig(format string) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	all, err := config.Settings(&cfg)
	if err != nil {
		return err
	}
	type shown struct {
		config.Setting
		From string `json:"from"`
	}
	sh, list := sheet{columns: []string{"key", "value", "from"}}, []shown{}
	for _, s := range all {
		from := cmp.Or(cfg.origin[s.Path], "default")
		sh.add(s.Path, s.Value, from)
		list = append(list, shown{s, from})
	}
	if format == formatJSON {
		return writeJSON(a.stdout, map[string]any{"version": 1, "settings": list})
	}
	return sh.write(a.stdout, format)
}

func printFindings(a *app, found []finding, format string) error {
	if format == formatJSON {
		return writeJSON(a.stdout, map[string]any{"version": 1, "findings": found})
	}
	for _, f := range found {
		mark := "ok   "
		if !f.OK {
			mark = "WRONG"
		}
		if _, err := fmt.Fprintf(a.stdout, "%s  %-14s %s\n", mark, f.Part, f.Says); err != nil {
			return err
		}
	}
	return nil
}

func verdict(part, says string, code exitCode, err error) finding {
	if err != nil {
		return finding{Part: part, Says: err.Error(), code: code, error: err}
	}
	return finding{Part: part, OK: true, Says: says}
}

// checkParts compiles what needs no connection.
func checkParts(ctx context.Context, cfg Config) []finding {
	mappings, err := normalise.New(sources.Formats())
	says := ""
	if err == nil {
		says = fmt.Sprintf("%d: %v", len(mappings.Sources()), mappings.Sources())
	}
	out := []finding{verdict("sources", says, exitConfig, err)}
	p, err := loadPolicies(ctx, cfg.Policies, assembly.Watch{})
	if err == nil {
		says = fmt.Sprintf("revision %s: %d detections, %d correlations, playbooks and guard", p.Revision, len(p.Detections.IDs()), len(p.Correlations.All()))
	}
	out = append(out, verdict("policies", says, exitConfig, err))
	if err == nil {
		out = append(out, loadReports(p)...)
	}
	connectors, err := makeConnectors(pipelineParts{cfg: cfg, stages: []string{assembly.StageRespond}, log: discardLogger()})
	return append(out, verdict("sinks", fmt.Sprintf("%d: %v", len(connectors), slices.Sorted(maps.Keys(connectors))), exitConfig, err))
}

// loadReports says how the rules will be evaluated. A rule that no index helps and a
// builtin that is OPA's own cost time for each event, and are no mistakes.
func loadReports(p *assembly.Policies) []finding {
	var out []finding
	reports := p.Reports()
	for _, name := range slices.Sorted(maps.Keys(reports)) {
		out = append(out, verdict(name, reports[name].String(), exitConfig, nil))
	}
	return out
}

func checkKafka(ctx context.Context, cfg Config) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	k, err := cfg.kafka()
	if err != nil {
		return verdict("kafka", "", exitConfig, err)
	}
	there, err := run.Partitions(ctx, k, pipeline.TopicEvents, pipeline.TopicSignals, pipeline.TopicFacts)
	for t, n := range there {
		if err == nil && n != cfg.Topics.Partitions {
			err = fmt.Errorf("topic %s has %d partitions, the configuration says %d", k.Topic(t), n, cfg.Topics.Partitions)
		}
	}
	says := "reached; topics will be created"
	if len(there) > 0 {
		says = fmt.Sprintf("reached; topics are there, %d partitions each", cfg.Topics.Partitions)
	}
	return verdict("kafka", says, exitNotConnected, err)
}

func checkClickHouse(ctx context.Context, cfg Config) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	store, err := clickhouse.Open(ctx, cfg.ClickHouse)
	if err != nil {
		return verdict("clickhouse", "", exitNotConnected, err)
	}
	defer store.Close()
	return verdict("clickhouse", "reached; database "+store.Database(), exitNotConnected, nil)
}

// mayComeBack reports whether a service may answer later.
func mayComeBack(err error) bool {
	f, _ := pipeline.FaultOf(err)
	return f == pipeline.FaultRetry || f == pipeline.FaultUnknown
}
