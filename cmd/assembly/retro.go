package assembly

import (
	"context"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// Searcher looks through what was recorded.
type Searcher interface {
	// Hunt returns what recorded events say of the values of h. Its error carries a fault.
	Hunt(ctx context.Context, h pipeline.Hunt) ([]pipeline.Sighting, error)
}

// Retro says how recorded events are held against indicators that are added.
type Retro struct {
	Search Searcher // nil: not at all
	// Past is how far back events are looked at. Zero: not at all.
	Past time.Duration
	// Confidence is the least that an indicator must have, 1 to 100.
	Confidence uint8
	// Settle is as in run.HunterConfig; zero is its default.
	Settle time.Duration
}

// Find holds the recorded events before now against indicators, and returns the facts that
// tell of what was found.
func (r Retro) Find(ctx context.Context, p *Policies, all []*pipeline.Indicator, now time.Time) ([]pipeline.Fact, error) {
	until := pipeline.MillisOf(now)
	hunted := inventory.NewHunted(all, r.Confidence, until.Add(-r.Past), until)
	rules := map[string]inventory.Rule{}
	for _, d := range p.Detections.Detections {
		rules[d.ID] = inventory.Rule{ID: d.ID, Title: d.Title, Severity: d.Severity, Tactics: d.Tactics, Techniques: d.Techniques}
	}
	var facts []pipeline.Fact
	for _, h := range hunted.Hunts() {
		found, err := r.Search.Hunt(ctx, h)
		if err != nil {
			return nil, err
		}
		facts = append(facts, hunted.Facts(h.Tenant, found, rules)...)
	}
	return facts, nil
}

// newHunter makes the hunter that new indicators start. It tells facts when what was
// recorded before has arrived in the store.
func (w *Worker) newHunter() (*run.Hunter, error) {
	hc := run.DefaultHunter(w.cfg.Kafka, pipeline.TopicIndicators)
	hc.Worker, hc.Log = w.cfg.Name, w.cfg.Log
	hc.Recorded = run.Input{Group: run.Group(w.cfg.Kafka, StageRecord), Topics: []string{pipeline.TopicEvents, pipeline.TopicSignals}}
	if w.cfg.Retro.Settle > 0 {
		hc.Settle = w.cfg.Retro.Settle
	}
	hc.Hunt = func(ctx context.Context, records []pipeline.Record) ([]pipeline.Message, error) {
		facts, err := w.cfg.Retro.Find(ctx, w.cfg.Policies, inventory.IndicatorsOf(records), time.Now())
		if err != nil {
			return nil, err
		}
		messages := make([]pipeline.Message, len(facts))
		for i := range facts {
			messages[i] = inventory.FactMessage(&facts[i])
		}
		return messages, nil
	}
	return run.NewHunter(hc)
}
