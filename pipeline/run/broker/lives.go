package broker

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A life of a folder begins when its broker is started after a crash. It ends with the
// next crash; a start after an orderly end carries on with the same life.
//
// Transactional ids get the number of the life as a suffix, for this reason. A transaction
// that was open in a crash is aborted when the folder is read again, but the cluster writes
// no abort marker to the log. If the same producer commits its next transaction after that,
// and the broker crashes once more, then the log has an open transaction and later a commit
// marker of the same producer: read from the log, the commit covers both, and records that
// were never committed appear. A producer's number is a hash of its transactional id, so
// another id is another producer: the number of the crashed one never commits again, and
// its open transaction is aborted each time the log is read.
//
// Nothing is lost by it. Ids fence a zombie of the same process from its successor, and
// everything that spoke to the broker before a crash speaks to nobody after it.

// beginLife reads the number of the life from the lock file and notes there that the broker
// runs. A file that says so already was left by a crash.
func beginLife(lock *os.File) (life uint64, crashed bool, err error) {
	text, err := io.ReadAll(io.NewSectionReader(lock, 0, 64))
	if err != nil {
		return 0, false, fmt.Errorf("embedded broker: lock file: %w", err)
	}
	var state string
	if _, err := fmt.Sscanf(string(text), "%d %s", &life, &state); err == nil && state == lifeRuns {
		life, crashed = life+1, true
	}
	return life, crashed, noteLife(lock, life, lifeRuns)
}

// The states of a life in the lock file.
const (
	lifeRuns  = "runs"
	lifeEnded = "ended" // in order
)

// noteLife writes the state of the life into the lock file. The texts are padded to one
// length, so that no old byte stays behind.
func noteLife(lock *os.File, life uint64, state string) error {
	if _, err := lock.WriteAt(fmt.Appendf(nil, "%d %-5s\n", life, state), 0); err != nil {
		return fmt.Errorf("embedded broker: lock file: %w", err)
	}
	return nil
}

// suffixTransactions makes the ids of all transactions those of this life. Life 0, before
// any crash, leaves them as they are. No response names an id in the versions that clients
// use, so none has to be changed back.
func suffixTransactions(c *kfake.Cluster, life uint64) {
	if life == 0 {
		return
	}
	suffix := "@" + strconv.FormatUint(life, 10)
	own := func(r kmsg.Request) (kmsg.Response, error, bool) {
		switch r := r.(type) {
		case *kmsg.ProduceRequest:
			r.TransactionID = suffixed(r.TransactionID, suffix)
		case *kmsg.InitProducerIDRequest:
			r.TransactionalID = suffixed(r.TransactionalID, suffix)
		case *kmsg.AddPartitionsToTxnRequest:
			if r.TransactionalID != "" {
				r.TransactionalID += suffix
			}
		case *kmsg.AddOffsetsToTxnRequest:
			r.TransactionalID += suffix
		case *kmsg.TxnOffsetCommitRequest:
			r.TransactionalID += suffix
		case *kmsg.EndTxnRequest:
			r.TransactionalID += suffix
		}
		return nil, nil, false
	}
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn} {
		c.ControlKey(int16(key), own)
	}
}

// suffixed returns id with the suffix, nil for a producer without transactions.
func suffixed(id *string, suffix string) *string {
	if id == nil {
		return nil
	}
	s := *id + suffix
	return &s
}
