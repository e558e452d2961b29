package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrPartitions says that a topic has another number of partitions than it should. Keys
// would move between partitions and leave their state behind, so this is never repaired
// silently.
var ErrPartitions = errors.New("partition count differs")

// StateTopic returns the topic, without prefix, that holds the state of a stage for one of
// its input topics.
func StateTopic(stage, input string) string { return statePrefix + stage + "." + input }

const statePrefix = "state."

// TopicSpec is a topic that the pipeline needs.
type TopicSpec struct {
	Name string // without prefix
	// Partitions must be the same for an input topic and its state topic. Positive.
	Partitions int32
	// Retention is how long records are kept. Zero keeps them for ever.
	Retention time.Duration
	// Compact keeps the newest record of each key instead of deleting by age.
	Compact bool
}

// StateSpec returns the topic that holds a stage's state for input: as many partitions,
// trimmed by the stage itself and by nothing else.
func StateSpec(stage string, input TopicSpec) TopicSpec {
	return TopicSpec{Name: StateTopic(stage, input.Name), Partitions: input.Partitions}
}

// EnsureTopics creates the topics that do not exist and waits until the cluster knows them.
// It may be called by many processes at once and again at any time. The error matches
// ErrPartitions if a topic exists with another number of partitions; nothing is created
// then.
func EnsureTopics(ctx context.Context, k Kafka, specs ...TopicSpec) error {
	adm, err := k.admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	return ensureTopics(ctx, k, adm, specs)
}

func ensureTopics(ctx context.Context, k Kafka, adm *kadm.Client, specs []TopicSpec) error {
	there, err := adm.ListTopics(ctx)
	if err != nil {
		return k.unreached(err)
	}
	var missing []TopicSpec
	var errs []error
	for _, s := range specs {
		if s.Partitions <= 0 {
			errs = append(errs, fmt.Errorf("topic %s: %d partitions: want at least one", s.Name, s.Partitions))
			continue
		}
		detail, ok := there[k.Topic(s.Name)]
		if !ok || errors.Is(detail.Err, kerr.UnknownTopicOrPartition) {
			missing = append(missing, s)
			continue
		}
		errs = append(errs, checkPartitions(k, detail, s))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := createTopics(ctx, k, adm, missing); err != nil {
		return err
	}
	return awaitTopics(ctx, k, adm, missing)
}

// createTopics creates topics, those of one kind with one request: each request is a
// write to the cluster's own log.
func createTopics(ctx context.Context, k Kafka, adm *kadm.Client, missing []TopicSpec) error {
	kinds := make(map[TopicSpec][]string)
	for _, s := range missing {
		kind := s
		kind.Name = ""
		kinds[kind] = append(kinds[kind], k.Topic(s.Name))
	}
	for kind, names := range kinds {
		made, err := adm.CreateTopics(ctx, kind.Partitions, -1, kind.configs(), names...)
		if err != nil {
			return fmt.Errorf("create topics: %w", err)
		}
		for _, t := range made.Sorted() {
			switch {
			case t.Err == nil, errors.Is(t.Err, kerr.TopicAlreadyExists): // somebody was faster
			case t.ErrMessage != "":
				return fmt.Errorf("create topic %s: %w: %s", t.Topic, t.Err, t.ErrMessage)
			default:
				return fmt.Errorf("create topic %s: %w", t.Topic, t.Err)
			}
		}
	}
	return nil
}

// topicPatience is how long a cluster may take to know a topic that it made.
const topicPatience = 10 * time.Second

// awaitTopics waits until the cluster knows topics that it has just made, which its answer
// to CreateTopics does not say, and checks that they are what we want.
func awaitTopics(ctx context.Context, k Kafka, adm *kadm.Client, made []TopicSpec) error {
	if len(made) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, topicPatience, fmt.Errorf("the cluster does not know it %v after it was made", topicPatience))
	defer cancel()
	names := make([]string, len(made))
	for i, s := range made {
		names[i] = k.Topic(s.Name)
	}
	wait := backoff{first: 5 * time.Millisecond, most: 200 * time.Millisecond}
	for {
		there, err := adm.ListTopics(ctx, names...)
		if err != nil {
			return k.unreached(err)
		}
		var errs []error
		var unknown string
		for _, s := range made {
			detail := there[k.Topic(s.Name)]
			if errors.Is(detail.Err, kerr.UnknownTopicOrPartition) {
				unknown = k.Topic(s.Name)
				continue
			}
			errs = append(errs, checkPartitions(k, detail, s))
		}
		if err := errors.Join(errs...); err != nil || unknown == "" {
			return err
		}
		if !wait.sleep(ctx) {
			return fmt.Errorf("topic %s: %w", unknown, context.Cause(ctx))
		}
	}
}

func checkPartitions(k Kafka, have kadm.TopicDetail, want TopicSpec) error {
	if have.Err != nil {
		return fmt.Errorf("topic %s: %w", k.Topic(want.Name), have.Err)
	}
	if n := len(have.Partitions); n != int(want.Partitions) {
		return fmt.Errorf("topic %s: %w: it has %d, the configuration says %d: "+
			"keys would change partition and lose their state; set the configuration to %d, or move to topics with another prefix",
			k.Topic(want.Name), ErrPartitions, n, want.Partitions, n)
	}
	return nil
}

// configs returns the topic's configuration. Append time is the one clock of the pipeline.
func (s TopicSpec) configs() map[string]*string {
	retention := int64(-1)
	if s.Retention > 0 {
		retention = s.Retention.Milliseconds()
	}
	policy := "delete"
	if s.Compact {
		policy = "compact"
	}
	return map[string]*string{
		"message.timestamp.type": new("LogAppendTime"),
		"max.message.bytes":      new(strconv.Itoa(MaxRecordBytes)),
		"cleanup.policy":         new(policy),
		"retention.ms":           new(strconv.FormatInt(retention, 10)),
		"retention.bytes":        new("-1"),
	}
}

// Partitions returns how many partitions each of the topics has, by name without prefix.
// A topic that does not exist is not in the result.
func Partitions(ctx context.Context, k Kafka, names ...string) (map[string]int32, error) {
	adm, err := k.admin()
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	full := make([]string, len(names))
	for i, n := range names {
		full[i] = k.Topic(n)
	}
	there, err := adm.ListTopics(ctx, full...)
	if err != nil {
		return nil, k.unreached(err)
	}
	got := make(map[string]int32, len(names))
	for _, t := range slices.Sorted(maps.Keys(there)) {
		switch d := there[t]; {
		case errors.Is(d.Err, kerr.UnknownTopicOrPartition):
		case d.Err != nil:
			return nil, fmt.Errorf("topic %s: %w", t, d.Err)
		default:
			got[k.Name(t)] = int32(len(d.Partitions))
		}
	}
	return got, nil
}
