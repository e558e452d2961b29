package replay

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/bench/line"
	"github.com/riposte-sec/riposte/bench/oracle"
	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/policies"
	sinks "github.com/riposte-sec/riposte/sinks/all"
)

var seed = flag.Uint64("seed", 1, "of the log and of the crashes")

const (
	raw        = "raw.suricata"
	partitions = 3
)

// logOf is a log of n records with copies, poison, late ones and triggers, a millisecond
// apart, of an hour that is long past.
func logOf(t *testing.T, n int) []Record {
	t.Helper()
	plan := oracle.Default(*seed, n)
	plan.Keys, plan.Targets = 40, 30
	g, err := oracle.New(plan)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var log []Record
	for {
		r, more := g.Next(at)
		if !more {
			return log
		}
		h := fnv.New32a()
		fmt.Fprint(h, r.Key)
		log = append(log, Record{Topic: raw, Partition: int32(h.Sum32() % partitions), Time: pipeline.MillisOf(at), Key: []byte(r.Key), Value: r.Value})
		at = at.Add(time.Millisecond)
	}
}

func config(t *testing.T, n int) Config {
	t.Helper()
	p, err := assembly.LoadPolicies(t.Context(), policies.FS, assembly.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	connectors, err := sinks.New(map[string][]byte{"log": nil}, sinks.Env{Log: slog.DiscardHandler, Now: time.Now, Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	actions := map[string][]pipeline.ActionSpec{}
	for name, c := range connectors {
		actions[name] = c.Actions()
	}
	stages, err := line.Stages(p, partitions, actions, raw)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Log: logOf(t, n), Partitions: partitions, Stages: stages, Progress: t.Output()}
}

// The same log gives the same signals, alerts, decisions and intents for any number of
// lanes, batch size and crashes. -seed chooses the log and the crashes.
func TestReplayIsByteEqual(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs the log seven times")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	counts, err := Verify(ctx, config(t, 3000), Variants(*seed))
	if err != nil {
		t.Fatalf("seed %d: %v", *seed, err)
	}
	for topic, n := range counts {
		if n == 0 {
			t.Errorf("nothing was compared on %s", topic)
		}
	}
}

// A stage whose outputs depend on the batch must be found out.
func TestDependenceOnTheBatchIsFound(t *testing.T) {
	t.Parallel()
	c := config(t, 300)
	whole := c.Stages[0].New
	c.Stages[0].New = func(topic string, p int32) (pipeline.Stage, error) {
		s, err := whole(topic, p)
		return tellsBatch{s.(pipeline.Stateful)}, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	_, err := Verify(ctx, c, []Variant{{Lanes: 1, Batch: 512}, {Lanes: 1, Batch: 1}})
	if d, ok := errors.AsType[*Difference](err); !ok || d.Topic != pipeline.TopicSignals {
		t.Errorf("got %v, want a difference on signals", err)
	}
}

// tellsBatch writes the size of the batch into what it produces.
type tellsBatch struct{ pipeline.Stateful }

func (s tellsBatch) Process(ctx context.Context, b *pipeline.Batch) error {
	if err := s.Stateful.Process(ctx, b); err != nil {
		return err
	}
	for i := range b.Out {
		if m := &b.Out[i]; m.Topic == pipeline.TopicSignals {
			m.Key = fmt.Appendf(nil, "%s/%d", m.Key, len(b.In))
		}
	}
	return nil
}
