package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	"github.com/riposte-sec/riposte/pipeline/run"
)

func (a *app) contextCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "context",
		Short: "assets, identities, vulnerabilities and indicators that rules look things up in",
		Long: `The context is what an organisation knows about its devices and accounts, and what
others know about the addresses, names and files of attackers. It lies on compacted
topics; workers follow them and see each load all at once. Detections read it as
input.context, playbooks and guard with each entity; see docs/context.md.`,
		Example: `  riposte context load assets.csv users.csv
  riposte context load feed.txt --source abuse-feed --confidence 80 --ttl 7d
  riposte context status
  riposte context show 203.0.113.17`,
		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringArrayVar(&a.brokers, "brokers", nil, "Kafka brokers (default: from the configuration)")
	c.AddCommand(a.contextLoadCommand(), a.contextForgetCommand(), a.contextStatusCommand(), a.contextListCommand(), a.contextShowCommand(),
		a.contextRetroCommand())
	return c
}

// knownAt reads the context topics as they are now. tenant is that of the configuration if
// it is empty.
func (a *app) knownAt(ctx context.Context, tenant string) (*inventory.Builder, string, error) {
	cfg, err := a.loadConfig()
	if err != nil {
		return nil, "", err
	}
	if tenant == "" {
		tenant = cfg.Tenant
	}
	k, err := a.kafkaOf()
	if err != nil {
		return nil, "", err
	}
	b, err := readContext(ctx, k, func(err error) { fmt.Fprintf(a.stderr, "passed over: %v\n", err) })
	return b, tenant, err
}

// readContext reads the context topics as they are now; told hears of records that are not
// usable. Topics that do not exist hold nothing.
func readContext(ctx context.Context, k run.Kafka, told func(error)) (*inventory.Builder, error) {
	there, err := run.Partitions(ctx, k, pipeline.ContextTopics()...)
	if err != nil {
		return nil, failWith(exitNotConnected, err)
	}
	b := inventory.NewBuilder()
	for _, topic := range pipeline.ContextTopics() {
		if there[topic] == 0 {
			continue
		}
		err := run.Browse(ctx, k, topic, func(_ int32, r *pipeline.Record) error {
			if err := b.Apply(topic, r); err != nil {
				told(err)
			}
			return nil
		})
		if err != nil {
			return nil, failWith(exitNotConnected, err)
		}
	}
	b.CaughtUp()
	return b, nil
}

// publishContext makes plan of what the topics hold, and writes it, as the only one who
// does so.
func publishContext(ctx context.Context, k run.Kafka, told func(error), plan func(*inventory.Builder) (*inventory.Plan, error)) (*inventory.Plan, error) {
	if err := run.EnsureTopics(ctx, k, assembly.ContextTopics()...); err != nil {
		return nil, failWith(exitNotConnected, err)
	}
	pub, err := run.NewPublisher(ctx, k, "context")
	if err != nil {
		return nil, failWith(exitNotConnected, err)
	}
	defer pub.Close()
	b, err := readContext(ctx, k, told)
	if err != nil {
		return nil, err
	}
	p, err := plan(b)
	if err != nil {
		return nil, err
	}
	return p, failWith(exitNotConnected, pub.Publish(ctx, p.Messages))
}

func (a *app) contextForgetCommand() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use:     "forget SOURCE",
		Short:   "take back everything that a source said",
		Example: `  riposte context forget abuse-feed`,
		Args:    someArgs("a source from `riposte context status`"),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := a.loadConfig()
			if err != nil {
				return err
			}
			if tenant == "" {
				tenant = cfg.Tenant
			}
			k, err := a.kafkaOf()
			if err != nil {
				return err
			}
			for _, source := range args {
				p, err := publishContext(c.Context(), k, func(error) {}, func(b *inventory.Builder) (*inventory.Plan, error) { return b.Forget(tenant, source), nil })
				if err != nil {
					return err
				}
				if len(p.Loads) == 0 {
					return failWith(exitFailed, fmt.Errorf("tenant %s has no source %q", tenant, source))
				}
				for _, l := range p.Loads {
					fmt.Fprintf(a.stdout, "%s: %d entries of %s taken back\n", l.Topic, l.Removed, source)
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "tenant (default: from the configuration)")
	return c
}

// contextStatus is the JSON form of `riposte context status`.
type contextStatus struct {
	Version  int            `json:"version"`
	Revision string         `json:"revision"`
	Age      int64          `json:"age_s"`
	Topics   []contextTopic `json:"topics"`
	Sources  []statusSource `json:"sources"`
}

type contextTopic struct {
	Topic   string `json:"topic"`
	Entries int    `json:"entries"`
	Age     int64  `json:"age_s"`
}

type statusSource struct {
	inventory.LoadedSource
	Age int64 `json:"age_s"`
}

func (a *app) contextStatusCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "status",
		Short: "the revision, and how old what each source said is",
		Example: `  riposte context status
  riposte context status --format json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b, _, err := a.knownAt(c.Context(), "")
			if err != nil {
				return err
			}
			return a.printStatus(b.Current(), pipeline.MillisOf(time.Now()), format)
		},
	}
	formatFlag(c, &format, formatTable, formatJSON)
	return c
}

func (a *app) printStatus(t *inventory.Tables, now pipeline.Millis, format string) error {
	ref := t.Ref()
	st := contextStatus{Version: 1, Revision: ref.Revision, Age: pipeline.Age(now, ref.AsOf), Sources: []statusSource{}}
	for _, topic := range ref.Topics {
		st.Topics = append(st.Topics, contextTopic{topic.Topic, topic.Entries, pipeline.Age(now, topic.AsOf)})
	}
	for _, l := range t.Loads() {
		st.Sources = append(st.Sources, statusSource{l, pipeline.Age(now, l.AsOf)})
	}
	if format == formatJSON {
		return writeJSON(a.stdout, st)
	}
	if ref.Revision == "" {
		_, err := fmt.Fprintln(a.stdout, "nothing is loaded: see `riposte context load --help`")
		return err
	}
	fmt.Fprintf(a.stdout, "revision %s, as old as its oldest source: %s\n\n", ref.Revision, ageText(st.Age))
	s := sheet{columns: []string{"tenant", "topic", "source", "format", "entries", "age", "ttl"}}
	for _, l := range st.Sources {
		ttl := "-"
		if l.TTL > 0 {
			ttl = ageText(l.TTL)
		}
		s.add(l.Tenant, strings.TrimPrefix(l.Topic, "context."), l.Source, l.Format, strconv.Itoa(l.Entries), ageText(l.Age), ttl)
	}
	return s.write(a.stdout, formatTable)
}

// ageText is an age in its two largest units.
func ageText(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return d.String()
}
