package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// retroFlags are what `riposte context retro` was asked.
type retroFlags struct {
	source, past, format string
	tell                 bool
}

func (a *app) contextRetroCommand() *cobra.Command {
	var f retroFlags
	c := &cobra.Command{
		Use:   "retro",
		Short: "hold recorded events against the indicators that are known",
		Long: `retro searches the recorded events of the last days for every indicator that is
known now. Workers do that by themselves for indicators that are added (context.retro);
this is for looking further back. It prints what it finds, and with --tell opens an alert
with the flag retro for each. Telling the same again changes nothing.`,
		Example: `  riposte context retro --past 30d
  riposte context retro --source abuse-feed --past 30d --tell`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.contextRetro(c.Context(), f) },
	}
	c.Flags().StringVar(&f.source, "source", "", "only indicators of this source")
	c.Flags().StringVar(&f.past, "past", "", "how far back, such as 30d (default: context.retro of the configuration)")
	c.Flags().BoolVar(&f.tell, "tell", false, "open alerts for what is found")
	formatFlag(c, &f.format, formatTable, formatJSON)
	return c
}

func (a *app) contextRetro(ctx context.Context, f retroFlags) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	past := time.Duration(cfg.Context.Retro)
	if f.past != "" {
		if past, err = config.ParseDuration(f.past); err != nil || past <= 0 {
			return usagef("--past %q: want a positive duration, such as 30d", f.past)
		}
	}
	if past == 0 {
		return usagef("context.retro is 0s: say how far back with --past")
	}
	p, err := loadPolicies(ctx, cfg.Policies, assembly.Watch{Now: time.Now, Log: discardLogger()})
	if err != nil {
		return failWith(exitConfig, err)
	}
	known, _, err := a.knownAt(ctx, "")
	if err != nil {
		return err
	}
	store, err := openRows(ctx, cfg, a.logger())
	if err != nil {
		return err
	}
	defer func() { _ = store.close() }() // it was only read
	r := assembly.Retro{Search: store, Past: past, Confidence: uint8(cfg.Context.RetroConfidence)}
	facts, err := r.Find(ctx, p, known.Indicators(f.source), time.Now())
	if err != nil {
		return failWith(exitNotConnected, err)
	}
	if f.tell {
		if err := a.tellFacts(ctx, facts); err != nil {
			return err
		}
	}
	return a.printFound(facts, f)
}

// tellFacts writes the facts in one transaction.
func (a *app) tellFacts(ctx context.Context, facts []pipeline.Fact) error {
	k, err := a.kafkaOf()
	if err != nil {
		return err
	}
	pub, err := run.NewPublisher(ctx, k, "retro")
	if err != nil {
		return failWith(exitNotConnected, err)
	}
	defer pub.Close()
	var messages []pipeline.Message
	for i := range facts {
		messages = append(messages, inventory.FactMessage(&facts[i]))
	}
	return failWith(exitNotConnected, pub.Publish(ctx, messages))
}

func (a *app) printFound(facts []pipeline.Fact, f retroFlags) error {
	if f.format == formatJSON {
		alerts := []*pipeline.Alert{}
		for i := range facts {
			alerts = append(alerts, facts[i].Alert)
		}
		return writeJSON(a.stdout, map[string]any{"version": 1, "told": f.tell, "alerts": alerts})
	}
	s := sheet{columns: []string{"value", "victim", "rule", "events", "first", "last"}}
	for i := range facts {
		al := facts[i].Alert
		victim := cmp.Or(al.Entities[min(1, len(al.Entities)-1)].Value, "-")
		s.add(facts[i].Group, victim, al.Rule, strconv.Itoa(int(al.Signals)), al.Occurred.Time().Format(time.RFC3339), al.Triggered.Time().Format(time.RFC3339))
	}
	if err := s.write(a.stdout, formatTable); err != nil {
		return err
	}
	if !f.tell && len(facts) > 0 {
		_, err := fmt.Fprintln(a.stdout, "\nno alert was opened: --tell does that")
		return err
	}
	return nil
}
