package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// Reasons of faults of Kafka.
const (
	reasonFenced     = "fenced"     // another process has our identity
	reasonDataLoss   = "data_loss"  // records were deleted before they were read
	reasonRecreated  = "recreated"  // a topic was deleted and made again
	reasonPartitions = "partitions" // a topic has other partitions than it had
	reasonDenied     = "denied"     // the cluster does not allow it
	reasonKafka      = "kafka"      // anything that a new session may cure
)

// classify marks an error of the Kafka client. What a new session can cure is Retry: it
// starts from committed state, so nothing can be lost or doubled by trying. The rest needs
// a person.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if f, reason := pipeline.FaultOf(err); f == pipeline.FaultNone || reason != "unmarked" {
		return err
	}
	loss, lost := errors.AsType[*kgo.ErrDataLoss](err)
	switch {
	case errors.Is(err, kerr.FencedInstanceID):
		return pipeline.AsStop(reasonFenced, fmt.Errorf(
			"another process runs under the same worker name and took over: give each process a name of its own: %w", err))
	case lost:
		return pipeline.AsStop(reasonDataLoss, fmt.Errorf(
			"%s[%d]: records from offset %d on were lost by the cluster: %w", loss.Topic, loss.Partition, loss.ResetTo, err))
	case errors.Is(err, kerr.OffsetOutOfRange):
		return pipeline.AsStop(reasonDataLoss, fmt.Errorf(
			"records were deleted before they were read: raise the retention of the topic: %w", err))
	case errors.Is(err, kerr.UnknownTopicID):
		return pipeline.AsStop(reasonRecreated, fmt.Errorf(
			"a topic was deleted and made again while it was in use: %w", err))
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed),
		errors.Is(err, kerr.TransactionalIDAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed),
		errors.Is(err, kerr.SaslAuthenticationFailed):
		return pipeline.AsStop(reasonDenied, err)
	}
	return pipeline.AsRetry(reasonKafka, 0, err)
}

// isUnusable reports whether err means that the state of a partition cannot be used, as
// opposed to not being readable now.
func isUnusable(err error) bool {
	for _, e := range []error{errDamaged, errForeign, errNewer, errGap, errOffset} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// ended reports whether err only says that somebody wants to end.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed)
}
