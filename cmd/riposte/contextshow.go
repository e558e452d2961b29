package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	"github.com/riposte-sec/riposte/pipeline/normalise"
)

func (a *app) contextListCommand() *cobra.Command {
	var tenant, topic, source, format string
	var limit int
	c := &cobra.Command{
		Use:   "list",
		Short: "list what is known",
		Example: `  riposte context list --topic indicators --limit 20
  riposte context list --source cmdb --format jsonl`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b, tenant, err := a.knownAt(c.Context(), tenant)
			if err != nil {
				return err
			}
			all := []inventory.Entry{}
			b.Entries(tenant, func(e inventory.Entry) bool {
				if (topic == "" || e.Topic == "context."+topic) && (source == "" || lineOf(e.Item).source == source) {
					all = append(all, e)
				}
				return limit == 0 || len(all) < limit
			})
			return a.printEntries(all, format)
		},
	}
	fl := c.Flags()
	fl.StringVar(&tenant, "tenant", "", "tenant (default: from the configuration)")
	fl.StringVar(&topic, "topic", "", "only assets, identities, vulnerabilities or indicators")
	fl.StringVar(&source, "source", "", "only of this source")
	fl.IntVar(&limit, "limit", 100, "at most so many, 0 is no limit")
	formatFlag(c, &format, formatTable, formatJSON, formatJSONL, formatCSV)
	return c
}

func (a *app) printEntries(all []inventory.Entry, format string) error {
	switch format {
	case formatJSON:
		return writeJSON(a.stdout, map[string]any{"version": 1, "entries": all})
	case formatJSONL:
		for _, e := range all {
			if err := writeJSONLine(a.stdout, e); err != nil {
				return err
			}
		}
		return nil
	}
	s := sheet{columns: []string{"topic", "kind", "value", "source", "says"}}
	for _, e := range all {
		l := lineOf(e.Item)
		s.add(strings.TrimPrefix(e.Topic, "context."), l.kind, l.value, l.source, l.says)
	}
	return s.write(a.stdout, format)
}

type line struct{ kind, value, source, says string }

// lineOf is an entry as one line for people.
func lineOf(it *inventory.Item) line {
	switch {
	case it.Asset != nil:
		x := it.Asset
		return line{x.Kind, x.Value, x.Source, words(x.Criticality, x.Class, x.Exposure, prefixed("owner ", x.Owner))}
	case it.Identity != nil:
		x := it.Identity
		return line{x.Kind, x.Value, x.Source, words(when(x.Privileged, "privileged"), when(x.VIP, "vip"), when(x.Service, "service"), x.Name)}
	case it.Finding != nil:
		x := it.Finding
		return line{x.Kind, x.Value, x.Source, words(x.ID, fmt.Sprintf("severity %d", x.Severity), x.Package, prefixed("fixed in ", x.Fixed))}
	case it.Exploited != nil:
		x := it.Exploited
		return line{"exploited", x.ID, x.Source, words(x.Name, when(x.Ransomware, "ransomware"))}
	}
	x := it.Indicator
	return line{x.Kind, x.Value, x.Source, words("confidence "+strconv.Itoa(int(x.Confidence)), x.Title, prefixed("until ", dateOf(x.ValidUntil)))}
}

func words(all ...string) string {
	var out []string
	for _, w := range all {
		if w != "" {
			out = append(out, w)
		}
	}
	return strings.Join(out, ", ")
}

func when(yes bool, word string) string {
	if yes {
		return word
	}
	return ""
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func dateOf(m pipeline.Millis) string {
	if m == 0 {
		return ""
	}
	return m.Time().Format(time.DateOnly)
}

func (a *app) contextShowCommand() *cobra.Command {
	var tenant, at, format string
	c := &cobra.Command{
		Use:   "show VALUE",
		Short: "what is known of an entity: a host, user, address, domain, URL, hash or mail address",
		Long: `show looks VALUE up as stages do: as it is or as <kind>:<value>, with networks, parent
domains and other names of the same asset, at a time of the data (--at).`,
		Example: `  riposte context show 203.0.113.17
  riposte context show host:dc-01.corp.example
  riposte context show user:anna.berg --format json`,
		Args: someArgs("a value"),
		RunE: func(c *cobra.Command, args []string) error {
			when := pipeline.MillisOf(time.Now())
			if at != "" {
				t, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return usagef("--at: %w", err)
				}
				when = pipeline.MillisOf(t)
			}
			b, tenant, err := a.knownAt(c.Context(), tenant)
			if err != nil {
				return err
			}
			return a.printKnown(b.Current(), tenant, args[0], when, format)
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "tenant (default: from the configuration)")
	c.Flags().StringVar(&at, "at", "", "time at which indicators must hold, RFC 3339 (default: now)")
	formatFlag(c, &format, formatTable, formatJSON)
	return c
}

// shown is what is known of an entity, as JSON.
type shown struct {
	Kind       string                `json:"kind"`
	Value      string                `json:"value"`
	Asset      *pipeline.Asset       `json:"asset,omitempty"`
	Identity   *pipeline.Identity    `json:"identity,omitempty"`
	Exposure   *pipeline.Exposure    `json:"vulnerabilities,omitempty"`
	Indicators []*pipeline.Indicator `json:"indicators,omitempty"`
}

func (a *app) printKnown(t *inventory.Tables, tenant, text string, at pipeline.Millis, format string) error {
	all := []shown{}
	for _, e := range readings(text) {
		var k pipeline.Known
		t.Look(&k, tenant, e.Kind, e.Value, at)
		if !k.IsZero() {
			all = append(all, shown{e.Kind.String(), e.Value, k.Asset, k.Identity, k.Exposure, k.Indicators})
		}
	}
	if format == formatJSON {
		if err := writeJSON(a.stdout, map[string]any{"version": 1, "revision": t.Ref().Revision, "known": all}); err != nil {
			return err
		}
	} else if err := a.printShown(all); err != nil {
		return err
	}
	if len(all) == 0 {
		return failWith(exitFailed, fmt.Errorf("nothing is known of %s", printable(text)))
	}
	return nil
}

func (a *app) printShown(all []shown) error {
	if len(all) == 0 {
		return nil
	}
	s := sheet{columns: []string{"kind", "value", "what", "source", "says"}}
	for i := range all {
		e := &all[i]
		row := func(what string, it inventory.Item) {
			l := lineOf(&it)
			s.add(e.Kind, e.Value, what+" "+l.value, l.source, l.says)
		}
		if e.Asset != nil {
			row("asset", inventory.Item{Asset: e.Asset})
		}
		if e.Identity != nil {
			row("identity", inventory.Item{Identity: e.Identity})
		}
		if x := e.Exposure; x != nil {
			s.add(e.Kind, e.Value, "vulnerabilities", "", fmt.Sprintf("%d open, %d critical, %d exploited: %s", x.Open, x.Critical, x.Exploited, strings.Join(x.IDs, " ")))
		}
		for _, i := range e.Indicators {
			row("indicator "+i.Kind, inventory.Item{Indicator: i})
		}
	}
	return s.write(a.stdout, formatTable)
}

// readings are the entities that a text can be: the kind that it names, else every kind in
// whose form it is.
func readings(text string) []pipeline.Entity {
	canon := normalise.NewCanonical()
	if kind, value, ok := strings.Cut(text, ":"); ok {
		if k := pipeline.EntityKindOf(kind); k != pipeline.EntityNone {
			if form, ok := canon.Entity(k, value); ok {
				return []pipeline.Entity{{Kind: k, Value: form}}
			}
			return nil
		}
	}
	var all []pipeline.Entity
	for k := pipeline.EntityHost; k <= pipeline.EntityAccount; k++ {
		if form, ok := canon.Entity(k, text); ok {
			all = append(all, pipeline.Entity{Kind: k, Value: form})
		}
	}
	return all
}
