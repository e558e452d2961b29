package run

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

// revision is a context that has nothing but a name.
type revision string

func (r revision) Ref() pipeline.ContextRef { return pipeline.ContextRef{Revision: string(r)} }

func (revision) Look(k *pipeline.Known, _ string, _ pipeline.EntityKind, _ string, _ pipeline.Millis) {
	*k = pipeline.Known{}
}

// witness writes for each record the revision that its batch saw.
type witness struct{ pipeline.Stateful }

func (w witness) Process(_ context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		b.Counts.In++
		b.Counts.Live++
		b.Emit(pipeline.Message{Topic: "out", Value: fmt.Appendf(nil, "%d %s", b.In[i].Offset, b.Context.Ref().Revision)})
	}
	return nil
}

// TestTransactionSeesOneRevisionAndItsAccountNamesIt: the context changes all the time, the
// batches are of one record each.
func TestTransactionSeesOneRevisionAndItsAccountNamesIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	if err := EnsureTopics(t.Context(), r.k, TopicSpec{Name: pipeline.TopicLedger, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	const records = 300
	for i := range records {
		r.produce(fmt.Sprintf("k %d", i))
	}
	var asked atomic.Int64
	c := r.config("w")
	c.Accounts, c.MaxBatch, c.MaxRecords = true, 1, 40
	c.Context = func() pipeline.Context { return revision(fmt.Sprint(asked.Add(1))) }
	c.New = func(topic string, partition int32) (pipeline.Stage, error) {
		s, err := tallyFactory(topic, partition)
		if err != nil {
			return nil, err
		}
		return witness{s.(pipeline.Stateful)}, nil
	}
	lane := r.start(c)
	if err := Drained(t.Context(), r.k, nil, Input{Group: Group(r.k, "toy"), Topics: []string{"in"}}); err != nil {
		t.Fatal(err)
	}
	lane.cancel()
	if err := lane.wait(t); err != nil {
		t.Fatal(err)
	}
	seen := map[int64]string{}
	for _, v := range r.values("out") {
		var offset int64
		var rev string
		if _, err := fmt.Sscan(v, &offset, &rev); err != nil {
			t.Fatal(err)
		}
		seen[offset] = rev
	}
	accounts := r.values(pipeline.TopicLedger)
	for _, v := range accounts {
		var a pipeline.Account
		if err := json.Unmarshal([]byte(v), &a); err != nil {
			t.Fatal(err)
		}
		for o := a.From; o < a.To; o++ {
			if seen[o] != a.Context {
				t.Errorf("record %d saw revision %q, its account says %q", o, seen[o], a.Context)
			}
		}
	}
	if len(seen) != records || len(accounts) < 5 {
		t.Errorf("%d records in %d transactions: too few to mean anything", len(seen), len(accounts))
	}
}
