package replay

import (
	"context"
	"encoding/json"
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
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/policies"
	sinks "github.com/riposte-sec/riposte/sinks/all"
)

var seed = flag.Uint64("seed", 1, "of the log and of the crashes")

const (
	raw        = "raw.suricata"
	partitions = 3
)

// logOf is a log of n records with copies, poison, late ones, triggers and some whose time
// is not believed, a millisecond apart, of an hour that is long past.
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
		claimed := at
		if len(log)%50 == 0 {
			claimed = at.AddDate(0, -1, 0) // is not believed: it gets the broker's time
		}
		r, more := g.Next(claimed)
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
	connectors, err := sinks.New(sinks.Sections{"log": {}}, sinks.Env{Log: slog.DiscardHandler, Now: time.Now, Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	actions := map[string][]pipeline.ActionSpec{}
	for name, c := range connectors {
		actions[name] = c.Actions()
	}
	stages := func(context.Context) ([]run.LaneConfig, error) {
		return line.Stages(p, partitions, actions, raw)
	}
	return Config{Log: logOf(t, n), Partitions: partitions, Stages: stages, Progress: t.Output()}
}

// The same log gives the same signals, alerts, decisions and intents for any number of
// lanes, batch size and crashes. -seed chooses the log and the crashes.
func TestReplayIsByteEqual(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs the log eight times")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	res, err := Verify(ctx, config(t, 3000), Variants(*seed))
	if err != nil {
		t.Fatalf("seed %d: %v", *seed, err)
	}
	for _, topic := range []string{pipeline.TopicSignals, pipeline.TopicFacts, pipeline.TopicDecisions, pipeline.TopicIntents} {
		if res.Records[topic] == 0 {
			t.Errorf("nothing was compared on %s", topic)
		}
	}
}

// What people and responders said lies recorded between the alerts, and is replayed too.
func TestRecordedFactsAreReplayed(t *testing.T) {
	t.Parallel()
	c := config(t, 300)
	for i := range 60 {
		at := c.Log[0].Time.Add(time.Duration(i) * time.Minute)
		group := fmt.Sprintf("ip:198.51.100.%d", i%5)
		f := pipeline.Fact{ID: pipeline.HashID("test", fmt.Sprint(i)), Tenant: "default", Group: group, Time: at, Actor: "user:ann", Kind: pipeline.FactAck}
		if i%3 == 0 {
			id := pipeline.HashID("alert", fmt.Sprint(i))
			f.Kind, f.Ref, f.Actor = pipeline.FactAlert, id, "engine"
			f.Alert = &pipeline.Alert{
				ID: id, Tenant: "default", Rule: "known_bad_address", Kind: pipeline.AlertSingle, Revision: 1, Severity: 4, Sources: []string{"zeek"},
				Entities: []pipeline.EntityValue{{Kind: "ip", Value: group[3:]}}, Fate: "incident", Occurred: at, Triggered: at, Ingested: at,
			}
		}
		value, err := json.Marshal(&f)
		if err != nil {
			t.Fatal(err)
		}
		c.Recorded = append(c.Recorded, Record{Topic: pipeline.TopicFacts, Partition: int32(i % 5 % partitions), Time: at, Key: []byte(group), Value: value})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	res, err := Verify(ctx, c, []Variant{{Lanes: 1, Batch: 512}, {Lanes: 2, Batch: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Recorded[pipeline.TopicDecisions] < 50 || res.Recorded[pipeline.TopicIntents] == 0 {
		t.Errorf("from 60 recorded facts: %v, want a decision for nearly each and some intents", res.Recorded)
	}
}

// A stage whose outputs depend on the batch must be found out.
func TestDependenceOnTheBatchIsFound(t *testing.T) {
	t.Parallel()
	c := config(t, 300)
	whole := c.Stages
	c.Stages = func(ctx context.Context) ([]run.LaneConfig, error) {
		stages, err := whole(ctx)
		if err != nil {
			return nil, err
		}
		made := stages[0].New
		stages[0].New = func(topic string, p int32) (pipeline.Stage, error) {
			s, err := made(topic, p)
			return tellsBatch{s.(pipeline.Stateful)}, err
		}
		return stages[:1], nil
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

// What waits for a deadline far behind the log's end fires, in each run.
func TestTimePassesOnceTheLogIsRead(t *testing.T) {
	t.Parallel()
	c := config(t, 100)
	whole := c.Stages
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	variants := []Variant{{Lanes: 1, Batch: 512}, {Lanes: 1, Batch: 1}}
	ingest := func(ctx context.Context) ([]run.LaneConfig, error) {
		stages, err := whole(ctx)
		return stages[:1], err
	}
	c.Stages = ingest
	before, err := Verify(ctx, c, variants)
	if err != nil {
		t.Fatal(err)
	}
	deadline := c.Log[len(c.Log)-1].Time.Add(24 * time.Hour)
	c.Stages = func(ctx context.Context) ([]run.LaneConfig, error) {
		stages, err := ingest(ctx)
		if err != nil {
			return nil, err
		}
		made := stages[0].New
		stages[0].New = func(topic string, p int32) (pipeline.Stage, error) {
			s, err := made(topic, p)
			return &waits{Stateful: s.(pipeline.Stateful), partition: p, until: deadline}, err
		}
		return stages, nil
	}
	res, err := Verify(ctx, c, variants)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := res.Records[pipeline.TopicSignals], before.Records[pipeline.TopicSignals]+partitions; got != want {
		t.Errorf("%d signals, want %d: those of the log and one of each partition at the deadline", got, want)
	}
}

// waits tells once that its deadline is over.
type waits struct {
	pipeline.Stateful
	partition int32
	until     pipeline.Millis
	told      bool
}

func (s *waits) Tick(ctx context.Context, now pipeline.Millis, b *pipeline.Batch) error {
	if now >= s.until && !s.told {
		s.told = true
		b.Emit(pipeline.Message{Topic: pipeline.TopicSignals, Key: fmt.Append(nil, s.partition), Value: []byte(`{"late":true}`)})
	}
	return s.Stateful.Tick(ctx, now, b)
}
