package run

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestHowAHangingTransactionWasToEnd(t *testing.T) {
	t.Parallel()
	f := func(last, before lastTxn, hanging int16, want string) {
		t.Helper()
		got := "unknown"
		if commit, known := last.outcome(hanging, before); known {
			got = map[bool]string{true: "commit", false: "abort"}[commit]
		}
		if got != want {
			t.Errorf("%+v after %+v, hanging in %d: got %s, want %s", last, before, hanging, got, want)
		}
	}
	f(lastTxn{7, 5, "CompleteAbort"}, lastTxn{}, 4, "abort")
	f(lastTxn{7, 5, "CompleteCommit"}, lastTxn{}, 4, "commit")
	f(lastTxn{7, 5, "PrepareCommit"}, lastTxn{}, 4, "unknown") // the marker may be under way
	f(lastTxn{7, 5, "Ongoing"}, lastTxn{}, 5, "unknown")
	f(lastTxn{7, 5, "CompleteCommit"}, lastTxn{}, 5, "unknown") // somebody has begun another
	f(lastTxn{7, 6, "CompleteCommit"}, lastTxn{}, 4, "unknown")
	f(lastTxn{7, 5, "Empty"}, lastTxn{}, 4, "unknown")
	// An initialisation raises the epoch, and so does the abort that it makes.
	f(lastTxn{7, 6, "CompleteAbort"}, lastTxn{7, 4, "Ongoing"}, 4, "abort")
	f(lastTxn{7, 6, "CompleteAbort"}, lastTxn{8, 4, "Ongoing"}, 4, "unknown")
	f(lastTxn{7, 6, "CompleteAbort"}, lastTxn{7, 3, "Ongoing"}, 4, "unknown")
	f(lastTxn{7, 7, "CompleteAbort"}, lastTxn{7, 4, "Ongoing"}, 4, "unknown") // another one in between
	f(lastTxn{7, 6, "CompleteCommit"}, lastTxn{7, 4, "Ongoing"}, 4, "unknown")
}

// hangingBroker makes the rig's broker answer as Apache Kafka does that lost the markers of a
// lane's transaction in the partitions 1, until somebody writes them.
type hangingBroker struct {
	epoch  int16       // of the transaction
	refuse int         // so many markers, before one is taken
	silent int         // so many answers about partitions, before one says something
	denied *kerr.Error // answer about the offsets, if not nil

	mu      sync.Mutex
	states  []lastTxn // what the coordinator says, one after another
	done    []string  // what was asked for
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
	c := r.cluster()
	if _, err := r.adm.CreateTopic(r.t.Context(), 2, 1, nil, consumerOffsets); err != nil {
		r.t.Fatal(err)
	}
	for _, key := range []kmsg.Key{kmsg.DescribeTransactions, kmsg.DescribeProducers, kmsg.WriteTxnMarkers, kmsg.InitProducerID} {
		c.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
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
		l := h.states[0]
		h.states = h.states[min(1, len(h.states)-1):]
		s.TransactionalID, s.State, s.ProducerID, s.ProducerEpoch = req.TransactionalIDs[0], l.state, l.producer, l.epoch
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
			switch {
			case rt.Topic == consumerOffsets && h.denied != nil:
				p.ErrorCode = h.denied.Code
			case h.silent > 0:
				h.silent--
				p.ErrorCode = kerr.KafkaStorageError.Code
			}
			if p.ErrorCode != 0 {
				t.Partitions = append(t.Partitions, p)
				continue
			}
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
		if h.denied != nil {
			all = all[1:]
		}
		if !slices.Contains(want, "commit") && !slices.Contains(want, "abort") {
			all = nil
		}
		if !slices.Equal(topics, all) {
			t.Errorf("%s: got markers in %q, want %q", name, topics, all)
		}
	}
	f("aborted", &hangingBroker{states: last("CompleteAbort", 1), epoch: hangingEpoch}, "abort", "abort", "abort", "init")
	f("committed", &hangingBroker{states: last("CompleteCommit", 1), epoch: hangingEpoch}, "commit", "commit", "commit", "init")
	f("decided, not ended yet", &hangingBroker{states: append(last("PrepareCommit", 1), last("CompleteCommit", 1)...), epoch: hangingEpoch},
		"commit", "commit", "commit", "init")
	f("the broker is not ready", &hangingBroker{states: last("CompleteCommit", 1), epoch: hangingEpoch, refuse: 2, silent: 3},
		"refused", "refused", "commit", "commit", "commit", "init")
	f("the offsets are not for us", &hangingBroker{states: last("CompleteCommit", 1), epoch: hangingEpoch, denied: kerr.TopicAuthorizationFailed},
		"commit", "commit", "init")
	// In the epoch that the coordinator gave last it may be a transaction that goes on.
	f("another process goes on", &hangingBroker{states: last("CompleteCommit", 0), epoch: hangingEpoch}, "init")
	f("long ago", &hangingBroker{states: last("Empty", 1), epoch: hangingEpoch}, "init")
}

// last is what a coordinator says of the producer's transaction, so many epochs later.
func last(state string, later int16) []lastTxn {
	return []lastTxn{{hangingProducer, hangingEpoch + later, state}}
}

func TestWhatHangsAfterABrokerWasAwayIsEndedBeforeTheNextTransaction(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	h := &hangingBroker{states: last("Empty", 0), epoch: hangingEpoch}
	h.install(r)
	l := r.start(r.config("w1"))
	r.produce("k v")
	r.drained(l)
	h.mu.Lock()
	h.states = append(last("PrepareCommit", 1), last("CompleteCommit", 1)...)
	h.mu.Unlock()
	var once sync.Once
	r.cluster().ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (resp kmsg.Response, err error, handled bool) {
		r.cluster().KeepControl()
		once.Do(func() { err, handled = errors.New("the connection ends"), true })
		return resp, err, handled
	})
	for n := range 100 {
		r.produce(fmt.Sprintf("k v%d", n))
	}
	r.drained(l)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.written) != 3 {
		t.Errorf("%d markers, want 3", len(h.written))
	}
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
