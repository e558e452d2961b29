package run

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// ErrEnough ends a Browse early without an error.
var ErrEnough = errors.New("enough")

// Browse hands the committed records that a topic, named without prefix, holds at this
// moment to visit, partition by partition in order. visit may keep what it is given. Its
// first error ends the browsing and is returned, but for ErrEnough.
func Browse(ctx context.Context, k Kafka, topic string, visit func(partition int32, r *pipeline.Record) error) error {
	adm, err := k.admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	full := k.Topic(topic)
	starts, err := adm.ListStartOffsets(ctx, full)
	if err != nil {
		return fmt.Errorf("browse %s: %w", full, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, full)
	if err != nil {
		return fmt.Errorf("browse %s: %w", full, err)
	}
	var parts []int32
	starts.Each(func(o kadm.ListedOffset) { parts = append(parts, o.Partition) })
	slices.Sort(parts)
	for _, n := range parts {
		err := browsePartition(ctx, k, starts, ends, tp{full, n}, visit)
		if errors.Is(err, ErrEnough) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("browse %s: %w", full, err)
		}
	}
	return nil
}

func browsePartition(ctx context.Context, k Kafka, starts, ends kadm.ListedOffsets, id tp, visit func(int32, *pipeline.Record) error) error {
	from, err := listed(starts, id)
	if err != nil {
		return err
	}
	to, err := listed(ends, id)
	if err != nil {
		return err
	}
	refused, err := readSpans(ctx, k, map[tp]span{id: {from, to}}, func(_ tp, rec *kgo.Record) error {
		r := pipeline.Record{Offset: rec.Offset, Time: pipeline.MillisOf(rec.Timestamp), Key: rec.Key, Value: rec.Value}
		for _, h := range rec.Headers {
			r.Headers = append(r.Headers, pipeline.Header{Key: h.Key, Value: h.Value})
		}
		return visit(id.partition, &r)
	})
	return errors.Join(err, refused[id])
}
