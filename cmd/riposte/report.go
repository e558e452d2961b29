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
	"github.com/riposte-sec/riposte/pipeline"
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
	{"timeline", "all that one incident learned, in order; needs --incident"},
	{"latest", "the newest alerts and outcomes"},
	{"seen", "where and when a value was seen: address, domain, hash, user, host; needs --value"},
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
	incident, value            string
	dsn                        string
}

// summary is the document of `riposte report --format json` without a report's name.
type summary struct {
	Version int           `json:"version"`
	AsOf    string        `json:"as_of"`
	Reports []reportBlock `json:"reports"`
	by      string        // what groupColumn holds, for people
}

// groupColumn is the first column of the queries that are split by --by.
const groupColumn = "grp"

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
  riposte report queue --format json
  riposte report timeline --incident 6eb39017-4334-50a6-28e7-e183bfe03825
  riposte report seen --value 203.0.113.17`,
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
	c.Flags().StringVar(&f.incident, "incident", "", "id of an incident, for timeline")
	c.Flags().StringVar(&f.value, "value", "", "value to look for, for seen")
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
	asof, params, err := f.params(time.Now().UTC())
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := f.allows(n); err != nil {
			return err
		}
	}
	store, err := a.openStore(ctx, f.dsn)
	if err != nil {
		return err
	}
	defer store.Close()
	s := summary{Version: 1, AsOf: asof.Format(time.RFC3339), by: f.by}
	for _, n := range names {
		blk, err := runReport(ctx, store, n, params)
		if err != nil {
			return failWith(exitNotConnected, err)
		}
		s.Reports = append(s.Reports, blk)
	}
	return a.printReports(s, f.format)
}

// params returns the time of the answers, and the parameters of the named queries.
func (f *reportFlags) params(now time.Time) (asof time.Time, params map[string]string, err error) {
	if asof, err = pointInTime(f.to, now); err != nil {
		return asof, nil, usagef("--to: %w", err)
	}
	since := time.Unix(0, 0).UTC()
	if f.from != "" {
		if since, err = pointInTime(f.from, now); err != nil {
			return asof, nil, usagef("--from: %w", err)
		}
	}
	demo, ok := map[string]string{"": "", "yes": "1", "no": "0"}[f.demo]
	if !ok {
		return asof, nil, usagef("--demo %q: want yes or no", f.demo)
	}
	return asof, map[string]string{
		"asof": asof.Format(timeLayout), "since": since.Format(timeLayout), "by": f.by, "demo": demo,
		"incident": f.incident, "value": f.value,
	}, nil
}

// allows returns an error if there is no report of the name, or if it lacks what it needs.
func (f *reportFlags) allows(name string) error {
	if !slices.Contains(reportNames(), name) {
		return usagef("there is no report %q (see `riposte report --help`)", name)
	}
	if name == "timeline" {
		if err := new(pipeline.ID).UnmarshalText([]byte(f.incident)); err != nil {
			return usagef("timeline needs --incident with an id as `riposte report queue` shows it: %w", err)
		}
	}
	if name == "seen" && f.value == "" {
		return usagef("seen needs --value, such as an address or a domain")
	}
	return nil
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
		if format == formatTable && s.by != "" && blk.Columns[0] == groupColumn {
			sh.columns = append([]string{s.by}, blk.Columns[1:]...)
		}
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
