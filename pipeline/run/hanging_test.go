package run

import (
	"sync"
	"testing"

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

// hangingBroker makes the rig's broker answer as Apache Kafka does that lost the marker of a
// lane's transaction in one partition, until somebody writes it.
type hangingBroker struct {
	state string // of the transaction, according to the coordinator

	mu      sync.Mutex
	written []kmsg.WriteTxnMarkersRequestMarker
}

// The producer of the transaction.
const (
	hangingProducer    = 7
	hangingEpoch       = 4
	hangingCoordinator = 3
)

func (h *hangingBroker) answer(req kmsg.Request) kmsg.Response {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch req := req.(type) {
	case *kmsg.DescribeTransactionsRequest:
		resp := req.ResponseKind().(*kmsg.DescribeTransactionsResponse)
		s := kmsg.NewDescribeTransactionsResponseTransactionState()
		s.TransactionalID, s.State = req.TransactionalIDs[0], h.state
		s.ProducerID, s.ProducerEpoch = hangingProducer, hangingEpoch+1
		resp.TransactionStates = append(resp.TransactionStates, s)
		return resp
	case *kmsg.DescribeProducersRequest:
		return h.producers(req)
	case *kmsg.WriteTxnMarkersRequest:
		resp := req.ResponseKind().(*kmsg.WriteTxnMarkersResponse)
		h.written = append(h.written, req.Markers...)
		return resp
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
				a.ProducerID, a.ProducerEpoch, a.CoordinatorEpoch, a.CurrentTxnStartOffset = id, hangingEpoch, hangingCoordinator, -1
				if n == 1 && len(h.written) == 0 {
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

func TestLaneEndsWhatHangsOfItsFormerLifeAsItWasMeant(t *testing.T) {
	t.Parallel()
	f := func(state string, want []bool) {
		t.Helper()
		r := newRig(t, 2)
		h := &hangingBroker{state: state}
		for _, key := range []kmsg.Key{kmsg.DescribeTransactions, kmsg.DescribeProducers, kmsg.WriteTxnMarkers} {
			r.cluster().ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
				r.cluster().KeepControl()
				return h.answer(req), nil, true
			})
		}
		l := r.start(r.config("w1"))
		r.produce("k v")
		r.drained(l)
		l.stop(t)
		h.mu.Lock()
		defer h.mu.Unlock()
		var got []bool
		for _, m := range h.written {
			got = append(got, m.Committed)
			if m.ProducerID != hangingProducer || m.ProducerEpoch != hangingEpoch || m.CoordinatorEpoch != hangingCoordinator {
				t.Errorf("%s: got the marker %+v", state, m)
			}
			for _, topic := range m.Topics {
				if topic.Topic != "t."+StateTopic("toy", "in") && topic.Topic != "t."+pipeline.TopicRejects || len(topic.Partitions) != 1 || topic.Partitions[0] != 1 {
					t.Errorf("%s: got a marker for %s%v", state, topic.Topic, topic.Partitions)
				}
			}
		}
		if len(got) != 2*len(want) || len(want) > 0 && (got[0] != want[0] || got[1] != want[0]) { // state and rejects
			t.Errorf("%s: got markers with commit %v, want twice %v", state, got, want)
		}
	}
	f("CompleteAbort", []bool{false})
	f("CompleteCommit", []bool{true})
	f("Empty", nil)
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
