package broker

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stampAppendTime makes the broker's clock the clock of all records. The cluster knows the
// setting message.timestamp.type but keeps the producer's time (and a batch that asks for
// append time is stored with a checksum that no longer fits), so the batches are moved in
// time before it sees them: the newest record of a batch gets the append time, the others
// keep their distance to it, which is what the producer's linger was.
func stampAppendTime(c *kfake.Cluster) {
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, ok := r.(*kmsg.ProduceRequest)
		if !ok {
			return nil, nil, false
		}
		now := time.Now().UnixMilli()
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				stampBatch(req.Topics[i].Partitions[j].Records, now)
			}
		}
		return nil, nil, false
	})
}

// stampBatch moves the batch in time so that it ends at now. A batch with a wrong checksum
// is left as it is: the cluster refuses it.
func stampBatch(b []byte, now int64) {
	if len(b) < batchMinBytes || b[batchMagic] != 2 {
		return
	}
	if binary.BigEndian.Uint32(b[batchCRC:]) != crc32.Checksum(b[batchChecked:], castagnoli) {
		return
	}
	first := int64(binary.BigEndian.Uint64(b[batchFirstTS:]))
	last := max(int64(binary.BigEndian.Uint64(b[batchMaxTS:])), first)
	binary.BigEndian.PutUint64(b[batchFirstTS:], uint64(now-(last-first)))
	binary.BigEndian.PutUint64(b[batchMaxTS:], uint64(now))
	binary.BigEndian.PutUint32(b[batchCRC:], crc32.Checksum(b[batchChecked:], castagnoli))
}
