package main

import (
	"context"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// faultKeys are the requests that a lane's life depends on.
var faultKeys = []kmsg.Key{
	kmsg.Produce, kmsg.Fetch, kmsg.FindCoordinator, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn,
	kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.OffsetFetch, kmsg.Heartbeat, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.ListOffsets,
}

// faultCodes are the answers; some of them are given although the request was applied.
var faultCodes = []*kerr.Error{
	kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress,
	kerr.CoordinatorNotAvailable, kerr.ConcurrentTransactions, kerr.UnstableOffsetCommit, kerr.RebalanceInProgress,
	kerr.NotLeaderForPartition, kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.FencedInstanceID,
	kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.KafkaStorageError,
}

// makeFaults makes the broker err once, with a random pair of request and answer, about five
// times a second until the process gets SIGHUP. The first produce of a transaction is
// answered CONCURRENT_TRANSACTIONS more often: Apache Kafka 4 does that all day long. The
// feeder, which has no transactions, is spared.
func makeFaults(ctx context.Context, c *kfake.Cluster, seed uint64) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGHUP)
	defer signal.Stop(stop)
	r := rand.New(rand.NewPCG(seed, 0x6661756c74))
	for {
		f := kfake.Fault{Keys: []kmsg.Key{faultKeys[r.IntN(len(faultKeys))]}, Err: faultCodes[r.IntN(len(faultCodes))], When: ofLane}
		if r.IntN(4) == 0 {
			f.Keys, f.Err = []kmsg.Key{kmsg.Produce}, kerr.ConcurrentTransactions
		}
		c.Fault(f)
		select {
		case <-time.After(100*time.Millisecond + time.Duration(r.Int64N(int64(200*time.Millisecond)))):
		case <-stop:
			return
		case <-ctx.Done():
			return
		}
	}
}

// ofLane reports whether a request comes from a lane: all but produce requests outside of
// a transaction.
func ofLane(r kmsg.Request) bool {
	p, ok := r.(*kmsg.ProduceRequest)
	return !ok || p.TransactionID != nil
}
