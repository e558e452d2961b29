package line

import (
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/sources/all"
)

// Factory makes the stage instance of one partition.
type Factory func(topic string, partition int32) (pipeline.Stage, error)

// Ingest returns the factory of the ingest stage without detections: normalise, dedupe,
// publish. That is what the loop of bench/bare does the bare minimum of.
func Ingest(cfg dedupe.Config) (Factory, error) {
	compiled, err := normalise.New(all.Formats())
	if err != nil {
		return nil, err
	}
	return func(topic string, _ int32) (pipeline.Stage, error) {
		seen, err := dedupe.New(cfg)
		if err != nil {
			return nil, err
		}
		return Join(compiled.Stage(strings.TrimPrefix(topic, pipeline.TopicRawPrefix)), seen, &pipeline.Publish{})
	}, nil
}
