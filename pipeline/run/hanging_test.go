package run

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestHowAHangingTransactionWasToEnd(t *testing.T) {
	t.Parallel()
	f := func(state string, coordinator, hanging int16, want string) {
		t.Helper()
		got := "unknown"
		if commit, known := (former{7, coordinator, state}).decided(hanging); known {
			got = map[bool]string{true: "commit", false: "abort"}[commit]
		}
		if got != want {
			t.Errorf("%s in epoch %d, hanging in %d: got %s, want %s", state, coordinator, hanging, got, want)
		}
	}
	f("Ongoing", 4, 4, "abort")
	f("PrepareAbort", 5, 4, "abort")
	f("CompleteAbort", 5, 4, "abort")
	f("PrepareCommit", 5, 4, "commit")
	f("CompleteCommit", 5, 4, "commit")
	f("CompleteCommit", 4, 4, "commit") // a broker that does not raise the epoch at the end
	f("CompleteCommit", 6, 4, "unknown")
	f("Empty", 5, 4, "unknown")
	f("Dead", 5, 4, "unknown")
}

// hangingBroker makes the rig's broker answer as Apache Kafka does that lost the markers of a
// lane's transaction in the partitions 1, until somebody writes them.
type hangingBroker struct {
	epoch  int16 // of the transaction
	refuse int   // so many markers, before one is taken

	mu      sync.Mutex
	states  []string // of the transaction according to the coordinator, one after another
	done    []string // what was asked for
	written []kmsg.WriteTxnMarkersRequestMarker
}

// The producer of the transaction.
const (
	hangingProducer    = 7
	hangingEpoch       = 4
	hangingCoordinator = 3
)

// install makes the broker of a rig one. It also gets the topic where Kafka keeps offsets.
func (h *hangingBroker) install(r *rig) {
	r.t.Helper()
	if _, err := r.adm.CreateTopic(r.t.Context(), 2, 1, nil, consumerOffsets); err != nil {
		r.t.Fatal(err)
	}
	for _, key := range []kmsg.Key{kmsg.DescribeTransactions, kmsg.DescribeProducers, kmsg.WriteTxnMarkers, kmsg.InitProducerID} {
		r.cluster().ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			r.cluster().KeepControl()
			resp := h.answer(req)
			return resp, nil, resp != nil
		})
	}
}

func (h *hangingBroker) answer(req kmsg.Request) kmsg.Response {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch req := req.(type) {
	case *kmsg.InitProducerIDRequest:
		if req.TransactionalID != nil {
			h.done = append(h.done, "init")
		}
	case *kmsg.DescribeTransactionsRequest:
		resp := req.ResponseKind().(*kmsg.DescribeTransactionsResponse)
		s := kmsg.NewDescribeTransactionsResponseTransactionState()
		s.TransactionalID, s.State = req.TransactionalIDs[0], h.states[0]
		h.states = h.states[min(1, len(h.states)-1):]
		s.ProducerID, s.ProducerEpoch = hangingProducer, hangingEpoch+1
		resp.TransactionStates = append(resp.TransactionStates, s)
		return resp
	case *kmsg.DescribeProducersRequest:
		return h.producers(req)
	case *kmsg.WriteTxnMarkersRequest:
		return h.write(req)
	}
	return nil
}

// producers has one open transaction of the lane and one of somebody else.
func (h *hangingBroker) producers(req *kmsg.DescribeProducersRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
	for _, rt := range req.Topics {
		t := kmsg.NewDescribeProducersResponseTopic()
		t.Topic = rt.Topic
		for _, n := range rt.Partitions {
			p := kmsg.NewDescribeProducersResponseTopicPartition()
			p.Partition = n
			for _, id := range []int64{hangingProducer, hangingProducer + 1} {
				a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
				a.ProducerID, a.ProducerEpoch, a.CoordinatorEpoch, a.CurrentTxnStartOffset = id, int32(h.epoch), hangingCoordinator, -1
				if n == 1 && !h.ended(rt.Topic) {
					a.CurrentTxnStartOffset = 92
				}
				p.ActiveProducers = append(p.ActiveProducers, a)
			}
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

func (h *hangingBroker) ended(topic string) bool {
	return slices.ContainsFunc(h.written, func(m kmsg.WriteTxnMarkersRequestMarker) bool { return m.Topics[0].Topic == topic })
}

func (h *hangingBroker) write(req *kmsg.WriteTxnMarkersRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.WriteTxnMarkersResponse)
	for _, m := range req.Markers {
		a := kmsg.NewWriteTxnMarkersResponseMarker()
		a.ProducerID = m.ProducerID
		for _, rt := range m.Topics {
			t := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			t.Topic = rt.Topic
			for _, n := range rt.Partitions {
				p := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
				p.Partition = n
				if h.refuse > 0 {
					p.ErrorCode = kerr.NotLeaderForPartition.Code
				}
				t.Partitions = append(t.Partitions, p)
			}
			a.Topics = append(a.Topics, t)
		}
		resp.Markers = append(resp.Markers, a)
		if h.refuse > 0 {
			h.refuse--
			h.done = append(h.done, "refused")
			continue
		}
		h.written = append(h.written, m)
		h.done = append(h.done, map[bool]string{true: "commit", false: "abort"}[m.Committed])
	}
	return resp
}

func TestWhatHangsOfAFormerLifeIsEndedAsItWasMeant(t *testing.T) {
	t.Parallel()
	f := func(name string, h *hangingBroker, want ...string) {
		t.Helper()
		r := newRig(t, 2)
		h.install(r)
		l := r.start(r.config("w1"))
		r.produce("k v")
		r.drained(l)
		l.stop(t)
		h.mu.Lock()
		defer h.mu.Unlock()
		if got := h.done[:min(len(h.done), len(want))]; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		var topics []string
		for _, m := range h.written {
			if m.ProducerID != hangingProducer || m.ProducerEpoch != h.epoch || m.CoordinatorEpoch != hangingCoordinator {
				t.Errorf("%s: got the marker %+v", name, m)
			}
			for _, topic := range m.Topics {
				topics = append(topics, fmt.Sprint(topic.Topic, topic.Partitions))
			}
		}
		slices.Sort(topics)
		all := []string{consumerOffsets + "[1]", "t." + pipeline.TopicRejects + "[1]", "t." + StateTopic("toy", "in") + "[1]"}
		if !slices.Contains(want, "commit") && !slices.Contains(want, "abort") {
			all = nil
		}
		if !slices.Equal(topics, all) {
			t.Errorf("%s: got markers in %q, want %q", name, topics, all)
		}
	}
	f("aborted", &hangingBroker{states: []string{"CompleteAbort"}, epoch: hangingEpoch}, "abort", "abort", "abort", "init")
	f("committed", &hangingBroker{states: []string{"CompleteCommit"}, epoch: hangingEpoch}, "commit", "commit", "commit", "init")
	f("decided, not ended yet", &hangingBroker{states: []string{"PrepareCommit", "PrepareCommit", "CompleteCommit"}, epoch: hangingEpoch},
		"commit", "commit", "commit", "init")
	f("the broker is not ready", &hangingBroker{states: []string{"CompleteCommit"}, epoch: hangingEpoch, refuse: 2},
		"refused", "refused", "commit", "commit", "commit", "init")
	// In the epoch that the coordinator gave last it may be a transaction that goes on, until
	// the initialisation fences it.
	f("an old broker", &hangingBroker{states: []string{"CompleteCommit"}, epoch: hangingEpoch + 1}, "init", "commit", "commit", "commit")
	f("left open", &hangingBroker{states: []string{"Ongoing"}, epoch: hangingEpoch}, "init", "abort", "abort", "abort")
	f("long ago", &hangingBroker{states: []string{"Empty"}, epoch: hangingEpoch}, "init")
}

func TestWhatHangsOfATransactionWhoseEndTookLongIsEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	h := &hangingBroker{states: []string{"Empty", "PrepareCommit", "CompleteCommit"}, epoch: hangingEpoch}
	h.install(r)
	var once sync.Once
	r.cluster().ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		once.Do(func() { time.Sleep(slowEnd + 50*time.Millisecond) })
		return nil, nil, false
	})
	l := r.start(r.config("w1"))
	r.produce("k v")
	r.drained(l)
	eventually(t, func() string {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.written) != 3 {
			return fmt.Sprintf("%d markers, want 3", len(h.written))
		}
		return ""
	})
}

func TestLaneStartsWhereItMayNotLookForHangingTransactions(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.cluster().ControlKey(int16(kmsg.DescribeTransactions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster().KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeTransactionsResponse)
		s := kmsg.NewDescribeTransactionsResponseTransactionState()
		s.TransactionalID = req.(*kmsg.DescribeTransactionsRequest).TransactionalIDs[0]
		s.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		resp.TransactionStates = append(resp.TransactionStates, s)
		return resp, nil, true
	})
	r.produce("k v")
	r.drained(r.start(r.config("w1")))
}
