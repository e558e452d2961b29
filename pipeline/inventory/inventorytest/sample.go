// Package inventorytest gives tests a context to look things up in.
package inventorytest

import (
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	"github.com/riposte-sec/riposte/pipeline/inventory/feeds"
	"github.com/riposte-sec/riposte/sources/sample"
)

// Sample returns what the organisation of the sample traffic of cfg knows, as `riposte up`
// loads it. It is as of one hour before cfg.Start.
func Sample(tb testing.TB, tenant string, cfg sample.Config) pipeline.Context {
	tb.Helper()
	b := inventory.NewBuilder()
	for _, f := range sample.Context(cfg) {
		res, err := feeds.Read(f.Name, strings.NewReader(f.Text), feeds.Options{Confidence: 90})
		if err != nil {
			tb.Fatal(err)
		}
		p, err := b.Plan(inventory.Load{Tenant: tenant, Source: f.Name, Format: res.Format, AsOf: pipeline.MillisOf(cfg.Start) - 3_600_000}, res.Items)
		if err != nil {
			tb.Fatal(err)
		}
		if err := p.Records(b.Apply); err != nil {
			tb.Fatal(err)
		}
	}
	b.CaughtUp()
	return b.Context()
}
