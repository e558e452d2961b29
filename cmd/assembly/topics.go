package assembly

import (
	"maps"
	"slices"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// The stages, as --stages names them.
const (
	StageIngest    = "ingest"
	StageCorrelate = "correlate"
	StageDecide    = "decide"
	StageRespond   = "respond"
	StageRecord    = "record"
)

// Stages returns the names of all stages in the order of the flow.
func Stages() []string {
	return []string{StageIngest, StageCorrelate, StageDecide, StageRespond, StageRecord}
}

// looksUp reports whether a stage looks things up in the context: correlate does when it
// warms up, see anew.
func looksUp(stage string) bool {
	return stage == StageIngest || stage == StageCorrelate || stage == StageDecide
}

// ContextTopics returns the topics of what is known: one partition, so that a load is in
// order, and compacted, so that nothing is ever forgotten that was not taken back.
func ContextTopics() []run.TopicSpec {
	var all []run.TopicSpec
	for _, name := range pipeline.ContextTopics() {
		all = append(all, run.TopicSpec{Name: name, Partitions: 1, Compact: true})
	}
	return all
}

// TopicPlan says how the topics of a pipeline are made.
type TopicPlan struct {
	Partitions                       int32
	RawRetention, Retention, Rejects time.Duration
}

// RawTopic is the raw topic of a source.
func RawTopic(source string) string { return pipeline.TopicRawPrefix + source }

// inputs returns the input topics of a stage.
func inputs(stage string, sources []string) []string {
	switch stage {
	case StageIngest:
		raw := make([]string, len(sources))
		for i, s := range sources {
			raw[i] = RawTopic(s)
		}
		return raw
	case StageCorrelate:
		return []string{pipeline.TopicSignals}
	case StageDecide:
		return []string{pipeline.TopicFacts}
	case StageRespond:
		return []string{pipeline.TopicIntents}
	case StageRecord:
		return []string{
			pipeline.TopicEvents, pipeline.TopicSignals, pipeline.TopicFacts, pipeline.TopicDecisions,
			pipeline.TopicIntents, pipeline.TopicOutcomes, pipeline.TopicRejects, pipeline.TopicLedger,
		}
	}
	return nil
}

// Topics returns every topic of a pipeline over sources: raw topics, what the stages write,
// the state of the stages that have one, what is known, and what connectors keep themselves.
func Topics(plan TopicPlan, sources []string, connectors map[string]pipeline.Responder) []run.TopicSpec {
	spec := func(name string, keep time.Duration) run.TopicSpec {
		return run.TopicSpec{Name: name, Partitions: plan.Partitions, Retention: keep}
	}
	var all []run.TopicSpec
	for _, t := range inputs(StageIngest, sources) {
		all = append(all, spec(t, plan.RawRetention))
	}
	for _, t := range inputs(StageRecord, nil) {
		keep := plan.Retention
		if t == pipeline.TopicRejects {
			keep = plan.Rejects
		}
		all = append(all, spec(t, keep))
	}
	var state []run.TopicSpec
	for _, stage := range []string{StageIngest, StageCorrelate, StageDecide, StageRespond} {
		for _, in := range inputs(stage, sources) {
			i := slices.IndexFunc(all, func(s run.TopicSpec) bool { return s.Name == in })
			state = append(state, run.StateSpec(stage, all[i]))
		}
	}
	var kept []run.TopicSpec
	for _, name := range slices.Sorted(maps.Keys(connectors)) {
		if _, ok := connectors[name].(pipeline.Sharing); ok {
			kept = append(kept, run.ShareSpec(name))
		}
	}
	return slices.Concat(all, state, ContextTopics(), kept)
}
