package run

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// disputed is a session that serves partition 0 since a time, and its client that holds the
// given ones.
func disputed(t *testing.T, given time.Time, owned bool, held ...int32) (*session, map[string]map[int32]kgo.EpochOffset) {
	t.Helper()
	l, err := NewLane(newRig(t, 2).config("w1"))
	if err != nil {
		t.Fatal(err)
	}
	id := tp{"in", 0}
	offsets := map[int32]kgo.EpochOffset{}
	for _, n := range held {
		offsets[n] = kgo.EpochOffset{}
	}
	return &session{l: l, parts: map[tp]*part{id: {id: id, given: given, owned: owned}}}, map[string]map[int32]kgo.EpochOffset{"in": offsets}
}

func TestPartitionThatTheClientGaveUpIsForgotten(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		given  time.Time
		owned  bool
		held   []int32
		serves int
	}{
		"held":                             {now.Add(-time.Hour), true, []int32{0}, 1},
		"given just now, not yet held":     {now.Add(-unsure / 2), false, nil, 1},
		"held before":                      {now, true, nil, 0},
		"revoked before it was ever held":  {now.Add(-2 * unsure), false, nil, 0},
		"the same, while others are there": {now.Add(-2 * unsure), false, []int32{1}, 0},
	} {
		s, held := disputed(t, c.given, c.owned, c.held...)
		if s.agree(held, now); s.l.Serves() != c.serves {
			t.Errorf("%s: serves %d, want %d", name, s.l.Serves(), c.serves)
		}
	}
}

func TestPartitionThatIsHeldAndNotServedIsNoticed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s, held := disputed(t, now, true, 0, 1)
	s.agree(held, now)
	s.agree(held, now.Add(time.Second))
	if !s.lone.Equal(now) {
		t.Errorf("alone since %v, want %v", s.lone, now)
	}
	delete(held["in"], 1)
	if s.agree(held, now.Add(2*time.Second)); !s.lone.IsZero() {
		t.Errorf("alone since %v after it was given up", s.lone)
	}
}

func TestPartitionsWhoseOffsetsAreHeldByATransactionAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	var unstable atomic.Bool
	unstable.Store(true)
	r.cluster().ControlKey(int16(kmsg.OffsetFetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster().KeepControl()
		fetch := req.(*kmsg.OffsetFetchRequest)
		if len(fetch.Groups) != 1 || fetch.Groups[0].Group != Group(r.k, "toy") || !unstable.Load() {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
		g := kmsg.NewOffsetFetchResponseGroup()
		g.Group = fetch.Groups[0].Group
		for _, rt := range fetch.Groups[0].Topics {
			topic := kmsg.NewOffsetFetchResponseGroupTopic()
			topic.Topic, topic.TopicID = rt.Topic, rt.TopicID
			for _, n := range rt.Partitions {
				p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
				p.Partition, p.Offset, p.ErrorCode = n, -1, kerr.UnstableOffsetCommit.Code
				topic.Partitions = append(topic.Partitions, p)
			}
			g.Topics = append(g.Topics, topic)
		}
		resp.Groups = append(resp.Groups, g)
		return resp, nil, true
	})
	c := r.config("w1")
	reg := prometheus.NewRegistry()
	c.Metrics = NewMetrics(reg)
	run := r.start(c)
	waits := func(want float64) {
		t.Helper()
		eventually(t, func() string {
			if got, ok := measured(t, reg, "riposte_run_waiting_partitions", c.Stage); !ok || got != want {
				return fmt.Sprintf("%v partitions wait, want %v", got, want)
			}
			return ""
		})
	}
	waits(2)
	unstable.Store(false)
	waits(0)
	r.produce("k v")
	r.drained(run)
}
