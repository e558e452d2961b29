package broker

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestFullDiskMakesProducersWaitAndLosesNothing(t *testing.T) {
	t.Parallel()
	c := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "x"))
	t.Cleanup(c.Close)
	var left atomic.Uint64
	left.Store(reserve - 1)
	refuseWhenFull(c, func() (uint64, error) { return left.Load(), nil })
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic("x"), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	done := make(chan error, 1)
	cl.Produce(t.Context(), kgo.StringRecord("a"), func(_ *kgo.Record, err error) { done <- err })
	select {
	case err := <-done:
		t.Fatalf("the record was answered with %v while the disk was full", err)
	case <-time.After(300 * time.Millisecond):
	}
	left.Store(reserve)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := c.PartitionInfo("x", 0).HighWatermark; got != 1 {
		t.Errorf("%d records lie on the topic, want 1", got)
	}
}

func TestFreeSpaceIsThatOfTheFolder(t *testing.T) {
	t.Parallel()
	if n, err := free(t.TempDir()); err != nil || n == 0 {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := free("/does/not/exist"); err == nil {
		t.Error("a folder that does not exist has free space")
	}
}
