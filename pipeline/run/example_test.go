package run_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/pipeline/run/broker"
)

// shout is a stage without state.
type shout struct{}

func (shout) Process(_ context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		r := &b.In[i]
		if len(r.Value) == 0 {
			b.Reject(i, "shout", "empty", "")
			continue
		}
		b.Emit(pipeline.Message{Topic: "loud", Key: r.Key, Value: bytes.ToUpper(r.Value)})
	}
	return nil
}

// A lane moves records through a stage; here on a broker inside the process.
func Example() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	b, err := broker.Start(broker.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	kafka := run.Kafka{Brokers: []string{b.Addr()}}
	err = run.EnsureTopics(ctx, kafka,
		run.TopicSpec{Name: "quiet", Partitions: 1}, run.TopicSpec{Name: "loud", Partitions: 1},
		run.TopicSpec{Name: pipeline.TopicRejects, Partitions: 1})
	if err != nil {
		fmt.Println(err)
		return
	}

	feeder, err := run.NewFeeder(kafka)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer feeder.Close()
	for _, word := range []string{"hello", "", "world"} {
		if err := feeder.Send(ctx, pipeline.Message{Topic: "quiet", Key: []byte("k"), Value: []byte(word)}); err != nil {
			fmt.Println(err)
		}
	}
	if err := feeder.Flush(ctx); err != nil {
		fmt.Println(err)
	}

	cfg := run.DefaultLane(kafka, "shout", "quiet")
	cfg.Worker = "example"
	cfg.New = func(string, int32) (pipeline.Stage, error) { return shout{}, nil }
	lane, err := run.NewLane(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	running, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- lane.Run(running) }()
	if err := run.Drained(ctx, kafka, lane.Busy, run.Input{Group: run.Group(kafka, "shout"), Topics: []string{"quiet"}}); err != nil {
		fmt.Println(err)
	}
	end()
	if err := <-done; err != nil {
		fmt.Println(err)
	}
	s := lane.Stats()
	fmt.Println(s.Read, "read,", s.Outputs["loud"], "loud,", s.Rejected, "rejected")
	// Output: 3 read, 2 loud, 1 rejected
}
