package record

import (
	"errors"
	"strings"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// ledger is the rows of the table of that name: the accounts of the stages.
type ledger struct {
	columns.Table
	tenant, stage, source, topic *columns.Dict
	partition                    *columns.Fixed[int32]
	from, to, lag, at            *columns.Fixed[int64]
	counts                       [accountCounts]*columns.Fixed[uint64]
	firstAt, lastAt              *columns.MaybeMillis
	origin                       origin
}

// accountCounts is how many counts an account has.
const accountCounts = 7

func newLedger() *ledger {
	l := &ledger{Table: columns.Table{Name: "ledger"}}
	t := &l.Table
	l.tenant = columns.Add(t, "tenant", new(columns.Dict))
	l.stage = columns.Add(t, "stage", new(columns.Dict))
	l.source = columns.Add(t, "source", new(columns.Dict))
	l.topic = columns.Add(t, "in_topic", new(columns.Dict))
	l.partition = columns.Add(t, "in_partition", columns.Int32())
	l.from = columns.Add(t, "from_offset", columns.Int64())
	l.to = columns.Add(t, "to_offset", columns.Int64())
	for i, name := range [accountCounts]string{"records", "bytes", "live", "duplicate", "rejected", "late", "skewed"} {
		l.counts[i] = columns.Add(t, name, columns.UInt64())
	}
	l.firstAt = columns.Add(t, "first_at", new(columns.MaybeMillis))
	l.lastAt = columns.Add(t, "last_at", new(columns.MaybeMillis))
	l.lag = columns.Add(t, "lag_ms", columns.Int64())
	l.at = columns.Add(t, "at", columns.Millis())
	l.origin = newOrigin(t)
	return l
}

// errCount says that an account counts backwards.
var errCount = errors.New("account with a negative count")

func (l *ledger) add(blk *pipeline.Block, r *pipeline.Record, v *pipeline.Account) error {
	counts := [accountCounts]int{v.Records, v.Bytes, v.Live, v.Duplicate, v.Rejected, v.Late, v.Skewed}
	for _, n := range counts {
		if n < 0 {
			return errCount
		}
	}
	source, isRaw := strings.CutPrefix(v.Topic, pipeline.TopicRawPrefix)
	if !isRaw {
		source = ""
	}
	lag := int64(0)
	if v.OldestAt != 0 {
		lag = int64(r.Time - v.OldestAt)
	}
	l.tenant.Append(v.Tenant)
	l.stage.Append(v.Stage)
	l.source.Append(source)
	l.topic.Append(v.Topic)
	l.partition.Append(v.Partition)
	l.from.Append(v.From)
	l.to.Append(v.To)
	for i, n := range counts {
		l.counts[i].Append(uint64(n))
	}
	l.firstAt.Append(int64(v.FirstAt))
	l.lastAt.Append(int64(v.LastAt))
	l.lag.Append(lag)
	l.at.Append(int64(r.Time))
	l.origin.add(blk, r)
	return nil
}
