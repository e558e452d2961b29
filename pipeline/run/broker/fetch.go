package broker

import (
	"math"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leastShare is how many bytes each partition may have in an answer, at least.
const leastShare = 64 << 10

// ShareAnswers bounds the answers to fetches by partition instead of as a whole. Where an
// answer is full in the middle of a partition, the cluster sends what it has of it without
// the list of its aborted transactions, and a reader of committed records takes aborted ones
// for committed. Where a partition has had its share, the list is sent. So each partition of
// a request gets its share of what the answer may hold, and the whole no bound: it is kept
// by the shares, give or take a batch.
func ShareAnswers(c *kfake.Cluster) {
	c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, ok := r.(*kmsg.FetchRequest)
		if !ok {
			return nil, nil, false
		}
		n := int32(0)
		for i := range req.Topics {
			n += int32(len(req.Topics[i].Partitions))
		}
		share := max(req.MaxBytes/max(n, 1), leastShare)
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				p := &req.Topics[i].Partitions[j]
				p.PartitionMaxBytes = min(p.PartitionMaxBytes, share)
			}
		}
		req.MaxBytes = math.MaxInt32
		return nil, nil, false
	})
}
