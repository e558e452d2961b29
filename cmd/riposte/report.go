package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/schemas"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
)

// reports are the named queries that `riposte report` offers, in the order of the help.
var reports = []struct{ name, about string }{
	{"mttd", "time to detect, by --by"},
	{"mttr", "time to respond: until every containing step is verified; open ones counted"},
	{"detection_parts", "where the time to detect goes: window, source lag, queue, engine"},
	{"automation", "how incidents were contained: automatic, approved, manual"},
	{"sla", "containment against a target per priority"},
	{"backlog", "open and untouched incidents and their age"},
	{"queue", "open incidents, most urgent first"},
	{"rules", "each rule: alerts, incidents, precision"},
	{"sources", "each source: events, when it was last heard"},
	{"rejects", "input that could not be processed, by reason"},
	{"funnel", "from events to responses"},
	{"accounts", "what became of every record that was read"},
	{"unaccounted", "accounts that do not add up: must be none"},
	{"overlaps", "records that were counted twice: must be none"},
	{"doubles", "rows that stand for one record twice: must be none"},
}

// timeLayout is how ClickHouse reads a time that is given as text.
const timeLayout = "2006-01-02 15:04:05.000"

// reportFlags are what `riposte report` was asked.
type reportFlags struct {
	by, from, to, format, demo string
	dsn                        string
}

// summary is the document of `riposte report --format json` without a report's name.
type summary struct {
	Version int           `json:"version"`
	AsOf    string        `json:"as_of"`
	Reports []reportBlock `json:"reports"`
}

// reportBlock is one named query with its answer.
type reportBlock struct {
	Name    string           `json:"name"`
	Title   string           `json:"title"`
	Unit    string           `json:"unit"`
	Empty   string           `json:"empty,omitempty"` // what it means that there are no rows
	Columns []string         `json:"columns"`
	Rows    []map[string]any `json:"rows"`
}

func (a *app) reportCommand() *cobra.Command {
	var f reportFlags
	var b strings.Builder
	for _, r := range reports {
		fmt.Fprintf(&b, "  %-16s %s\n", r.name, r.about)
	}
	c := &cobra.Command{
		Use:   "report [NAME...]",
		Short: "MTTD, MTTR and other answers from ClickHouse",
		Long: `report prints time to detect and time to respond, the open incidents counted
with their age so far, and what else the named queries answer. Without names it
prints mttd, mttr, automation and backlog.

Reports:
` + b.String(),
		Example: `  riposte report
  riposte report mttr --by rule --from 7d
  riposte report queue --format json`,
		ValidArgs: reportNames(),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"mttd", "mttr", "automation", "backlog"}
			}
			return a.report(c.Context(), f, args)
		},
	}
	c.Flags().StringVar(&f.by, "by", "priority", "split by priority, rule, source, mode, tenant or all")
	c.Flags().StringVar(&f.from, "from", "", "incidents detected since: 7d, 24h, 2026-11-01 or RFC 3339 (default: all)")
	c.Flags().StringVar(&f.to, "to", "", "as of this time (default: now)")
	c.Flags().StringVar(&f.demo, "demo", "", "only sample traffic (yes) or none of it (no)")
	c.Flags().StringVar(&f.dsn, "clickhouse", "", "DSN of ClickHouse (default: from the configuration)")
	formatFlag(c, &f.format, formatTable, formatJSON, formatCSV)
	return c
}

func reportNames() []string {
	names := make([]string, len(reports))
	for i, r := range reports {
		names[i] = r.name
	}
	return names
}

func (a *app) report(ctx context.Context, f reportFlags, names []string) error {
	now := time.Now().UTC()
	asof, err := pointInTime(f.to, now)
	if err != nil {
		return usagef("--to: %w", err)
	}
	since := time.Unix(0, 0).UTC()
	if f.from != "" {
		if since, err = pointInTime(f.from, now); err != nil {
			return usagef("--from: %w", err)
		}
	}
	demo, ok := map[string]string{"": "", "yes": "1", "no": "0"}[f.demo]
	if !ok {
		return usagef("--demo %q: want yes or no", f.demo)
	}
	for _, n := range names {
		if !slices.Contains(reportNames(), n) {
			return usagef("there is no report %q (see `riposte report --help`)", n)
		}
	}
	store, err := a.openStore(ctx, f.dsn)
	if err != nil {
		return err
	}
	defer store.Close()
	params := map[string]string{"asof": asof.Format(timeLayout), "since": since.Format(timeLayout), "by": f.by, "demo": demo}
	s := summary{Version: 1, AsOf: asof.Format(time.RFC3339)}
	for _, n := range names {
		blk, err := runReport(ctx, store, n, params)
		if err != nil {
			return failWith(exitNotConnected, err)
		}
		s.Reports = append(s.Reports, blk)
	}
	return a.printReports(s, f.format)
}

func (a *app) printReports(s summary, format string) error {
	if format == formatJSON {
		return writeJSON(a.stdout, s)
	}
	for i, blk := range s.Reports {
		if format == formatTable {
			if i > 0 {
				fmt.Fprintln(a.stdout)
			}
			fmt.Fprintf(a.stdout, "%s (%s)\n", blk.Title, blk.Unit)
			if len(blk.Rows) == 0 {
				fmt.Fprintf(a.stdout, "nothing: %s\n", blk.Empty)
				continue
			}
		}
		sh := sheet{columns: blk.Columns}
		for _, r := range blk.Rows {
			cells := make([]string, len(blk.Columns))
			for j, c := range blk.Columns {
				cells[j] = cellText(r[c])
			}
			sh.add(cells...)
		}
		if err := sh.write(a.stdout, format); err != nil {
			return err
		}
	}
	return nil
}

// runReport runs one named query with those of the parameters that it has.
func runReport(ctx context.Context, store *clickhouse.Store, name string, params map[string]string) (reportBlock, error) {
	own, err := ownParams(name, params)
	if err != nil {
		return reportBlock{}, err
	}
	res, err := store.Run(ctx, name, own)
	if err != nil {
		return reportBlock{}, err
	}
	blk := reportBlock{Name: name, Title: res.Query.Title, Unit: res.Query.Unit, Empty: res.Query.Empty, Rows: []map[string]any{}}
	for _, c := range res.Columns {
		blk.Columns = append(blk.Columns, c.Name)
	}
	for _, r := range res.Rows {
		row := make(map[string]any, len(r))
		for i, v := range r {
			row[blk.Columns[i]] = v
		}
		blk.Rows = append(blk.Rows, row)
	}
	return blk, nil
}

// ownParams are those of params that the query has.
func ownParams(name string, params map[string]string) (map[string]string, error) {
	all, err := schemas.Queries()
	if err != nil {
		return nil, err
	}
	own := make(map[string]string)
	for _, p := range all[name].Params {
		if v, ok := params[p.Name]; ok {
			own[p.Name] = v
		}
	}
	return own, nil
}

// cellText is a cell for people: seconds with at most three decimals, NULL as "not yet".
func cellText(v any) string {
	switch v := v.(type) {
	case nil:
		return "not yet"
	case float64:
		return strconv.FormatFloat(float64(int64(v*1000+0.5))/1000, 'f', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case []string:
		return strings.Join(v, ",")
	}
	return fmt.Sprint(v)
}

// pointInTime reads a time as 7d or 24h ago, as a date or as RFC 3339. Empty is now.
func pointInTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	if d, err := config.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly, time.DateTime} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q: want 7d, 24h, 2026-11-01 or 2026-11-01T08:00:00Z", text)
}

// openStore opens the ClickHouse of the configuration, or of dsn if that is given.
func (a *app) openStore(ctx context.Context, dsn string) (*clickhouse.Store, error) {
	cfg, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	if dsn != "" {
		cfg.ClickHouse.DSN = dsn
	}
	store, err := clickhouse.Open(ctx, cfg.ClickHouse)
	if err != nil {
		return nil, failWith(exitNotConnected, fmt.Errorf("%w (is ClickHouse running? `riposte up` prints its DSN)", err))
	}
	return store, nil
}
