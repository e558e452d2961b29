package run

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/pipeline"
)

// accountSchema is the schema header of a record on the ledger topic.
const accountSchema = "account/1"

// writeAccounts produces, for every partition that the transaction read records of, the
// account of what became of them.
func (t *txn) writeAccounts() {
	if !t.s.l.cfg.Accounts {
		return
	}
	for _, u := range t.touched {
		if a, some := u.account(t.s.l.cfg.Stage); some {
			t.writeAccount(a)
		}
	}
}

// account adds up the batches of a partition. It is false if they held no records.
func (u *touch) account(stage string) (a pipeline.Account, some bool) {
	a = pipeline.Account{Stage: stage, Topic: u.part.topic, Partition: u.part.id.partition, To: u.next}
	for _, w := range u.works {
		b := &w.batch
		if len(b.In) == 0 {
			continue
		}
		if !some {
			some = true
			a.Tenant, a.From, a.OldestAt = b.Tenant, b.In[0].Offset, b.In[0].Time
			if b.Context != nil {
				a.Context = b.Context.Ref().Revision
			}
		}
		c := countsOf(b)
		a.Records += c.In
		a.Bytes += c.Bytes
		a.Live += c.Live
		a.Duplicate += c.Duplicate
		a.Rejected += c.Rejected
		a.Late += c.Late
		a.Skewed += c.Skewed
		a.FirstAt = earliest(a.FirstAt, c.FirstAt)
		a.LastAt = max(a.LastAt, c.LastAt)
		a.OldestAt = earliest(a.OldestAt, b.In[0].Time)
	}
	return a, some
}

// earliest is the smaller of two times of which zero means none.
func earliest(a, b pipeline.Millis) pipeline.Millis {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func (t *txn) writeAccount(a pipeline.Account) {
	k := t.s.l.cfg.Kafka
	key := pipeline.AppendKey(nil, a.Stage, a.Topic, strconv.Itoa(int(a.Partition)))
	t.produceOne(&kgo.Record{
		Topic: k.Topic(pipeline.TopicLedger), Key: key, Value: a.AppendJSON(nil),
		Headers: []kgo.RecordHeader{
			{Key: pipeline.HeaderSchema, Value: []byte(accountSchema)},
			{Key: pipeline.HeaderTenant, Value: []byte(a.Tenant)},
		},
	})
}
