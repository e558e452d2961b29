package broker

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// reserve is the free space, in bytes, below which no records are taken any more. What is
// left is for what must still be written: the ends of transactions, offsets, the indexes.
const reserve = 64 << 20

// ErrFull says that the file system of the folder has less than 64 MiB free.
var ErrFull = errors.New("the disk is full")

// free returns the free bytes of the file system of dir.
func free(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("embedded broker: free space of %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), nil // the types differ by system
}

// refuseWhenFull answers KAFKA_STORAGE_ERROR to records while left, the free bytes, is below
// the reserve. Clients try that again until there is room. The cluster itself would answer
// UNKNOWN_SERVER_ERROR once a write has failed, which clients take for final: they would
// drop the record.
func refuseWhenFull(c *kfake.Cluster, left func() (uint64, error)) {
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req, ok := r.(*kmsg.ProduceRequest)
		if n, err := left(); !ok || err != nil || n >= reserve {
			return nil, nil, false //nolint:nilerr // a record is not refused because nobody can tell how much space there is
		}
		return refusal(req), nil, true
	})
}

// refusal answers every partition of a request with KAFKA_STORAGE_ERROR.
func refusal(req *kmsg.ProduceRequest) *kmsg.ProduceResponse {
	resp, ok := req.ResponseKind().(*kmsg.ProduceResponse)
	if !ok {
		panic("BUG: a produce request has another kind of response")
	}
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, kerr.KafkaStorageError.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
