package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	"github.com/riposte-sec/riposte/pipeline/inventory/feeds"
)

// contextLoadFlags are what `riposte context load` was asked.
type contextLoadFlags struct {
	tenant, source, asset, kind, input, ttl, asOf string
	labels                                        []string
	confidence                                    uint8
	merge, dryRun                                 bool
	format                                        string
}

func (a *app) contextLoadCommand() *cobra.Command {
	var f contextLoadFlags
	names, about := feeds.Formats()
	var formats strings.Builder
	for i := range names {
		fmt.Fprintf(&formats, "  %-8s %s\n", names[i], about[i])
	}
	c := &cobra.Command{
		Use:   "load FILE...",
		Short: "load files of assets, identities, vulnerabilities or indicators",
		Long: `load reads files, brings their values into the form that events have, and writes
what is new, changed or gone to the context topics in one transaction: workers see
all of it or nothing. A file is everything that its source knows: what the source
said before and does not say now is taken back, unless --merge is given. Other
sources are left alone. The source is the file's name, or --source for all files.
A file of which nothing can be used changes nothing, and is an error.

Formats (told from the content, or --input):
` + formats.String(),
		Example: `  riposte context load assets.csv users.csv
  riposte context load feed.txt --source abuse-feed --confidence 80 --ttl 7d
  riposte context load bundle.json --dry-run
  riposte context load trivy.json --asset web-01.corp.example
  curl -s https://feeds.example/ips | riposte context load - --source ips`,
		Args: someArgs("a file"),
		RunE: func(c *cobra.Command, args []string) error { return a.contextLoad(c.Context(), f, args) },
	}
	fl := c.Flags()
	fl.StringVar(&f.tenant, "tenant", "", "tenant that the entries are of (default: from the configuration)")
	fl.StringVar(&f.source, "source", "", "name of the source (default: the file's name without its ending)")
	fl.StringVar(&f.input, "input", "auto", "format of the files: auto, "+strings.Join(names, ", "))
	fl.StringVar(&f.kind, "kind", "", "what a CSV is of (assets, identities) or a list (ip, domain, url, hash, mail)")
	fl.StringVar(&f.asset, "asset", "", "device that a report is of, where the report does not name one")
	fl.Uint8Var(&f.confidence, "confidence", 50, "confidence of indicators that have none themselves, 1 to 100")
	fl.StringSliceVar(&f.labels, "label", nil, "label to add to all indicators (repeatable)")
	fl.StringVar(&f.ttl, "ttl", "", "how long indicators hold that say no end themselves, such as 7d (default: until they are taken back)")
	fl.StringVar(&f.asOf, "as-of", "", "when things were as the files say, RFC 3339 (default: as the file says, else when it was written)")
	fl.BoolVar(&f.merge, "merge", false, "keep what the source said before")
	fl.BoolVar(&f.dryRun, "dry-run", false, "say what would change and write nothing")
	formatFlag(c, &f.format, formatTable, formatJSON)
	return c
}

// loadOf gathers what one source says in the files.
type loadOf struct {
	inventory.Load
	items []inventory.Item
}

func (a *app) contextLoad(ctx context.Context, f contextLoadFlags, paths []string) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	if f.tenant == "" {
		f.tenant = cfg.Tenant
	}
	loads, err := a.readFeeds(f, paths)
	if err != nil {
		return err
	}
	k, err := a.kafkaOf()
	if err != nil {
		return err
	}
	told := func(err error) { fmt.Fprintf(a.stderr, "passed over: %v\n", err) }
	plan := func(b *inventory.Builder) (*inventory.Plan, error) { return planAll(b, loads) }
	var p *inventory.Plan
	if f.dryRun {
		b, err := readContext(ctx, k, told)
		if err != nil {
			return err
		}
		p, err = plan(b)
		if err != nil {
			return err
		}
	} else if p, err = publishContext(ctx, k, told, plan); err != nil {
		return err
	}
	return a.printLoads(p, f)
}

// planAll joins the plans of all loads into one, for one transaction.
func planAll(b *inventory.Builder, loads []*loadOf) (*inventory.Plan, error) {
	all := &inventory.Plan{}
	for _, l := range loads {
		p, err := b.Plan(l.Load, l.items)
		if err != nil {
			return nil, failWith(exitUsage, err)
		}
		all.Messages = append(all.Messages, p.Messages...)
		all.Loads = append(all.Loads, p.Loads...)
		all.Added = append(all.Added, p.Added...)
	}
	return all, nil
}

// readFeeds reads the files and sorts what they hold by source. What is skipped is told on
// stderr.
func (a *app) readFeeds(f contextLoadFlags, paths []string) ([]*loadOf, error) {
	base, asOf, err := f.base()
	if err != nil {
		return nil, err
	}
	opt := feeds.Options{Format: f.input, Kind: f.kind, Confidence: f.confidence, Labels: f.labels, Asset: f.asset}
	bySource := map[string]*loadOf{}
	for _, path := range paths {
		res, written, err := a.readFeed(path, opt)
		if err != nil {
			return nil, failWith(exitFailed, err)
		}
		a.tellSkipped(path, res)
		if len(res.Items) == 0 {
			return nil, failWith(exitFailed, fmt.Errorf("%s: %s: nothing in it can be used; to take back what its source said: riposte context forget", path, res.Format))
		}
		at := cmp.Or(asOf, res.AsOf, written)
		source := cmp.Or(f.source, sourceName(path))
		l := bySource[source]
		if l == nil {
			l = &loadOf{Load: base}
			l.Source, l.Format, l.AsOf = source, res.Format, at
			bySource[source] = l
		}
		l.AsOf = min(l.AsOf, at)
		l.items = append(l.items, res.Items...)
	}
	var loads []*loadOf
	for _, source := range slices.Sorted(maps.Keys(bySource)) {
		loads = append(loads, bySource[source])
	}
	return loads, nil
}

// base is what the flags say of every load, and as of when; zero if they do not.
func (f *contextLoadFlags) base() (inventory.Load, pipeline.Millis, error) {
	l := inventory.Load{Tenant: f.tenant, Merge: f.merge}
	if f.ttl != "" {
		ttl, err := config.ParseDuration(f.ttl)
		if err != nil {
			return l, 0, usagef("--ttl: %w", err)
		}
		if ttl < time.Second {
			return l, 0, usagef("--ttl %s: want at least 1s", f.ttl)
		}
		l.TTL = int64(ttl.Seconds())
	}
	if f.confidence < 1 || f.confidence > 100 {
		return l, 0, usagef("--confidence %d: want 1 to 100", f.confidence)
	}
	if f.asOf == "" {
		return l, 0, nil
	}
	at, err := time.Parse(time.RFC3339, f.asOf)
	if err != nil {
		return l, 0, usagef("--as-of: %w", err)
	}
	return l, pipeline.MillisOf(at), nil
}

// readFeed reads one file, "-" is stdin, and tells when it was written.
func (a *app) readFeed(path string, opt feeds.Options) (*feeds.Result, pipeline.Millis, error) {
	r := a.stdin
	written := time.Now()
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, 0, err
		}
		defer func() { _ = file.Close() }() // it was only read
		info, err := file.Stat()
		if err != nil {
			return nil, 0, err
		}
		r, written = file, info.ModTime()
	}
	res, err := feeds.Read(path, r, opt)
	return res, pipeline.MillisOf(written), err
}

// sourceName makes the name of a source of a file's name.
func sourceName(path string) string {
	if path == "-" {
		return "stdin"
	}
	base := filepath.Base(path)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, base)
}

func (a *app) tellSkipped(path string, res *feeds.Result) {
	for _, n := range res.Notes {
		fmt.Fprintf(a.stderr, "%s: %s\n", path, printable(n))
	}
	for _, reason := range slices.Sorted(maps.Keys(res.Skipped)) {
		fmt.Fprintf(a.stderr, "%s: %d not taken over: %s\n", path, res.Skipped[reason], reason)
	}
}

func (a *app) printLoads(p *inventory.Plan, f contextLoadFlags) error {
	if f.format == formatJSON {
		return writeJSON(a.stdout, map[string]any{"version": 1, "dry_run": f.dryRun, "loads": p.Loads})
	}
	s := sheet{columns: []string{"topic", "source", "format", "entries", "added", "changed", "removed", "as of"}}
	for _, l := range p.Loads {
		s.add(strings.TrimPrefix(l.Topic, "context."), l.Source, l.Format, strconv.Itoa(l.Entries), strconv.Itoa(l.Added),
			strconv.Itoa(l.Changed), strconv.Itoa(l.Removed), l.AsOf.Time().Format(time.RFC3339))
	}
	if err := s.write(a.stdout, formatTable); err != nil || !f.dryRun {
		return err
	}
	_, err := fmt.Fprintln(a.stdout, "\nnothing was written: --dry-run")
	return err
}
