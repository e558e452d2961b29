package run

import (
	"context"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

// crier emits each record to every partition of TopicSignals, and keyed to out.
type crier struct{}

func (crier) Process(_ context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		b.Emit(pipeline.Message{Topic: pipeline.TopicSignals, Value: b.In[i].Value, Everywhere: true})
		b.Emit(pipeline.Message{Topic: pipeline.TopicSignals, Key: b.In[i].Key, Value: b.Arena.Copy([]byte("keyed"))})
	}
	return nil
}

func TestMessageForEveryPartitionLiesOnEachOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	if err := EnsureTopics(t.Context(), r.k, TopicSpec{Name: pipeline.TopicSignals, Partitions: 3}); err != nil {
		t.Fatal(err)
	}
	c := r.config("w1")
	c.New = func(string, int32) (pipeline.Stage, error) { return crier{}, nil }
	l := r.start(c)
	r.produce(lines(0, 20, 20)...)
	r.drained(l)
	l.stop(t)
	want := diff(flat(r.read("in")), nil)
	keyed := 0
	for n, got := range r.read(pipeline.TopicSignals) {
		var heard []string
		for _, v := range got {
			if v == "keyed" {
				keyed++
				continue
			}
			heard = append(heard, v)
		}
		if len(diff(heard, want))+len(diff(want, heard)) > 0 {
			t.Errorf("partition %d heard %d of %d", n, len(heard), len(want))
		}
	}
	if keyed != 20 {
		t.Errorf("%d records with a key, want 20", keyed)
	}
}
