package line

import (
	"strings"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/correlate"
	"github.com/riposte-sec/riposte/pipeline/decide"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
	"github.com/riposte-sec/riposte/pipeline/match"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/sources/all"
)

// Stages returns templates of the stages from raw records to intents, with the given
// policies, for lanes that a caller completes. Connectors are what decisions may use.
func Stages(p *assembly.Policies, partitions int, connectors map[string][]pipeline.ActionSpec, raw ...string) ([]run.LaneConfig, error) {
	mappings, err := normalise.New(all.Formats())
	if err != nil {
		return nil, err
	}
	ingest := run.DefaultLane(run.DefaultKafka(), assembly.StageIngest, raw...)
	consumers := p.Correlations.Consumers()
	ingest.New = func(topic string, _ int32) (pipeline.Stage, error) {
		matches, err := match.New(match.Config{Rules: p.Detections, Matcher: p.Matcher(), Consumers: consumers})
		if err != nil {
			return nil, err
		}
		seen, err := dedupe.New(dedupe.Default())
		if err != nil {
			return nil, err
		}
		return Join(mappings.Stage(strings.TrimPrefix(topic, pipeline.TopicRawPrefix)), seen, matches, new(pipeline.Publish))
	}
	correlated := run.DefaultLane(run.DefaultKafka(), assembly.StageCorrelate, pipeline.TopicSignals)
	correlated.New = func(string, int32) (pipeline.Stage, error) {
		cfg := correlate.Default()
		cfg.Rules, cfg.Noise = p.Correlations, p.Noise
		return correlate.New(cfg)
	}
	decided := run.DefaultLane(run.DefaultKafka(), assembly.StageDecide, pipeline.TopicFacts)
	decided.New = func(string, int32) (pipeline.Stage, error) {
		cfg := decide.Default()
		cfg.Partitions = partitions
		return decide.New(cfg, decide.Parts{Decide: p.Decide, Guard: p.Guard, Connectors: connectors})
	}
	return []run.LaneConfig{ingest, correlated, decided}, nil
}
