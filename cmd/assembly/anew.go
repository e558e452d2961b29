package assembly

import (
	"context"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/match"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// anew makes signals again of recorded events, for correlations that they were not made for
// when the events came.
func (w *Worker) anew() *run.Anew {
	return &run.Anew{Topic: pipeline.TopicEvents, Past: w.cfg.WarmUp, New: func(rules []string) (pipeline.Stage, error) {
		consumers := slices.DeleteFunc(w.cfg.Policies.Correlations.Consumers(), func(c pipeline.Consumer) bool {
			return !slices.Contains(rules, c.Step)
		})
		m, err := match.New(match.Config{Rules: w.cfg.Policies.Detections, Matcher: w.cfg.Policies.Matcher(), Consumers: consumers})
		return &rematch{match: m, known: w.cfg.Context}, err
	}}
}

// rematch matches events as they lie on TopicEvents. An event that cannot be read makes no
// signal: what cannot be matched any more is not what the pipeline wrote.
type rematch struct {
	match   *match.Stage
	publish pipeline.Publish
	known   func() pipeline.Context
}

// Process appends a message for each signal that a correlation wants.
func (r *rematch) Process(ctx context.Context, b *pipeline.Batch) error {
	if r.known != nil {
		b.Context = r.known()
	}
	for i := range b.In {
		var e pipeline.Event
		if err := pipeline.DecodeEvent(b.In[i].Value, &e, &b.Arena); err == nil {
			b.Events = append(b.Events, e)
		}
	}
	if err := r.match.Process(ctx, b); err != nil {
		return err
	}
	b.Signals = slices.DeleteFunc(b.Signals, func(s pipeline.Signal) bool { return s.Step == "" })
	clear(b.Events)
	b.Events = b.Events[:0] // they were published when they came
	return r.publish.Process(ctx, b)
}
